"""What happens with a batch of outreach events: stored first, then told to the others."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from outreach_tracker.announcements import Occasion, message_changed, treatment_changed
from outreach_tracker.lifecycle import Folded, Report, fold, messages
from outreach_tracker.store import Change, HistoryStore, PatientHistory
from shared.clock import Clock
from shared.consumer import DeadLetter, Handler, Record
from shared.failpoints import reached
from shared.faults import TransientError
from shared.kafka import Outgoing
from shared.outreach import InvalidEvent, parse_outreach_event

Publish = Callable[[Iterable[Outgoing]], Awaitable[object]]
IsKnown = Callable[[str], Awaitable[bool]]

RACES = 10
"""So often another writer may be faster (two owners during a rebalance) before the batch waits."""


class LostRaceError(TransientError):
    """Another process keeps changing the same patients."""


def create_follow_outreach(store: HistoryStore, publish: Publish, is_known: IsKnown, clock: Clock) -> Handler:
    """The handler of the topic `outreach-events`.

    Every message that a batch can have changed is published with its whole state, also when the
    store held all of it already: so a crash between storing and publishing heals.
    """

    async def follow_outreach(batch: Sequence[Record]) -> list[DeadLetter]:
        reports, dead = _read(batch, clock.now())
        unknown = await _unknown_organizations(reports.values(), is_known)
        by_patient: dict[str, dict[int, Report]] = {}
        for place, report in reports.items():
            if report.organization_id in unknown:
                dead[place] = "unknown organization"
            else:
                key = f"{report.organization_id}:{report.patient_id}"
                by_patient.setdefault(key, {})[place] = report
        outgoing, refused = await _store(by_patient)
        reached("tracker.after_store")
        if outgoing:
            await publish(outgoing)
            reached("tracker.after_publish")
        for place, report in reports.items():
            if id(report) in refused:
                dead[place] = "too many events of one patient"
        return [DeadLetter.invalid(batch[place], reason) for place, reason in sorted(dead.items())]

    async def _store(by_patient: Mapping[str, Mapping[int, Report]]) -> tuple[list[Outgoing], set[int]]:
        outgoing: list[Outgoing] = []
        refused: set[int] = set()
        waiting = set(by_patient)
        for _ in range(RACES):
            if not waiting:
                return outgoing, refused
            before = await store.read(waiting)
            after: dict[str, tuple[PatientHistory, Folded]] = {}
            for key in waiting:
                reports = list(by_patient[key].values())
                first = reports[0]
                known = before.get(key) or PatientHistory(first.organization_id, first.patient_id)
                after[key] = _next(known, fold(known.history, reports), clock.now())
            lost = await store.save([Change(p, folded.changed) for p, folded in after.values() if folded.changed])
            for key in waiting - lost:
                patient, folded = after[key]
                outgoing += _announcements(patient, folded)
                refused |= {id(report) for report in folded.refused}
            waiting = lost
        raise LostRaceError("other processes keep changing the same patients")

    return follow_outreach


def _read(batch: Sequence[Record], now: int) -> tuple[dict[int, Report], dict[int, str]]:
    """The reports, and why there is none, both by their place in the batch; tombstones are neither."""
    reports: dict[int, Report] = {}
    dead: dict[int, str] = {}
    for place, record in enumerate(batch):
        if record.value is None:
            continue
        received_at = record.timestamp if record.timestamp >= 0 else now
        try:
            reports[place] = parse_outreach_event(record.value, received_at=received_at, key=record.key or b"")
        except InvalidEvent as invalid:
            dead[place] = str(invalid)
    return reports, dead


async def _unknown_organizations(reports: Iterable[Report], is_known: IsKnown) -> set[str]:
    named = sorted({report.organization_id for report in reports})
    return {name for name in named if not await is_known(name)}


def _next(known: PatientHistory, folded: Folded, now: int) -> tuple[PatientHistory, Folded]:
    if not folded.changed:
        return known, folded
    changed_at = max(now, known.changed_at)
    revision = known.revision + 1
    return PatientHistory(known.organization_id, known.patient_id, revision, changed_at, folded.history), folded


def _announcements(patient: PatientHistory, folded: Folded) -> Iterable[Outgoing]:
    occasion = Occasion(patient.organization_id, patient.patient_id, patient.revision, patient.changed_at)
    for message, events in messages(patient.history, sorted(folded.touched)).items():
        yield message_changed(occasion, message, events)
    for identity in sorted(folded.treatments):
        yield treatment_changed(occasion, patient.history[identity])
