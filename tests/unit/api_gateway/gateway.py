"""A gateway in this process, on fakes: what the tests of the HTTP side share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from fastapi import FastAPI

from api_gateway.app import create_app
from api_gateway.cursors import Cursors
from api_gateway.ports import Body, Page, PatientQuery, PerformancePeriod, Position, TrendMetric, TrendPeriod
from api_gateway.schemas import examples
from api_gateway.settings import GatewaySettings
from api_gateway.standing import Standing, standing_before_facts
from rules.calendar import calendar
from rules.instants import parse_instant
from shared.identity import Caller, Role
from shared.kafka import Outgoing
from shared.organizations import Organization, OrganizationSettings
from support.organizations import an_organization

NOW = parse_instant("2026-11-20T10:00:00Z")
ORG, OTHER_ORG = "org_xxx", "org_other"
ZONE = "Australia/Sydney"
PATIENTS = [f"patient_{number:03d}" for number in range(120)]

ORIGIN = "https://app.example.com"


class ManualClock:
    """Stands still until told otherwise."""

    def __init__(self, now: int = NOW) -> None:
        self.instant = now

    def now(self) -> int:
        return self.instant

    def monotonic(self) -> float:
        return self.instant / 1e6


def organization(organization_id: str, zone: str = ZONE) -> Organization:
    return an_organization(organization_id, settings=OrganizationSettings(time_zone=zone))


class FakeDirectory:
    def __init__(self, *organizations: Organization) -> None:
        self.known = {one.id: one for one in organizations}

    async def find(self, organization_id: str) -> Organization | None:
        return self.known.get(organization_id)


class FakeTokens:
    """Tokens as in `shared.identity`: unknown, revoked and expired ones speak for nobody."""

    def __init__(self, callers: Mapping[str, Caller]) -> None:
        self.callers = dict(callers)
        self.asked = 0

    async def caller(self, text: str) -> Caller | None:
        self.asked += 1
        return self.callers.get(text)


class FakeProducer:
    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.fault: Exception | None = None

    async def publish_all(self, records: Iterable[Outgoing]) -> None:
        if self.fault:
            raise self.fault
        self.records.extend(records)


def _without(example: Mapping[str, Any], *names: str) -> Body:
    return {name: value for name, value in example.items() if name not in {"as_of", "next_cursor", *names}}


@dataclass
class FakeReadings:
    """Answers with the documentation's examples, and keeps what it was asked."""

    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    fault: Exception | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    """Fields of every body that are to differ from the example."""

    served: dict[str, str] = field(default_factory=dict)
    """Zones of organizations whose newest zone is not served yet."""
    standings_read: int = 0

    async def standing(self, organization: Organization) -> Standing:
        self.standings_read += 1
        standing = standing_before_facts(organization)
        zone = self.served.get(organization.id, organization.settings.time_zone)
        return replace(standing, settings=standing.settings._replace(calendar=calendar(zone)))

    def _answer(self, name: str, example: Mapping[str, Any], **asked: Any) -> Body:
        self.asked.append((name, asked))
        if self.fault:
            raise self.fault
        return {**_without(example), **self.changes}

    async def risk_metrics(self, standing: Standing, *, as_of: int, include_dormant: bool) -> Body:
        return self._answer("risk_metrics", examples.RISK_METRICS, as_of=as_of, include_dormant=include_dormant)

    async def performance(self, standing: Standing, *, as_of: int, period: PerformancePeriod) -> Body:
        body = self._answer("performance", examples.PERFORMANCE, as_of=as_of, period=period)
        return {**body, "timeframe": period.timeframe}

    async def trends(
        self, standing: Standing, *, as_of: int, period: TrendPeriod, metrics: frozenset[TrendMetric]
    ) -> Body:
        body = self._answer("trends", examples.TRENDS, as_of=as_of, period=period, metrics=metrics)
        return {**body, "period": period}

    async def prioritized(
        self, standing: Standing, *, as_of: int, query: PatientQuery, after: Position | None, limit: int
    ) -> Page:
        body = self._answer("prioritized", examples.PRIORITIZED, as_of=as_of, query=query, after=after, limit=limit)
        ids, following = _page(after, limit)
        row = examples.PRIORITIZED["patients"][0]
        return Page({**body, "patients": [{**row, "id": one} for one in ids], "total_count": len(PATIENTS)}, following)

    async def patient(self, standing: Standing, patient_id: str, *, as_of: int) -> Body | None:
        body = self._answer("patient", examples.PATIENT, patient_id=patient_id, as_of=as_of)
        return {**body, "id": patient_id} if patient_id in PATIENTS else None

    async def debug_contacts(self, standing: Standing, *, as_of: int) -> Body:
        return self._answer("debug_contacts", examples.DEBUG_CONTACTS, as_of=as_of)

    async def sync_status(self, standing: Standing, *, as_of: int) -> Body:
        return self._answer("sync_status", examples.SYNC_STATUS, as_of=as_of)

    async def active_patients(self, standing: Standing, *, as_of: int, after: Position | None, limit: int) -> Page:
        body = self._answer("active_patients", examples.ACTIVE_PATIENTS, as_of=as_of, after=after, limit=limit)
        return Page(body, _page(after, limit)[1])

    async def active_patients_summary(self, standing: Standing, *, as_of: int) -> Body:
        return self._answer("active_patients_summary", examples.ACTIVE_SUMMARY, as_of=as_of)

    async def contacts_with_appointments(
        self, standing: Standing, *, as_of: int, after: Position | None, limit: int
    ) -> Page:
        body = self._answer("contacts", examples.CONTACTS_WITH_APPOINTMENTS, as_of=as_of, after=after, limit=limit)
        return Page(body, _page(after, limit)[1])


def _page(after: Position | None, limit: int) -> tuple[list[str], Position | None]:
    first = 0 if after is None else PATIENTS.index(after[1]) + 1
    ids = PATIENTS[first : first + limit]
    more = first + limit < len(PATIENTS)
    return ids, (85, ids[-1]) if more else None


def token_of(role: Role, organization_id: str = ORG) -> str:
    return f"rg_{organization_id}_{role}"


ROLES: tuple[Role, ...] = ("viewer", "staff", "publisher", "admin")


@dataclass
class Gateway:
    """One gateway with the fakes behind it."""

    settings: GatewaySettings = field(default_factory=lambda: GatewaySettings(allowed_origins=frozenset({ORIGIN})))
    readings: FakeReadings = field(default_factory=FakeReadings)
    producer: FakeProducer = field(default_factory=FakeProducer)
    clock: ManualClock = field(default_factory=ManualClock)
    directory: FakeDirectory = field(
        default_factory=lambda: FakeDirectory(organization(ORG), organization(OTHER_ORG, "Europe/Paris"))
    )
    tokens: FakeTokens = field(
        default_factory=lambda: FakeTokens(
            {token_of(role, org): Caller(f"{org}{role}", org, role) for role in ROLES for org in (ORG, OTHER_ORG)}
        )
    )
    reasons: list[str] = field(default_factory=list)
    secret: bytes = b"s" * 32

    def app(self) -> FastAPI:
        return create_app(
            readings=self.readings,
            directory=self.directory,
            tokens=self.tokens,
            producer=self.producer,
            settings=self.settings,
            clock=self.clock,
            cursors=Cursors(self.secret),
            not_ready=lambda: self.reasons,
        )

    def client(self, token: str | None = token_of("staff")) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(app=self.app())
        return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers)
