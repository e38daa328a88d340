"""What follows from a timeline: the patient's assessment now, and what it adds to the sums."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rules.assess import Assessment, assess_view
from rules.breakpoints import next_change, state_instants
from rules.contribution import Contribution, Earlier, contribution
from rules.facts import Facts
from rules.settings import RuleSettings
from rules.view import View
from shared.assessments import assessment_document
from shared.increments import Increments, Net, all_of, of_instants
from shared.rollups import Grain, Ladder, scope, scope_of
from shared.timelines import Document, Merged, facts_with_merged

Basis = list[tuple[str, int]]
"""The timelines that a result was computed from, each with its revision.

Once merged into a patient, a timeline stays part of the basis, also when it is so no longer: then of two
results that with the greater revisions is always the newer one.
"""


class Memory:
    """What the patients settled last added; forgets those that were settled longest ago."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: dict[str, Earlier] = {}

    def get(self, place: str) -> Earlier | None:
        """What is known of a patient's result in a generation, by its `_id`."""
        return self._held.get(place)

    def put(self, place: str, earlier: Earlier) -> None:
        """Remembers it as the newest."""
        self._held.pop(place, None)
        self._held[place] = earlier
        if len(self._held) > self._size:
            del self._held[next(iter(self._held))]


class Generation(NamedTuple):
    """One set of an organization's results: all computed with the same settings and rules."""

    organization_id: str
    number: int
    settings: RuleSettings
    grain: Grain = "day"
    """How contributions are added."""

    @property
    def scope(self) -> str:
        """What the `_id`s of its documents begin with."""
        return scope(self.organization_id, self.number)

    @property
    def ladder(self) -> Ladder:
        """Where its sums are."""
        return Ladder(self.organization_id, self.number, self.settings.calendar)


class Settled(NamedTuple):
    """A patient's results in one generation."""

    generation: Generation
    patient_id: str
    basis: Basis
    contribution: Mapping[str, Any] | None
    """As it is stored; None: only the assessment was asked for."""
    assessment: Mapping[str, Any] | None
    """None: the patient's record is not known (yet, or any more)."""

    @property
    def id(self) -> str:
        """`_id` of both documents."""
        return f"{self.generation.scope}|{self.patient_id}"


class Failed(NamedTuple):
    """Nothing could be computed: an error of our own code, or facts that no rule can stand."""

    timeline: str
    """The `_id`."""
    error: str
    """Its class, and where it was raised."""


def settle(
    timeline: Document,
    merged: Merged,
    generation: Generation,
    *,
    as_of: int,
    home: int,
    with_contribution: bool = True,
    memory: Memory | None = None,
) -> Settled:
    """The results for one timeline; `merged` holds the timelines of patients merged into it.

    `memory` is of earlier results, which spare work; it changes none.
    """
    facts = facts_with_merged(timeline, merged)
    instants = state_instants(facts, generation.settings)
    basis = sorted((doc["_id"], doc["revision"]) for doc in _all_merged(timeline, merged))
    patient_id = timeline["patient_id"]
    added = None
    if with_contribution:
        place = f"{generation.scope}|{patient_id}"
        earlier = memory.get(place) if memory is not None else None
        added = contribution(facts, generation.settings, instants, earlier)
        if memory is not None:
            memory.put(place, Earlier(facts, generation.settings, added))
    return Settled(
        generation,
        patient_id,
        basis,
        None if added is None else _contribution_document(added, generation, patient_id, basis),
        _assessment(facts, generation, basis, instants, as_of=as_of, home=home),
    )


def _all_merged(timeline: Document, merged: Merged) -> Sequence[Document]:
    found = {timeline["_id"]: timeline}
    pending = [timeline["_id"]]
    while pending:
        for loser in merged.get(pending.pop(), ()):
            if loser["_id"] not in found:
                found[loser["_id"]] = loser
                pending.append(loser["_id"])
    return list(found.values())


def _assessment(
    facts: Facts, generation: Generation, basis: Basis, instants: frozenset[int], *, as_of: int, home: int
) -> dict[str, Any] | None:
    if facts.contact is None:
        return None
    view = View(facts, generation.settings, as_of)
    assessed: Assessment | None = assess_view(view, instants)
    interval = next_change(view, 0, instants) if assessed is None else None
    document = assessment_document(assessed, interval)
    return document | {
        "_id": f"{generation.scope}|{facts.patient_id}",
        "scope": generation.scope,
        "patient_id": facts.patient_id,
        "home": home,
        "basis": [list(pair) for pair in basis],
    }


# -------------------------------------------------------------------- contributions as stored


def _contribution_document(
    added: Contribution, generation: Generation, patient_id: str, basis: Basis
) -> dict[str, Any]:
    """How a contribution is stored, so that it can be taken back exactly."""
    return {
        "_id": f"{generation.scope}|{patient_id}",
        "scope": generation.scope,
        "patient_id": patient_id,
        "basis": [list(pair) for pair in basis],
        "grain": generation.grain,
        "state": [[instant, changes] for instant, changes in added.state.items()],
        "days": [[at, day, changes] for (at, day), changes in added.days.items()],
    }


def stored_contribution(document: Mapping[str, Any]) -> Contribution:
    """The contribution that a stored document holds."""
    return Contribution(
        dict(document["state"]),
        {(at, day): changes for at, day, changes in document["days"]},
    )


def is_newer(stored: Mapping[str, Any], basis: Basis) -> bool:
    """The stored result was computed from a newer revision of some timeline."""
    ours = dict(basis)
    return any(revision > ours.get(timeline, revision) for timeline, revision in stored["basis"])


def is_same(stored: Mapping[str, Any], basis: Basis) -> bool:
    """The stored result was computed from the same revisions of the same timelines."""
    return dict(stored["basis"]) == dict(basis)


def lacks(stored: Mapping[str, Any], basis: Basis) -> set[str]:
    """Timelines that the stored result was computed from, and this one was not."""
    return {timeline for timeline, _ in stored["basis"]} - {timeline for timeline, _ in basis}


def increments(changes: Iterable[tuple[Settled, Mapping[str, Any] | None]]) -> Increments:
    """What the rollups change by when stored contributions are replaced by the settled ones."""
    nets: dict[tuple[str, Grain], tuple[Ladder, Net]] = {}

    def net_of(generation: Generation, grain: Grain) -> Net:
        found = nets.get((generation.scope, grain))
        if found is None:
            found = nets[generation.scope, grain] = (generation.ladder, Net())
        return found[1]

    for settled, stored in changes:
        assert settled.contribution is not None
        added, generation = stored_contribution(settled.contribution), settled.generation
        before = stored_contribution(stored) if stored else Contribution()
        as_before = stored["grain"] if stored else generation.grain
        if as_before == generation.grain:
            net_of(generation, generation.grain).replace(before, added)
        else:
            net_of(generation, as_before).replace(before, Contribution())
            net_of(generation, generation.grain).replace(Contribution(), added)
    return all_of(net.increments(ladder, grain) for (_, grain), (ladder, net) in nets.items())


Mark = tuple[list[list[Any]], str]
"""What tells one stored contribution of a patient from another: its basis and its grain."""


def mark(stored: Mapping[str, Any]) -> Mark:
    """The mark of a stored contribution."""
    return stored["basis"], stored["grain"]


class Update(NamedTuple):
    """What is to be done to one rollup."""

    rollup: str
    """The `_id`."""
    instants: int
    """How many of the counters changed belong to single instants: of these there can be ever more."""
    operation: Mapping[str, Any]
    """As MongoDB takes it."""


class Addition(NamedTuple):
    """What results add to the sums."""

    updates: list[Update]
    replaced: Mapping[str, Mark]
    """By `_id`, the stored contributions that this was worked out against: it holds for no others."""


def addition(settled: Sequence[Settled], contributions: Mapping[str, Document]) -> Addition:
    """What the results add where these contributions are stored."""
    replaced = {s.id: mark(contributions[s.id]) for s in settled if s.id in contributions}
    return Addition(updates((s, contributions.get(s.id)) for s in settled), replaced)


def updates(changes: Iterable[tuple[Settled, Mapping[str, Any] | None]]) -> list[Update]:
    """What is to be done to the rollups when stored contributions are replaced by the settled ones."""
    return [
        Update(rollup, of_instants(rollup, fields), {"$inc": fields, "$setOnInsert": {"scope": scope_of(rollup)}})
        for rollup, fields in increments(changes).items()
        if fields
    ]
