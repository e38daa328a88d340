"""A small clinic behind the sandbox, its clock in the tests' hands."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from support.sandbox import Clinic, Sandbox, create_app
from unit.sandbox.small_clinic import KEY, NOW, Book, Hand


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def slept() -> list[float]:
    """How long the sandbox slept, each time."""
    return []


@pytest.fixture
def clinic(clock: Hand) -> Clinic:
    clinic = Clinic("small", clock=clock)
    stamps = {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
    for kind, fields in (
        ("businesses", {"id": "B1", "business_name": "Sample Street"}),
        ("practitioners", {"id": "P1", "first_name": "Quinn"}),
        ("practitioners", {"id": "P2", "first_name": "Gone", "active": False}),
        ("appointment_types", {"id": "T1", "name": "Standard", "duration_in_minutes": 45}),
        ("recall_types", {"id": "R1", "name": "Return visit"}),
        ("referral_source_types", {"id": "S1", "name": "Web"}),
        ("patients", {"id": "101", "first_name": "Zara", "last_name": "Testerton", "label": "Zara Testerton"}),
        ("patients", {"id": "102", "first_name": "Yan", "last_name": "Exempel", "label": "Yan Exempel"}),
    ):
        clinic.load(kind, [stamps | fields])
    return clinic


@pytest.fixture
def sandbox(clinic: Clinic, clock: Hand, slept: list[float]) -> Sandbox:
    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    sandbox = Sandbox(clock=clock, sleep=sleep)
    sandbox.serve(KEY, clinic)
    return sandbox


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the clinic's key and a name."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(sandbox), client=("10.0.0.9", 4242)),
        base_url="http://sandbox.test",
        auth=(KEY, ""),
        headers={"user-agent": "Tests (tests@example.com)"},
    ) as client:
        yield client


@pytest.fixture
def book(clinic: Clinic) -> Book:
    """A function that books an appointment for a patient, so many days from NOW."""

    def book(patient_id: str = "101", *, days: float = 3, **more: object) -> str:
        starts = NOW + timedelta(days=days)
        fields = {
            "patient_id": patient_id,
            "business_id": "B1",
            "practitioner_id": "P1",
            "appointment_type_id": "T1",
            "starts_at": starts.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "ends_at": (starts + timedelta(minutes=45)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return clinic.create("individual_appointments", fields | more)

    return book
