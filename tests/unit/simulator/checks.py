"""What must hold at every moment, and in the end."""

from collections import Counter
from typing import Any

from risk_engine.settlement import increments, settle
from risk_engine.store.standings import generation_of
from rules.instants import parse_instant
from shared.records import Partition, Record
from shared.topics import OUTREACH_EVENTS, TOPICS, dead_letters_of
from unit.simulator.load import ORGANIZATION, PATIENTS, Load, origins
from unit.simulator.world import World


class CommitCheck:
    """Nothing that is committed is missing: looked at once, when it is committed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: dict[tuple[str, Partition], int] = {}

    def __call__(self) -> None:
        for name, group in self._world.groups.items():
            for partition, committed in group.committed.items():
                seen = self._seen.get((name, partition), 0)
                for record in self._world.log.partitions[partition][seen:committed]:
                    assert self._stored(record), (
                        f"{partition} is committed to {committed}, {record.offset} is not stored"
                    )
                self._seen[name, partition] = max(seen, committed)

    def _stored(self, record: Record) -> bool:
        letters = origins(self._world.log.of(dead_letters_of(record.topic)))
        if record[:3] in letters:
            return True
        if record[:3] in self._world.load.poison or record.key is None:
            return False
        timeline = record.key.decode()
        if record.topic == OUTREACH_EVENTS:
            return timeline in self._world.database.histories.patients
        timelines = self._world.database.timelines
        return timeline in timelines.erasures or timeline in timelines.stored


def check_end(world: World) -> None:
    """Every acknowledged record is applied, superseded or dead-lettered; sums are those of the timelines."""
    load = world.load
    letters = [record for topic in TOPICS for record in world.log.of(topic.dead_letters)]
    assert set(origins(letters)) == load.poison
    for patient in PATIENTS:
        timeline = world.database.timelines.stored.get(f"{ORGANIZATION}:{patient}")
        if patient in load.erased:
            assert timeline is None, f"{patient} was erased"
        else:
            assert _facts(timeline or {}) == _expected(load, patient)
    _check_sums(world)


def _facts(timeline: dict[str, Any]) -> dict[str, Any]:
    found = {}
    if "contact" in timeline:
        found["contact"] = timeline["contact"]["name"]
    for name, fact in timeline.get("appointments", {}).items():
        found[f"appointments.{name}"] = fact.get("starts_at")
    for fact in timeline.get("messages", {}).values():
        if "left" not in fact:
            events = [(event["event_id"], event["outcome"]) for event in fact["events"]]
            found[f"messages.{fact['message_id']}"] = sorted(events)
    return found


def _expected(load: Load, patient: str) -> dict[str, Any]:
    found = {}
    for (who, place), (_, content) in load.newest.items():
        if who == patient:
            instant = content is not None and place != "contact"
            found[place] = parse_instant(content) if instant else content
    for (who, message), events in load.messages().items():
        if who == patient and events:
            found[f"messages.{message}"] = events
    return found


def _check_sums(world: World) -> None:
    results = world.database.settlements
    standing = results.standings[ORGANIZATION]
    generation = generation_of(standing, standing)
    timelines = list(world.database.timelines.stored.values())
    merged = world.database.timelines.merged_into([t["_id"] for t in timelines])
    afresh = [settle(t, merged, generation, as_of=0, home=0) for t in timelines]
    expected = {s.id: dict(s.contribution or {}) for s in afresh if s.assessment is not None}
    stored = {name: c for name, c in results.contributions.items() if c["scope"] == generation.scope}
    for parts in (expected, stored):
        for contribution in parts.values():
            contribution.pop("basis", None)
    assert {n: (c["state"], c["days"]) for n, c in stored.items()} == {
        n: (c["state"], c["days"]) for n, c in expected.items()
    }
    sums: Counter[tuple[str, str]] = Counter()
    for rollup, fields in increments([(s, None) for s in afresh]).items():
        for field, change in fields.items():
            sums[rollup, field] += change
    own = {key: n for key, n in results.rollups.items() if key[0].startswith(f"{generation.scope}|") and n}
    assert own == {key: n for key, n in sums.items() if n}
