"""Many patients without the hours that publishing them would take: copies of some that came the real way.

What the risk engine has settled for one organization is copied by MongoDB itself, under other ids of
patients or of organizations. Sums are copied with it: times the number of copies where the patients are
of one organization, as they are where each copy is another one. So copies agree with what the engine
would have settled, but for their variety: a copy has the same history as its original.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from pymongo import IndexModel

from bench import load
from bench.consumption import GROUP, wait_settled
from bench.publishing import Group, publish
from bench.stack import Stack
from rules.figures import apart
from rules.instants import HOUR
from shared.clock import SystemClock
from shared.rollups import Grain, whole
from shared.timelines import home_partition

BY_PATIENT = ("timelines", "contributions", "assessments")
Document = dict[str, Any]


async def make_real(stack: Stack, sizes: dict[str, int]) -> None:
    """Organizations whose patients came through Kafka, settled by the risk engine, which ends then."""
    stack.add_organizations(*sizes)
    engine = stack.start(GROUP)
    of = [patient for name, size in sizes.items() for patient in load.patients(name, size)]
    total = await publish(stack.kafka, load.events_of(of, seed=4, now=SystemClock().now()))
    async with Group(stack.kafka, GROUP) as group:
        await group.watch(total, within=300, alive=engine.alive)
    await wait_settled(stack, within=300, alive=engine.alive)
    stack.stop(engine)


def enlarge(stack: Stack, original: str, name: str, copies: int) -> None:
    """An organization with every patient of the original so many times."""
    stack.add_organizations(name)
    database = stack.database
    made = [_copy(name, f"x{number:03d}", grain="hour") for number in range(copies)]
    for collection in BY_PATIENT:
        database[collection].aggregate(
            [
                {"$match": {_FIELD_OF_ORIGINAL[collection]: _of(collection, original)}},
                {"$set": {"copy": made}},
                {"$unwind": "$copy"},
                {"$replaceWith": _copied(collection)},
                {"$unset": "copy"},
                {"$merge": {"into": collection, "whenMatched": "fail"}},
            ]
        )
    rollups = [
        {"_id": f"{name}|1|{rest}", "scope": f"{name}|1"} | parts
        for rollup_id, rollup in whole(database["rollups"].find({"scope": f"{original}|1"})).items()
        for rest, parts in _enlarged(rollup_id.split("|", 2)[2], rollup, copies)
    ]
    database["rollups"].insert_many(rollups, ordered=False)
    _copy_standing(stack, original, [name], copies)


def _enlarged(rest: str, rollup: Document, copies: int) -> Iterator[tuple[str, Document]]:
    """A rollup of the larger organization, and those of its day's hours: there, instants lie with their hours.

    Each copy has instants of its own, as other patients would have.
    """
    many = times({part: rollup[part] for part in ("n", "i") if part in rollup}, copies)
    if "i" not in many or rest in ("s|", "d|"):
        yield rest, many
        return
    del many["i"]
    kind = rest[0]
    hours: dict[int, Document] = {}
    for instant, counters in rollup["i"].items():
        hour, offset = divmod(int(instant), HOUR)
        spread = {str(hour * HOUR + (offset + copy * HOUR // copies) % HOUR): counters for copy in range(copies)}
        of_hour = hours.setdefault(hour, {"n": {}} if kind == "s" else {"n": {}, "i": {}})
        of_hour["n" if kind == "s" else "i"] |= spread
        if kind == "s":
            _sum(many.setdefault("n", {}).setdefault(str(hour), {}), times(apart(counters), copies))
        else:
            _sum(of_hour["n"], times(counters, copies))
    yield rest, many
    for hour, parts in hours.items():
        yield f"{rest}|{hour}", parts


def _sum(into: Document, counters: Document) -> None:
    for name, value in counters.items():
        if isinstance(value, dict):
            _sum(into.setdefault(name, {}), value)
        else:
            into[name] = into.get(name, 0) + value


def multiply(stack: Stack, original: str, names: Sequence[str]) -> float:
    """As many organizations like the original beside all others; the seconds it took.

    Each collection is written anew without its indexes, which are built in one go after that.
    """
    began = time.monotonic()
    stack.add_organizations(*names)
    database = stack.database
    paged = {"scope": f"{original}|1", "page_of": {"$exists": True}}
    assert database["rollups"].find_one(paged) is None  # the copies' pages would name the original
    made = [_copy(name, "") for name in names]
    for collection in (*BY_PATIENT, "rollups"):
        keys = _indexes(database[collection])
        database[collection].drop_indexes()
        is_of_original = {"$eq": [f"${_FIELD_OF_ORIGINAL[collection]}", _of(collection, original)]}
        database[collection].aggregate(
            [
                {"$set": {"copy": {"$cond": [is_of_original, [None, *made], [None]]}}},
                {"$unwind": {"path": "$copy", "preserveNullAndEmptyArrays": True}},
                {"$replaceWith": {"$cond": [{"$ifNull": ["$copy", False]}, _copied(collection), "$$ROOT"]}},
                {"$unset": "copy"},
                {"$out": collection},
            ],
            allowDiskUse=True,
        )
        if keys:
            database[collection].create_indexes(keys)
    _copy_standing(stack, original, names)
    stack.client.admin.command("fsync")  # what was written is on the disk before anything is measured
    return time.monotonic() - began


def copy_to(other: Stack, stack: Stack, name: str) -> None:
    """The same organization in a stack that holds nothing else."""
    other.add_organizations(name)
    for collection in (*BY_PATIENT, "rollups", "standings"):
        field = "_id" if collection == "standings" else _FIELD_OF_ORIGINAL[collection]
        value = name if collection == "standings" else _of(collection, name)
        other.database[collection].insert_many(stack.database[collection].find({field: value}), ordered=False)
        if keys := _indexes(stack.database[collection]):
            other.database[collection].create_indexes(keys)


def _indexes(collection: Any) -> list[IndexModel]:
    """The indexes of a collection but that of `_id`."""
    return [
        IndexModel(list(index.pop("key").items()), **{k: v for k, v in index.items() if k not in ("v", "ns")})
        for index in list(collection.list_indexes())
        if index["name"] != "_id_"
    ]


def _copy(name: str, suffix: str, *, grain: Grain = "day") -> Document:
    return {"organization": name, "suffix": suffix, "home": home_partition(name), "grain": grain}


_FIELD_OF_ORIGINAL = {
    "timelines": "organization_id",
    "contributions": "scope",
    "assessments": "scope",
    "rollups": "scope",
}


def _of(collection: str, original: str) -> str:
    return original if collection == "timelines" else f"{original}|1"


def _copied(collection: str) -> Document:
    """The document as the copy in its field `copy` says."""
    scope = {"$concat": ["$copy.organization", "|1"]}
    if collection == "rollups":
        rest = {"$arrayElemAt": [{"$split": ["$_id", "$scope"]}, 1]}
        return {"$mergeObjects": ["$$ROOT", {"_id": {"$concat": [scope, rest]}, "scope": scope}]}
    patient = {"$concat": ["$patient_id", "$copy.suffix"]}
    timeline = {"$concat": ["$copy.organization", ":", patient]}
    fields: Document = {"patient_id": patient}
    if collection == "timelines":
        fields |= {"_id": timeline, "organization_id": "$copy.organization"}
    else:
        revision = {"$arrayElemAt": [{"$arrayElemAt": ["$basis", 0]}, 1]}
        fields |= {"_id": {"$concat": [scope, "|", patient]}, "scope": scope, "basis": [[timeline, revision]]}
    if collection == "contributions":
        fields["grain"] = "$copy.grain"
    else:
        fields["home"] = "$copy.home"
    return {"$mergeObjects": ["$$ROOT", fields]}


def _copy_standing(stack: Stack, original: str, names: Sequence[str], copies: int = 1) -> None:
    standing = stack.database["standings"].find_one({"_id": original})
    assert standing is not None
    size = {"patients": times(standing["patients"], copies)}
    stack.database["standings"].insert_many([standing | size | {"_id": name} for name in names])


def times(numbers: Document, factor: int) -> Document:
    """The same document with every number multiplied."""
    return {
        name: times(value, factor) if isinstance(value, dict) else value * factor for name, value in numbers.items()
    }
