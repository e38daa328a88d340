"""Which results of an organization are served: `risk_engine.standings`, one document each.

generation, settings, settings_revision, rules_version, rebuild   of the results that are served;
            `rebuild`: the number of the request (`reengage.rebuild_requests`) that they answer
building    null, or the same and `after`: results in the making, with the last timeline that was
            settled for them
retired     [{generation, at}]: results no longer served, deleted after a while
applied_at  when the newest fact was applied (µs)
patients    {generation: how many patients have results in it}
removed     there while all of it is being deleted
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from bson import decode, encode
from pymongo.errors import DuplicateKeyError

from risk_engine.settlement import Generation
from risk_engine.store.settlements import BY_SCOPE
from risk_engine.store.timelines import ERASURES
from rules.settings import RuleSettings, rule_settings
from rules.version import RULES_VERSION
from shared.mongo import Database
from shared.organizations import Organization
from shared.rollups import grain_for, scope, within
from shared.timelines import STANDINGS, TIMELINES

RETIRED_FOR = 60_000_000
"""Microseconds that retired results are kept, for reads that began before the swap."""

Standing = dict[str, Any]


def generation_of(standing: Standing, part: dict[str, Any], coming: int = 0) -> Generation:
    """The generation that the standing itself or its `building` part describes, with so many patients more."""
    number = part["generation"]
    grain = grain_for(standing["patients"].get(str(number), 0) + coming)
    return Generation(standing["_id"], number, _rules(encode(part["settings"])), grain)


@lru_cache(maxsize=1024)
def _rules(settings: bytes) -> RuleSettings:
    """The same object for all organizations with the same settings: passed on once, and once computed."""
    return rule_settings(decode(settings))


def generations_of(standing: Standing, coming: int = 0) -> list[Generation]:
    """All generations that must follow the facts of so many patients, perhaps new ones."""
    found = [generation_of(standing, standing, coming)]
    if standing["building"] is not None:
        found.append(generation_of(standing, standing["building"], coming))
    return found


def first_standing(organization: Organization, rebuild: int = 0) -> Standing:
    """The standing of an organization of which nothing is known yet.

    Where its id is used again, its generations have numbers that the clinic before it had not.
    """
    again = organization.added_again_at
    return {
        "_id": organization.id,
        **_part(organization, 1 if again is None else int(again.timestamp()), rebuild),
        "building": None,
        "retired": [],
        "applied_at": None,
        "patients": {},
    }


def is_current(part: dict[str, Any], organization: Organization, rebuild: int = 0) -> bool:
    """The results were made with the organization's settings and these rules, since the last request."""
    return bool(
        part["settings_revision"] == organization.settings_revision
        and part["rules_version"] == RULES_VERSION
        and part.get("rebuild", 0) >= rebuild
    )


class MongoStandingStore:
    """The collection `standings`, and the ends of generations."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._standings = database[STANDINGS]

    async def of(self, organizations: Sequence[str]) -> dict[str, Standing]:
        """Standings by organization."""
        found = self._standings.find({"_id": {"$in": list(organizations)}})
        return {standing["_id"]: standing for standing in await found.to_list()}

    async def create(self, organization: Organization, rebuild: int = 0) -> None:
        """The first standing of an organization; idempotent."""
        with suppress(DuplicateKeyError):
            await self._standings.insert_one(first_standing(organization, rebuild))

    async def begin_building(self, standing: Standing, organization: Organization, rebuild: int = 0) -> None:
        """Results of a new generation begin beside those that are served."""
        building = standing["building"]
        number = (building or standing)["generation"] + 1
        await self._standings.update_one(
            {"_id": organization.id, "generation": standing["generation"], "building": building},
            {
                "$set": {"building": _part(organization, number, rebuild) | {"after": ""}},
                "$push": {"retired": {"$each": [] if building is None else [_retired(building, 0)]}},
            },
        )

    async def built_to(self, standing: Standing, after: str) -> None:
        """All timelines up to this `_id` are settled in the generation that is being built."""
        number = standing["building"]["generation"]
        await self._standings.update_one(
            {"_id": standing["_id"], "building.generation": number}, {"$set": {"building.after": after}}
        )

    async def swap(self, standing: Standing, now: int) -> None:
        """What was built is served from now on."""
        building = standing["building"]
        served = {name: building[name] for name in _PART if name in building}
        await self._standings.update_one(
            {"_id": standing["_id"], "building.generation": building["generation"]},
            {
                "$set": {**served, "building": None},
                "$push": {"retired": _retired(standing, now)},
            },
        )

    async def discard_retired(self, standing: Standing, now: int) -> None:
        """Deletes results that were retired long enough ago."""
        for retired in standing["retired"]:
            if retired["at"] + RETIRED_FOR <= now:
                await self._delete(scope(standing["_id"], retired["generation"]))
                await self._standings.update_one(
                    {"_id": standing["_id"]},
                    {
                        "$pull": {"retired": {"generation": retired["generation"]}},
                        "$unset": {f"patients.{retired['generation']}": ""},
                    },
                )

    async def purge(self, organizations: Sequence[str]) -> None:
        """Deletes all that is held of organizations that were removed; idempotent.

        Also where there is no standing: an engine that had not heard of it may have folded afterwards.
        """
        of_them = {"organization_id": {"$in": list(organizations)}}
        standings = await self.of(organizations)
        if not standings and await self._database[TIMELINES].find_one(of_them, {"_id": 1}) is None:
            return
        # from here on no settler that is late writes results of them
        await self._standings.update_many({"_id": {"$in": list(organizations)}}, {"$set": {"removed": True}})
        await self._database[TIMELINES].delete_many(of_them)
        await self._database[ERASURES].delete_many(of_them)
        for organization_id in standings:
            await self._delete(organization_id)
            await self._standings.delete_one({"_id": organization_id})

    async def _delete(self, of_scope: str) -> None:
        """All results within a scope; an organization's id stands for all its scopes."""
        for name in BY_SCOPE:
            await self._database[name].delete_many(within(of_scope))


_PART = ("generation", "settings", "settings_revision", "rules_version", "rebuild")


def _part(organization: Organization, generation: int, rebuild: int = 0) -> dict[str, Any]:
    return {
        "generation": generation,
        "settings": organization.settings.read_by_rules(),
        "settings_revision": organization.settings_revision,
        "rules_version": RULES_VERSION,
        "rebuild": rebuild,
    }


def _retired(part: dict[str, Any], at: int) -> dict[str, Any]:
    return {"generation": part["generation"], "at": at}
