"""What is known of a patient's messages: the fold of reports into messages. Pure.

A patient's history holds, for every identity (source, event id), the version that wins and all
messages that any version named. Folding a version in is a join (the smaller version, the union
of messages): any order and any number of repeats of the same reports give the same history.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.events import OutreachEvent
from shared.outreach import OutreachOutcome, TreatmentOutcome

Report = OutreachOutcome | TreatmentOutcome
Identity = tuple[str, str]
"""Source and event id, within one patient."""

MessageId = tuple[str, str]
"""Channel and message id, within one patient."""

TWO_WAY = frozenset({"responded", "connected", "appointment_booked"})
"""Outcomes that are contacts: each report counts at its own time."""

LARGEST_HISTORY_BYTES = 12 * 1024 * 1024
"""Below the 16 MiB of a MongoDB document: some ten thousand reports about one patient."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was told under one identity."""

    report: Report
    """The version that wins: of the earliest time, of these the smaller canonical JSON."""
    named: frozenset[MessageId] = frozenset()
    """The messages that any version named: those but the winner's hold nothing of it (any more)."""
    treated: bool = False
    """Whether any version reported a treatment."""

    @property
    def size(self) -> int:
        """How many bytes it takes in the store, at most; the report's fields stand there twice."""
        return 2 * _bytes(self.report.canonical) + sum(60 + _bytes(name) for _, name in self.named) + 300


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


History = Mapping[Identity, Told]


@dataclass(frozen=True, slots=True)
class Folded:
    """A history with reports folded in."""

    history: History
    changed: frozenset[Identity]
    """Identities that are told otherwise than before; empty: all was known."""
    touched: frozenset[MessageId]
    """Messages that the reports can have changed, now or when they came first."""
    treatments: frozenset[Identity]
    """Treatments of which the same is true."""
    refused: tuple[Report, ...]
    """Reports for which the history has no room."""


def identity_of(report: Report) -> Identity:
    """What a report is, however often and however differently it is told."""
    return report.source, report.event_id


def fold(history: History, reports: Iterable[Report]) -> Folded:
    """The history with the reports folded in; `history` itself stays as it is."""
    after = dict(history)
    size = sum(told.size for told in after.values())
    changed: set[Identity] = set()
    touched: set[MessageId] = set()
    treatments: set[Identity] = set()
    refused: list[Report] = []
    for report in reports:
        identity = identity_of(report)
        before = after.get(identity)
        told = _join(before, report)
        if told != before:
            grown = told.size - (before.size if before else 0)
            if grown > 0 and size + grown > LARGEST_HISTORY_BYTES:
                refused.append(report)
                continue
            size += grown
            after[identity] = told
            changed.add(identity)
        touched |= told.named
        if told.treated:
            treatments.add(identity)
    return Folded(after, frozenset(changed), frozenset(touched), frozenset(treatments), tuple(refused))


def _join(before: Told | None, report: Report) -> Told:
    named = frozenset({(report.channel, report.message_id)}) if isinstance(report, OutreachOutcome) else frozenset()
    treated = isinstance(report, TreatmentOutcome)
    if before is None:
        return Told(report, named, treated)
    winner = min(before.report, report, key=lambda version: (version.at, version.canonical))
    return Told(winner, before.named | named, before.treated or treated)


def messages(history: History, wanted: Iterable[MessageId]) -> dict[MessageId, tuple[OutreachEvent, ...]]:
    """The reports of each wanted message, sorted by (at, source, event id); none: all withdrawn."""
    found: dict[MessageId, list[OutreachOutcome]] = {message: [] for message in wanted}
    for told in history.values():
        report = told.report
        if isinstance(report, OutreachOutcome):
            reports = found.get((report.channel, report.message_id))
            if reports is not None:
                reports.append(report)
    return {message: tuple(map(_event, sorted(reports, key=_order))) for message, reports in found.items()}


def _order(report: Report) -> tuple[int, str, str]:
    return report.at, report.source, report.event_id


def _event(report: OutreachOutcome) -> OutreachEvent:
    return OutreachEvent(
        source=report.source,
        event_id=report.event_id,
        at=report.at,
        outcome=report.outcome,
        attempt_id=report.attempt_id,
        campaign=report.campaign,
        reason=report.reason,
        staff=report.staff,
    )


def without_idle_repeats(events: Iterable[OutreachEvent]) -> tuple[OutreachEvent, ...]:
    """The sorted events of a message without those on which no number depends, as of any instant.

    What repeats an earlier outcome counts for nothing, unless it is a contact, gives a reason, or
    is the first to name an attempt.
    """
    kept: list[OutreachEvent] = []
    outcomes: set[str] = set()
    attempt_named = False
    for event in events:
        names_attempt = event.attempt_id is not None and not attempt_named
        if event.outcome not in outcomes or event.outcome in TWO_WAY or event.reason or names_attempt:
            kept.append(event)
        outcomes.add(event.outcome)
        attempt_named = attempt_named or names_attempt
    return tuple(kept)
