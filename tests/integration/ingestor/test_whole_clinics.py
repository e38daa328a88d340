"""Whole clinics: every fact that the oracle reads out of the records is what was published."""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from integration.ingestor.harness import Harness, Json
from support.clinics import random_clinic
from support.oracle.cliniko_records import read_facts
from support.oracle.facts import Facts
from support.sandbox.clinic import Clinic
from support.sandbox.loaders import load_bodies
from support.sandbox.options import Options

WORKED = Path(__file__).resolve().parents[4] / "shared" / "data" / "worked-clinic"
END = date(2025, 11, 22)


def instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def standing(events: Sequence[Json]) -> dict[str, dict[tuple[str, ...], Json]]:
    """The newest data by kind and identity, applied as any consumer would."""
    held: dict[str, dict[tuple[str, ...], Json]] = defaultdict(dict)
    names = {"appointment": "appointment_id", "communication": "communication_id", "recall": "recall_id"}
    for event in events:
        kind, data = event["type"].split(".")[0], event["data"]
        key = (data["patient_id"], data[names[kind]]) if kind in names else (data["patient_id"],)
        version = [instant(data["version"][name]) for name in ("updated_at", "read_at")]
        before = held[kind].get(key)
        if before is None or version > before["order"]:
            held[kind][key] = {**data, "order": version, "type": event["type"]}
    return held


def assert_facts(events: Sequence[Json], facts: Facts) -> None:
    held = standing(events)
    told = held["contact"]
    assert {who for (who,) in told} == set(facts.patients)
    for who, patient in facts.patients.items():
        data = told[who,]
        assert {
            "name": data["name"],
            "phone": data["phone"],
            "email": data["email"],
            "created_at": instant(data["created_at"]),
            "gone_at": instant(data["archived_at"]),
            "merged_at": instant(data["merged_at"]),
            "merged_with": data["merged_into"],
            "reminder_type": data["reminder_type"],
            "sms": data["accepts_sms_marketing"],
            "email_consent": data["accepts_email_marketing"],
            "referral_source": data["referral_source"],
        } == {
            "name": patient.name,
            "phone": patient.phone,
            "email": patient.email,
            "created_at": patient.created_at,
            "gone_at": patient.gone_at,
            "merged_at": patient.merged_at,
            "merged_with": patient.merged_with,
            "reminder_type": patient.reminder_type,
            "sms": patient.sms_consent,
            "email_consent": patient.email_consent,
            "referral_source": patient.referral_source,
        }
        kinds = (facts.alerts[who], facts.cases[who])
        names = [c.name for of in kinds for c in sorted(of, key=lambda c: (c.created_at, c.id)) if not gone(c)]
        assert data["health_conditions"] == list(dict.fromkeys(names))
    expected = {
        (a.patient_id, f"{a.id}/{a.attendee_id}" if a.attendee_id else a.id): (
            *(a.id, a.created_at, a.starts_at, a.cancelled_at, a.gone_at),
            *(a.arrived, a.did_not_arrive, a.type, a.practitioner),
        )
        for of in facts.appointments.values()
        for a in of
    }
    shown = ("arrived", "did_not_arrive", "appointment_type", "practitioner")
    dated = ("created_at", "starts_at", "cancelled_at", "gone_at")
    assert {
        key: (data["booking_id"], *(instant(data[name]) for name in dated), *(data[name] for name in shown))
        for key, data in held["appointment"].items()
    } == expected
    assert {key: instant(data["received_at"]) for key, data in held["communication"].items()} == {
        (c.patient_id, c.id): c.created_at for of in facts.communications.values() for c in of
    }
    assert {
        key: (instant(data["created_at"]), data["due_on"], instant(data["gone_at"]))
        for key, data in held["recall"].items()
    } == {
        (r.patient_id, r.id): (r.created_at, r.recall_on.isoformat(), r.archived_at)
        for of in facts.recalls.values()
        for r in of
    }


def gone(condition: Any) -> bool:
    return condition.gone_at is not None


def served(world: Harness, records: dict[str, list[Json]]) -> Clinic:
    clinic = Clinic("given", clock=world.sandbox.clock, options=Options(requests_per_minute=1_000_000))
    load_bodies(clinic, records)
    return clinic


@pytest.mark.skipif(not WORKED.exists(), reason="the worked clinic is not here")
@pytest.mark.parametrize("driver", ["motor", "pymongo"], indirect=True)
async def test_the_worked_clinic(world: Harness):
    records = json.loads((WORKED / "cliniko.json").read_text())
    await world.add("org_worked", served(world, records))
    await world.start()
    await world.until("org_worked", "ok")
    events = await world.topics.read("org_worked")
    assert_facts(events, read_facts(records, [], "org_worked"))
    expected = json.loads((WORKED / "expected.json").read_text())["as_of"]["2025-11-22"]
    contacts = {who: data for (who,), data in standing(events)["contact"].items()}
    for row in expected["prioritized?include_dormant=true"]["patients"]:
        shown = ("name", "phone", "email", "health_conditions", "referral_source")
        assert {name: contacts[row["id"]][name] for name in shown} == {name: row[name] for name in shown}
    booked = {
        (who, data["booking_id"], data["starts_at"]) for (who, _), data in standing(events)["appointment"].items()
    }
    for row in expected["cliniko/active-patients"]["active_patients"]:
        for each in row["recent_appointments"] + row["upcoming_appointments"]:
            assert (row["id"], each["id"], each["date"]) in booked


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_random_clinic(world: Harness, seed: int):
    records = random_clinic(seed, end=END).cliniko
    await world.add("org_random", served(world, records))
    await world.start()
    await world.until("org_random", "ok")
    events = await world.topics.read("org_random")
    assert_facts(events, read_facts(records, [], "org_random"))
    assert len(events) == sum(len(of) for of in standing(events).values()), "each fact once"
