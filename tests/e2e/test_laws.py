"""`reengage verify` finds what is wrong and names the law; `reengage rebuild` heals it beside the running system."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from support.clinics import random_clinic
from support.eventually import eventually
from support.system import CommandFailed, Json, System

TODAY = datetime.now(UTC).date()
ORGANIZATION = "org_laws"
PATIENTS = 30

Databases = MongoClient[dict[str, Any]]


@pytest.fixture(scope="module")
def databases(system: System) -> Iterator[Databases]:
    port = system.environment["REENGAGE_MONGODB_PORT"]
    client: Databases = MongoClient(f"mongodb://127.0.0.1:{port}/?replicaSet=rs0", w="majority")
    yield client
    client.close()


@pytest.fixture(scope="module")
def clinic(system: System) -> System:
    """A clinic with every kind of fact, settled."""
    made = random_clinic(31, patients=PATIENTS, end=TODAY - timedelta(days=1), time_zone="Asia/Kathmandu")
    settings = {**made.settings, "id": ORGANIZATION}
    system.add_organization(ORGANIZATION, system.serve_clinic({"cliniko": made.cliniko}), settings)
    events = [{**e, "data": {**e["data"], "organization_id": ORGANIZATION}} for e in made.outreach]
    system.report(ORGANIZATION, events)
    system.synchronize(ORGANIZATION)
    return system


def verified(system: System) -> Json:
    """What `reengage verify` prints, whether or not all laws hold."""
    try:
        told: Json = system.reengage("verify", ORGANIZATION, "--patience", "3")
    except CommandFailed as failed:
        printed = str(failed).partition("\n")[2]
        told = json.JSONDecoder().raw_decode(printed)[0]
    return told


def broken(system: System) -> list[Json]:
    violations: list[Json] = verified(system)["violations"]
    return violations


def broken_laws(system: System) -> set[str]:
    return {violation["law"] for violation in broken(system)}


def numbers(system: System) -> list[Json]:
    """What the dashboard says of some days."""
    route = "reengagement/{org}/"
    days = [(TODAY - timedelta(days=back)).isoformat() for back in (0, 3, 40)]
    told = [system.get(ORGANIZATION, route + "risk-metrics", as_of=day) for day in days]
    told += [system.get(ORGANIZATION, route + "trends", as_of=day, period="30d") for day in days]
    return [{name: value for name, value in one.items() if name not in ("last_updated", "as_of")} for one in told]


def test_all_laws_hold_for_a_settled_clinic(clinic: System) -> None:
    told = verified(clinic)
    assert told["violations"] == []
    assert told["patients"] >= PATIENTS
    assert told["checked"]["unsettled"] == 0
    assert min(told["checked"][what] for what in ("rollups", "contributions", "assessments", "histories")) > 0


def _scope(databases: Databases) -> str:
    """What the `_id`s of the served results begin with."""
    standing = databases["risk_engine"]["standings"].find_one({"_id": ORGANIZATION})
    assert standing is not None
    return f"{ORGANIZATION}|{standing['generation']}"


def _spoil_a_rollup(databases: Databases) -> None:
    rollup = databases["risk_engine"]["rollups"].find_one({"_id": f"{_scope(databases)}|s|"})
    assert rollup is not None
    part = "n" if "n" in rollup else "i"
    bucket, changes = next((bucket, changes) for bucket, changes in rollup[part].items() if changes)
    field = f"{part}.{bucket}.{min(changes)}"
    databases["risk_engine"]["rollups"].update_one({"_id": rollup["_id"]}, {"$inc": {field: 1}})


def _spoil_a_contribution(databases: Databases) -> None:
    query = {"scope": _scope(databases), "state.1": {"$exists": True}}
    databases["risk_engine"]["contributions"].update_one(query, {"$set": {"state.0.1": {"c3": 7}}})


def _spoil_an_assessment(databases: Databases) -> None:
    query = {"scope": _scope(databases), "class": {"$gte": 0}}
    databases["risk_engine"]["assessments"].update_one(query, {"$inc": {"score": 1}})


def _lose_an_assessment(databases: Databases) -> None:
    databases["risk_engine"]["assessments"].delete_one({"scope": _scope(databases)})


def _lose_messages(databases: Databases) -> None:
    query = {"organization_id": ORGANIZATION, "messages": {"$exists": True}}
    databases["risk_engine"]["timelines"].update_one(query, {"$unset": {"messages": ""}})


@pytest.mark.parametrize(
    ("spoil", "law"),
    [
        (_spoil_a_rollup, "sums"),
        (_spoil_a_contribution, "contributions"),
        (_spoil_an_assessment, "assessments"),
        (_lose_an_assessment, "completeness"),
        (_lose_messages, "messages"),
    ],
)
def test_verify_names_the_law_that_is_broken_and_a_rebuild_heals_it(
    clinic: System, databases: Databases, spoil: Callable[[Databases], None], law: str
) -> None:
    before = numbers(clinic)
    spoil(databases)
    assert law in broken_laws(clinic)
    told = clinic.reengage("rebuild", ORGANIZATION)
    assert (told["state"], told["timelines"] >= PATIENTS) == ("done", True)
    assert broken(clinic) == []
    assert numbers(clinic) == before


def test_a_rollup_is_the_sum_of_its_pages(clinic: System, databases: Databases) -> None:
    before = numbers(clinic)
    rollups = databases["risk_engine"]["rollups"]
    scope = _scope(databases)
    for rollup in list(rollups.find({"scope": scope})):
        moved = next(part for part in ("n", "i") if part in rollup)
        page = {name: rollup[name] for name in ("scope", moved)}
        rollups.insert_one(page | {"_id": f"{rollup['_id']}#1", "page_of": rollup["_id"]})
        rollups.update_one({"_id": rollup["_id"]}, {"$unset": {moved: ""}})
    assert broken(clinic) == []
    assert numbers(clinic) == before
    a_page = rollups.find_one({"scope": scope, "page_of": f"{scope}|s|"})
    assert a_page is not None
    moved = "n" if "n" in a_page else "i"
    bucket, counters = next((bucket, counters) for bucket, counters in a_page[moved].items() if counters)
    rollups.update_one({"_id": a_page["_id"]}, {"$inc": {f"{moved}.{bucket}.{min(counters)}": 1}})
    assert "sums" in broken_laws(clinic)
    clinic.reengage("rebuild", ORGANIZATION)
    assert broken(clinic) == []
    assert numbers(clinic) == before


def test_a_spoilt_timeline_is_found_and_told_anew_from_cliniko(clinic: System, databases: Databases) -> None:
    before = numbers(clinic)
    timelines = databases["risk_engine"]["timelines"]
    found = timelines.find_one({"organization_id": ORGANIZATION, "appointments": {"$exists": True}})
    assert found is not None
    name = next(name for name, fact in found["appointments"].items() if "left" not in fact)
    shift = int(timedelta(days=400) / timedelta(microseconds=1))
    for field in ("created_at", "starts_at"):
        timelines.update_one({"_id": found["_id"]}, {"$inc": {f"appointments.{name}.{field}": -shift}})
    assert broken_laws(clinic) & {"contributions", "assessments"}
    clinic.reengage("rebuild", ORGANIZATION, "--from-cliniko")
    assert broken(clinic) == []
    assert numbers(clinic) == before


async def test_a_rebuild_whose_processes_are_killed_goes_on_and_ends_right(
    clinic: System, databases: Databases
) -> None:
    before = numbers(clinic)
    number = clinic.reengage("rebuild", ORGANIZATION, "--no-wait")["number"]
    fresh = {"$gte": datetime.now(UTC) - timedelta(seconds=5)}
    served_by = {"service": {"$in": ["risk-engine", "outreach-tracker"]}, "at": fresh}
    for instance in databases["reengage"]["instances"].find(served_by):
        os.kill(instance["pid"], signal.SIGKILL)

    def swapped() -> None:
        standing = databases["risk_engine"]["standings"].find_one({"_id": ORGANIZATION})
        retold = databases["outreach_tracker"]["retold"].find_one({"_id": ORGANIZATION})
        assert standing is not None
        assert retold is not None
        assert (standing["rebuild"], standing["building"]) == (number, None)
        assert (retold["number"], retold["done"]) == (number, True)

    await eventually(swapped, within=120)
    clinic.settle()
    assert broken(clinic) == []
    assert numbers(clinic) == before


def test_another_setting_takes_the_same_way_and_the_laws_hold(clinic: System) -> None:
    clinic.reengage("org", "set", ORGANIZATION, "active_window_days=90", "time_zone=Australia/Sydney")
    clinic.settle()
    assert broken(clinic) == []
