"""Looks at what is stored, and says what contradicts the guarantees. Empty lists are good."""

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from e2e.test_random_clinics import _differences
from faults.events import Told
from faults.expected import ladders, newest_of, rollups, stored_version
from faults.publishing import GROUPS, Acknowledged, Place, Publisher, value_of
from faults.stack import Stack, StackProblemError
from shared.topics import OUTREACH_EVENTS, TOPICS
from support.clinics import awkward_as_ofs
from support.oracle import Clinic, Oracle
from support.system import System

IDENTITY = ("source", "event_id")


class CommitWatch:
    """Cursors are never past what is stored: looks at what was committed since it looked last."""

    def __init__(self, stack: Stack, publisher: Publisher) -> None:
        self._stack = stack
        self._publisher = publisher
        self._seen: dict[Place, int] = {}
        self.looked_at = 0

    def look(self) -> list[str]:
        """Committed records that are neither stored nor set aside."""
        fresh: list[tuple[Place, int, Told]] = []
        for place, committed in self._publisher.committed().items():
            known = self._publisher.acknowledged.by_place.get(place, {})
            for offset in range(self._seen.get(place, 0), committed):
                if offset in known:
                    fresh.append((place, offset, known[offset]))
            self._seen[place] = max(self._seen.get(place, 0), committed)
        self.looked_at += len(fresh)
        missing = [f"{p}@{o} {told.kind} {told.timeline} {told.place}" for p, o, told in self._missing(fresh)]
        return [f"committed, but not stored: {one}" for one in missing]

    def _missing(self, fresh: list[tuple[Place, int, Told]]) -> Iterable[tuple[Place, int, Told]]:
        ids = sorted({told.timeline for _, _, told in fresh})
        timelines = {t["_id"]: t for t in self._stack.direct["risk_engine"]["timelines"].find({"_id": {"$in": ids}})}
        histories = self._stack.direct["outreach_tracker"]["patients"].find({"_id": {"$in": ids}})
        held = {h["_id"]: {(e["source"], e["event_id"]) for e in h["events"].values()} for h in histories}
        for place, offset, told in fresh:
            if told.kind == "fact":
                stored = stored_version(timelines.get(told.timeline), told.place) >= told.version
            elif told.kind == "outreach":
                event = json.loads(told.value)
                stored = (event["source"], event["id"]) in held.get(told.timeline, set())
            else:
                continue  # the dead letters are compared in the end
            if not stored:
                yield place, offset, told


def settle(stack: Stack, publisher: Publisher, within: float) -> float:
    """Seconds until everything is consumed and settled."""
    began = time.monotonic()
    why = ""
    while time.monotonic() - began < within:
        ends, committed = publisher.ends(), publisher.committed()
        behind = {place: end - committed.get(place, 0) for place, end in ends.items() if end > committed.get(place, 0)}
        dirty = stack.direct["risk_engine"]["timelines"].count_documents({"dirty": {"$exists": True}})
        building = [s["_id"] for s in stack.direct["risk_engine"]["standings"].find() if not _is_current(stack, s)]
        if not behind and not dirty and not building:
            return time.monotonic() - began
        why = f"{dirty} dirty timelines, rebuilding {building}, behind: {behind}"
        time.sleep(0.5)
    raise StackProblemError(f"not everything was consumed within {within:.0f} s: {why}")


def _is_current(stack: Stack, standing: Mapping[str, Any]) -> bool:
    organization = stack.direct["reengage"]["organizations"].find_one({"_id": standing["_id"]})
    assert organization is not None
    return bool(standing["settings_revision"] == organization["settings_revision"] and standing["building"] is None)


def check(stack: Stack, publisher: Publisher, clinic: Clinic, token: str, seed: int) -> list[str]:
    """All violations, once everything is consumed and settled."""
    organization = clinic.settings["id"]
    return [
        *_timelines(stack, publisher.acknowledged, organization),
        *_dead_letters(publisher, organization),
        *_sums(stack, organization, clinic.settings["time_zone"]),
        *_answers(stack, clinic, token, seed),
    ]


def _told(acknowledged: Acknowledged, organization: str) -> list[Told]:
    every = [told for known in acknowledged.by_place.values() for told in known.values()]
    return [told for told in every if told.timeline.startswith(f"{organization}:")]


def _timelines(stack: Stack, acknowledged: Acknowledged, organization: str) -> list[str]:
    told = _told(acknowledged, organization)
    query = {"organization_id": organization}
    timelines = {t["_id"]: t for t in stack.direct["risk_engine"]["timelines"].find(query)}
    found = []
    for (timeline, place), version in newest_of(told).items():
        stored = stored_version(timelines.get(timeline), place)
        if stored != version:
            found.append(f"{timeline} {place}: version {stored or 'none'} is stored, {version} was acknowledged")
    reported = {(one.timeline, *_identity(one.value)) for one in told if one.kind == "outreach"}
    held = set()
    for history in stack.direct["outreach_tracker"]["patients"].find(query):
        held |= {(history["_id"], e["source"], e["event_id"]) for e in history["events"].values()}
    return found + [f"report {one} is in only one of topic and history" for one in reported ^ held]


def _identity(value: bytes) -> tuple[str, str]:
    event = json.loads(value)
    return event["source"], event["id"]


def _dead_letters(publisher: Publisher, organization: str) -> list[str]:
    expected: set[Any] = set()
    for (topic, partition), known in publisher.acknowledged.by_place.items():
        for offset, told in known.items():
            if told.kind == "poison" and organization.encode() in told.value:
                expected.add((topic, partition, offset, told.value))
    poison = {value for *_, value in expected}
    letters: set[Any] = set()
    for topic in GROUPS:
        for record in publisher.records(f"{topic}-dlq"):
            if organization.encode() in record.value:
                headers = dict(record.headers)
                place = (int(headers["dlq-partition"]), int(headers["dlq-offset"]))
                letters.add((headers["dlq-topic"].decode(), *place, record.value))
    found = [f"not set aside: {one}" for one in expected - letters]
    # What was not acknowledged may have arrived all the same, and was then published again.
    return found + [f"set aside, though good: {one}" for one in letters - expected if one[-1] not in poison]


def _sums(stack: Stack, organization: str, time_zone: str) -> list[str]:
    database = stack.direct["risk_engine"]
    standing = database["standings"].find_one({"_id": organization})
    if standing is None:
        return [f"{organization} has no standing"]
    scope = {"scope": f"{organization}|{standing['generation']}"}
    expected = ladders(database["contributions"].find(scope), time_zone)
    stored = rollups(database["rollups"].find(scope))
    found = []
    for rollup in sorted(expected.keys() | stored.keys()):
        mine, theirs = expected.get(rollup, {}), stored.get(rollup, {})
        if mine != theirs:
            fields = sorted(f for f in mine.keys() | theirs.keys() if mine.get(f) != theirs.get(f))[:3]
            found.append(f"rollup {rollup}: {[(f, theirs.get(f), mine.get(f)) for f in fields]} (stored, sum)")
    return found[:20]


def _answers(stack: Stack, clinic: Clinic, token: str, seed: int) -> list[str]:
    """What the gateway says, against the oracle, which reads the clinic's records alone."""
    organization = clinic.settings["id"]
    url = f"http://127.0.0.1:{stack.gateway_port}"
    with httpx.Client(timeout=120) as client:
        system = System(stack.folder, {}, url, "", client, {organization: token})
        oracle = Oracle(clinic)
        end = oracle.calendar.local_date(max(oracle.calendar.as_of(e["time"]) for e in clinic.outreach))
        found = []
        for as_of in awkward_as_ofs(clinic, seed, 3, end=end):
            found += [f"as of {as_of}: {one}" for one in _differences(system, oracle, organization, as_of)]
        return found[:20]


def messages_told(publisher: Publisher) -> int:
    """How many messages the tracker published: more than there are, when it published some again."""
    return sum(1 for topic in TOPICS if topic.producer == "outreach-tracker" for _ in publisher.records(topic.name))


__all__ = ["OUTREACH_EVENTS", "CommitWatch", "check", "messages_told", "settle", "value_of"]
