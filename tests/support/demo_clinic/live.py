"""Outreach that goes on: events about the demo's patients, dated as they are asked for."""

import heapq
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from support.demo_clinic import build_demo_clinic
from support.demo_clinic.outreach import campaign, event
from support.demo_clinic.people import channels_of
from support.sandbox.clinic import Clinic
from support.sandbox.clock import Clock, instant_of

# What follows the first outcome, and how likely each course is.
_COURSES: dict[str, tuple[tuple[int, tuple[str, ...]], ...]] = {
    "sms": ((5, ("failed",)), (55, ("delivered",)), (38, ("delivered", "responded")), (2, ("delivered", "opted_out"))),
    "email": (
        (4, ("bounced",)),
        (40, ("delivered",)),
        (26, ("delivered", "opened")),
        (12, ("delivered", "opened", "clicked")),
        (18, ("delivered", "opened", "responded")),
    ),
    "phone": (
        (36, ("no_answer",)),
        (16, ("voicemail",)),
        (26, ("connected",)),
        (22, ("connected", "appointment_booked")),
    ),
}
_FIRST = {"sms": "sent", "email": "sent", "phone": "attempted"}
_BEGIN_ANOTHER = 0.4
_PENDING_AT_MOST = 20


def drift_events(
    *,
    clock: Clock,
    today: date,
    seed: int = 1,
    organization_id: str = "org_demo",
    clinic: Clinic | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield outreach events without end, each dated the instant at which it is asked for.

    Begins attempts to patients of the demo practice of that seed and day who stay away, and
    carries each message on to its outcome. Ids carry the instant of the first event, so that a
    later run repeats none.
    """
    rng = Random(seed)
    if clinic is None:
        clinic, _ = build_demo_clinic(seed, today=today, organization_id=organization_id)
    waiting = _staying_away(clinic, clock())
    rng.shuffle(waiting)
    run, numbers, attempts = int(clock().timestamp()), count(1), count(1)
    pending: list[tuple[float, int, dict[str, Any], tuple[str, ...]]] = []
    while waiting:
        turn = next(numbers)
        begin = not pending or (rng.random() < _BEGIN_ANOTHER and len(pending) < _PENDING_AT_MOST)
        if begin:
            told, outcomes = _begin(rng, waiting[turn % len(waiting)], f"{run}-{next(attempts)}")
        else:
            _, _, told, outcomes = heapq.heappop(pending)
        outcome, rest = outcomes[0], outcomes[1:]
        if rest:
            heapq.heappush(pending, (turn + rng.uniform(1, 12), turn, told, rest))
        said = event(turn, clock(), organization_id, **told, outcome=outcome)
        yield {**said, "id": f"demo-live-{run}-{turn}"}


def _begin(rng: Random, found: tuple[str, int, list[str]], name: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what a first message tells, and the outcomes that it will have."""
    patient_id, days, channels = found
    channel = rng.choice(channels)
    courses = _COURSES[channel]
    course = rng.choices([each for _, each in courses], weights=[weight for weight, _ in courses])[0]
    told = {
        "patient_id": patient_id,
        "channel": channel,
        "message_id": f"demo-live-m{name}",
        "attempt_id": f"demo-live-a{name}",
        "campaign": campaign(days),
        "staff": "front-desk-1" if channel == "phone" else None,
    }
    return told, (_FIRST[channel], *course)


def _staying_away(clinic: Clinic, now: datetime) -> list[tuple[str, int, list[str]]]:
    """Return (patient, days since the last visit, channels) of those with nothing booked."""
    bookings = {**clinic.records["individual_appointments"], **clinic.records["group_appointments"]}
    last: dict[str, datetime] = {}
    for each in clinic.records["attendees"].values():
        if not each.get("cancelled_at"):
            starts = instant_of(bookings[each["booking_id"]]["starts_at"])
            last[each["patient_id"]] = max(last.get(each["patient_id"], starts), starts)
    found = []
    for patient_id, patient in clinic.records["patients"].items():
        channels = sorted(channels_of({**clinic.body("patients", patient_id)}))
        seen = last.get(patient_id, instant_of(patient["created_at"]))
        if patient.get("archived_at") is None and channels and now - seen > timedelta(days=14):
            found.append((patient_id, (now - seen).days, channels))
    return found
