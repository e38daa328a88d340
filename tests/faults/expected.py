"""What must be stored of acknowledged records; knows how documents lie, and none of the services' code."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from faults.events import Told

Document = Mapping[str, Any]
ESCAPES = {"%": "%25", ".": "%2E", "$": "%24", "\0": "%00"}
HOUR = 3_600_000_000


def newest_of(told: Iterable[Told]) -> dict[tuple[str, str], str]:
    """The greatest version of each fact, by timeline and place."""
    newest: dict[tuple[str, str], str] = {}
    for one in told:
        if one.kind == "fact":
            key = (one.timeline, one.place)
            newest[key] = max(newest.get(key, ""), one.version)
    return newest


def stored_version(timeline: Document | None, place: str) -> str:
    """The version of a fact as it lies in a timeline; empty: there is none."""
    kind, _, fact_id = place.partition(".")
    stored = (timeline or {}).get(kind) or {}
    if fact_id:
        stored = stored.get("".join(ESCAPES.get(c, c) for c in fact_id)) or {}
    return str(stored.get("v", ""))


def ladders(contributions: Iterable[Document], time_zone: str) -> dict[str, dict[str, int]]:
    """What the rollups of a generation must hold: {rest of `_id`: {field: sum}}, without zeros."""
    zone = ZoneInfo(time_zone)
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for contribution in contributions:
        grain = contribution["grain"]
        for instant, changes in contribution["state"]:
            month, day, hour = _buckets(instant, zone)
            of_instant = {"all": ("s|", "i."), "day": (f"s|{day}", "i."), "hour": (f"s|{day}|{hour}", "")}
            for name, n in changes.items():
                rollup, part = of_instant[grain]
                sums[rollup][f"{part}{instant}.{name}"] += n
            if grain == "all":
                continue
            for counter, n in _apart(changes):
                sums["s|"][f"{month}.{counter}"] += n
                sums[f"s|{month}"][f"{day}.{counter}"] += n
                if grain == "hour":
                    sums[f"s|{day}"][f"{hour}.{counter}"] += n
        for instant, belongs_to, changes in contribution["days"]:
            month, day, hour = _buckets(instant, zone)
            for counter, n in changes.items():
                if grain == "all":
                    sums["d|"][f"i.{instant}.{belongs_to}.{counter}"] += n
                    continue
                rungs = [f"d|{month}", f"d|{day}", *([f"d|{day}|{hour}"] if grain == "hour" else [])]
                for rollup in rungs:
                    sums[rollup][f"{belongs_to}.{counter}"] += n
                sums[rungs[-1]][f"i.{instant}.{belongs_to}.{counter}"] += n
    return _without_zeros(sums)


def _apart(changes: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Single counters: "+c20-c4" names one that falls and one that rises."""
    for name, n in changes.items():
        if name[0] not in "+-":
            yield name, n
        for sign, counter in re.findall(r"([+-])(\w+)", name):
            yield counter, n if sign == "+" else -n


def rollups(documents: Iterable[Document]) -> dict[str, dict[str, int]]:
    """The same, as it is stored."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for document in documents:
        fields = found[document.get("page_of", document["_id"]).split("|", 2)[2]]
        for path, n in _leaves(document.get("n", {})):
            fields[path] += n
        for path, n in _leaves(document.get("i", {})):
            fields[f"i.{path}"] += n
    return _without_zeros(found)


def _leaves(within: Document) -> Iterator[tuple[str, int]]:
    for name, value in within.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{path}", n) for path, n in _leaves(value))
        else:
            yield name, value


def _buckets(instant: int, zone: ZoneInfo) -> tuple[str, int, int]:
    local: date = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)).astimezone(zone).date()
    return local.isoformat()[:7], local.toordinal(), instant // HOUR


def _without_zeros(sums: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    kept = {name: {field: n for field, n in fields.items() if n} for name, fields in sums.items()}
    return {name: fields for name, fields in kept.items() if fields}
