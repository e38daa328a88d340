"""What is booked on the phone also stands in the diary: a booking made in a running sandbox."""

import sys
from datetime import datetime, timedelta

import httpx

from support.demo_clinic.practice import BUSINESS, FOLLOW_UP, PHYSIO_A, ZONE
from support.sandbox.clock import stamp


def book_by_phone(sandbox: str, key: str, patient_id: str, *, now: datetime) -> None:
    """Book a follow-up in three days at half past ten; says so if that fails, and goes on."""
    day = now.astimezone(ZONE) + timedelta(days=3)
    starts = day.replace(hour=10, minute=30, second=0, microsecond=0)
    url = f"{sandbox.rstrip('/').removesuffix('/v1')}/admin/clinics/{key}/records/individual_appointments"
    booked = {
        "patient_id": patient_id,
        "business_id": BUSINESS,
        "practitioner_id": PHYSIO_A,
        "appointment_type_id": FOLLOW_UP,
        "starts_at": stamp(starts),
        "ends_at": stamp(starts + timedelta(minutes=30)),
    }
    try:
        httpx.post(url, json=booked, timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        print(f"drip: not booked in the sandbox: {error}", file=sys.stderr)
