"""The fold of reports into messages: any order and any number of repeats gives the same."""

from collections.abc import Sequence
from typing import Any

import pytest
from bson import encode
from hypothesis import given
from hypothesis import strategies as st

from outreach_tracker import lifecycle
from outreach_tracker.lifecycle import History, Report, fold, messages, without_idle_repeats
from outreach_tracker.store import Change, PatientHistory, _write
from shared.events import OUTCOMES, OutreachEvent
from unit.outreach_tracker.fakes import event, report, treatment

outreach = st.builds(
    event,
    st.sampled_from(["e1", "e2", "e3"]),
    source=st.sampled_from(["/crm", "/sms"]),
    at=st.integers(0, 3),
    outcome=st.sampled_from(OUTCOMES["sms"]),
    message=st.sampled_from(["m1", "m2"]),
    attempt_id=st.sampled_from([None, "a1", "a2"]),
)
treatments = st.builds(treatment, st.sampled_from(["e1", "t1"]), at=st.integers(0, 3))
reports = st.lists(outreach | treatments, max_size=12).map(lambda told: [report(one) for one in told])


def folded(told: Sequence[Report], history: History | None = None) -> History:
    return fold(history or {}, told).history


@given(reports, st.data())
def test_any_shuffle_with_duplicates_in_any_batches_gives_the_same(told: list[Report], data: st.DataObject) -> None:
    again = data.draw(st.permutations(told + data.draw(st.lists(st.sampled_from(told)) if told else st.just([]))))
    cut = data.draw(st.integers(0, len(again)))
    history = folded(again[cut:], folded(again[:cut]))
    assert history == folded(told)
    ids = {message for entry in history.values() for message in entry.named}
    assert messages(history, ids) == messages(folded(told), ids)


@given(reports)
def test_what_was_told_already_changes_nothing_but_touches_the_same(told: list[Report]) -> None:
    first = fold({}, told)
    second = fold(first.history, told)
    assert not second.changed
    assert second.touched == first.touched
    assert second.treatments == first.treatments


@given(reports)
def test_the_earliest_version_wins_and_of_equal_ones_the_smaller_canonical_json(told: list[Report]) -> None:
    for identity, entry in folded(told).items():
        versions = [one for one in told if lifecycle.identity_of(one) == identity]
        assert entry.report == min(versions, key=lambda one: (one.at, one.canonical))


def test_an_earlier_version_moves_the_report_and_the_message_it_leaves_is_touched() -> None:
    before = folded([report(event("e1", at=5, message="m1")), report(event("e2", at=6, message="m1"))])
    after = fold(before, [report(event("e1", at=4, message="m2"))])
    assert after.touched == {("sms", "m1"), ("sms", "m2")}
    found = messages(after.history, after.touched)
    assert [one.event_id for one in found["sms", "m1"]] == ["e2"]
    assert [one.event_id for one in found["sms", "m2"]] == ["e1"]


def test_the_same_event_id_of_another_source_is_another_report() -> None:
    history = folded([report(event("e1", source="/crm")), report(event("e1", source="/sms"))])
    assert len(messages(history, [("sms", "m1")])["sms", "m1"]) == 2


def test_events_are_sorted_by_time_source_and_id() -> None:
    told = [event("b", at=2), event("a", at=2), event("a", at=2, source="/a"), event("z", at=1)]
    events = messages(folded([report(one) for one in told]), [("sms", "m1")])["sms", "m1"]
    assert [(one.source, one.event_id) for one in events] == [("/crm", "z"), ("/a", "a"), ("/crm", "a"), ("/crm", "b")]


@given(st.lists(st.text(max_size=60), max_size=6), st.sampled_from(["e", "é" * 90, "😀" * 100]))
def test_a_history_takes_no_more_in_the_store_than_it_is_counted_for(texts: list[str], ident: str) -> None:
    told = [
        report(event(f"{ident}{number}", message=ident, reason=text, campaign=text * 9, staff=text))
        for number, text in enumerate(texts)
    ]
    told += [report(treatment(f"t{number}", outcome=f"better {text}")) for number, text in enumerate(texts)]
    history = folded([*told, *(report(event(f"{ident}0", message=f"m{number}")) for number in range(3))])
    after = PatientHistory("org_x", "p1", 1, 0, history)
    document: Any = _write(Change(after, history.keys()), "x" * 32)
    assert len(encode(document._doc)) <= sum(entry.size for entry in history.values()) + 300


def test_a_full_history_refuses_what_is_new_and_still_takes_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    known = report(event("e1", at=5))
    history = folded([known])
    monkeypatch.setattr(lifecycle, "LARGEST_HISTORY_BYTES", 1)
    new = report(event("e2"))
    result = fold(history, [known, new])
    assert result.refused == (new,)
    assert result.history == history


def of(outcomes: str, **more: Any) -> list[OutreachEvent]:
    told = [event(f"e{place}", at=place, outcome=outcome, **more) for place, outcome in enumerate(outcomes.split())]
    return list(messages(folded([report(one) for one in told]), [("sms", "m1")])["sms", "m1"])


def test_repeats_on_which_no_number_depends_can_be_left_out() -> None:
    kept = without_idle_repeats(of("sent delivered delivered responded sent responded delivered"))
    assert [one.event_id for one in kept] == ["e0", "e1", "e3", "e5"]


def test_reasons_and_the_first_naming_of_an_attempt_are_never_left_out() -> None:
    events = [
        *of("sent sent"),
        *of("sent", attempt_id="a1"),
        *of("sent", attempt_id="a1"),
        *of("sent", reason="no credit"),
    ]
    kept = without_idle_repeats(events)
    assert [(one.attempt_id, one.reason) for one in kept] == [(None, None), ("a1", None), (None, "no credit")]
