"""Every answer: which read models it needs, put together by the rules."""

from typing import Any

from api_gateway.ports import (
    Body,
    DaysBetween,
    Page,
    PatientQuery,
    PerformancePeriod,
    Position,
    TrendMetric,
    TrendPeriod,
)
from api_gateway.readings.activity import active_patient_row, contact_row
from api_gateway.readings.lists import PatientLists
from api_gateway.readings.published import Days, Published
from api_gateway.readings.rankings import BY_LAST_VISIT, ORDERS, Selection
from api_gateway.readings.timeline import timeline_entries
from api_gateway.standing import Standing
from rules import answers
from rules.activity import WITH_ANY, WITH_UPCOMING, active_patients
from rules.assess import Assessment, assess_view, list_row
from rules.instants import SECOND, format_instant, from_datetime
from rules.levels import LEVELS
from rules.performance import performance
from rules.trends import channel_trends, daily_trends, risk_distribution
from rules.view import View
from shared.clock import Clock
from shared.mongo import DatabaseClient
from shared.organizations import Organization

PERIOD_DAYS = {"7d": 7, "30d": 30, "90d": 90, "6m": 182, "1y": 365}
SAMPLE_CONTACTS = 5


class MongoReadings:
    """Answers from the risk engine's published read models; keeps nothing between requests."""

    def __init__(self, client: DatabaseClient, clock: Clock) -> None:
        self._clock = clock
        self._published = Published(client)
        self._lists = PatientLists(self._published)

    async def standing(self, organization: Organization) -> Standing:
        return await self._published.standing(organization)

    # ---------------------------------------------------------------- re-engagement

    async def risk_metrics(self, standing: Standing, *, as_of: int, include_dormant: bool) -> Body:
        state = await self._published.state(standing, as_of)
        body = answers.risk_metrics(standing.organization_id, state, include_dormant=include_dormant)
        return body | {"last_updated": _stamp(standing.applied_at)}

    async def performance(self, standing: Standing, *, as_of: int, period: PerformancePeriod) -> Body:
        if isinstance(period, DaysBetween):
            first, last = period.first.toordinal(), period.last.toordinal()
        else:
            last = standing.calendar.day(as_of)
            first = last - period.days + 1
        days = await self._days(standing, first, last, as_of)
        body = performance(days, standing.settings, first=first, last=last, timeframe=period.timeframe)
        body["benchmark_comparison"]["source"] = standing.benchmark_source
        return body | {"organization_id": standing.organization_id, "last_updated": _stamp(standing.applied_at)}

    async def trends(
        self,
        standing: Standing,
        *,
        as_of: int,
        period: TrendPeriod,
        metrics: frozenset[TrendMetric],
    ) -> Body:
        last = standing.calendar.day(as_of)
        length = PERIOD_DAYS[period]
        first = last - length + 1
        channels, counts = "channel_performance" in metrics, "success_rates" in metrics
        earliest = first - length if channels else first
        ladder = standing.ladder
        ids = ladder.days_ids(earliest, as_of) if channels or counts else []
        if "risk_levels" in metrics:
            ids += ladder.changes_ids(first, as_of)
        rollups = await self._published.rollups(ids, ladder.under_way(as_of))
        days = ladder.days(rollups, earliest, last, as_of)
        levels = None
        if "risk_levels" in metrics:
            levels = answers.risk_levels_by_day(ladder.changes(rollups, first, as_of), first, last)
        body: Body = {
            "period": period,
            "daily_trends": daily_trends(days, levels, first=first, last=last, counts=counts),
        }
        if channels:
            body["channel_performance_trends"] = channel_trends(days, first=first, last=last)
        if levels is not None:
            body["risk_distribution_changes"] = risk_distribution(levels[first], levels[last])
        return body | {"organization_id": standing.organization_id, "last_updated": _stamp(standing.applied_at)}

    async def prioritized(
        self,
        standing: Standing,
        *,
        as_of: int,
        query: PatientQuery,
        after: Position | None,
        limit: int,
    ) -> Page:
        today = standing.calendar.day(as_of)
        state = await self._published.state(standing, as_of)
        episodes = await self._days(standing, today - answers.PREDICTION_DAYS + 1, today, as_of)
        classes = answers.matching_classes(
            (LEVELS.index(level) for level in query.risk_levels),
            sum(answers.ACTIONS[action] for action in query.actions),
            include_dormant=query.include_dormant,
        )
        inhabited = answers.class_counts(state)
        page = await self._lists.page(
            standing,
            Selection("class", tuple(c for c in classes if c in inhabited)),
            ORDERS[query.sort_by],
            as_of=as_of,
            after=None if after is None else (int(after[0]), str(after[1])),
            limit=limit,
        )
        summary = answers.list_summary(
            state, episodes, standing.settings, today=today, include_dormant=query.include_dormant
        )
        body = {
            "organization_id": standing.organization_id,
            "patients": [list_row(a, today, explain=query.explain) for a in page.assessments],
            "summary": summary,
            "total_count": answers.count_in(state, classes),
            "last_updated": _stamp(standing.applied_at),
        }
        return Page(body, page.next_after)

    async def patient(self, standing: Standing, patient_id: str, *, as_of: int) -> Body | None:
        facts = (await self._published.facts(standing.organization_id, [patient_id])).get(patient_id)
        if facts is None:
            return None
        view = View(facts, standing.settings, as_of)
        assessed = assess_view(view)
        if assessed is None:
            return None
        row = list_row(assessed, view.today, explain=True)
        row["reengagement_history"] = list(assessed.history)
        row["timeline"] = timeline_entries(view)
        return row | {"organization_id": standing.organization_id, "last_updated": _stamp(standing.applied_at)}

    # ---------------------------------------------------------------- Cliniko data

    async def debug_contacts(self, standing: Standing, *, as_of: int) -> Body:
        state = await self._published.state(standing, as_of)
        total = answers.total_contacts(state)
        samples = await self._published.newest_contacts(standing.organization_id, as_of, SAMPLE_CONTACTS)
        return {
            "organization_id": standing.organization_id,
            "total_contacts": total,
            "cliniko_linked_contacts": total,
            "sample_contacts": samples,
            "debug_info": {
                "has_contacts": total > 0,
                "has_cliniko_links": total > 0,
                "contact_structure": ["id", "name", "email", "cliniko_patient_id", "created_at"],
            },
        }

    async def sync_status(self, standing: Standing, *, as_of: int) -> Body:
        state = await self._published.state(standing, as_of)
        sync = await self._published.sync_status(standing.organization_id) or {}
        last = sync.get("last_sync_time")
        active = active_patients(state)
        return {
            "organization_id": standing.organization_id,
            "last_sync_time": None if last is None else format_instant(from_datetime(last)),
            "total_contacts": answers.total_contacts(state),
            "active_patients": active,
            "upcoming_appointments": state.get(WITH_UPCOMING, 0),
            "message": _message(sync, active),
            "state": sync.get("state", "never"),
            "lag_seconds": None if last is None else max(0, (self._clock.now() - from_datetime(last)) // SECOND),
            "last_error": sync.get("last_error"),
        }

    async def active_patients_summary(self, standing: Standing, *, as_of: int) -> Body:
        state = await self._published.state(standing, as_of)
        body = answers.active_summary(standing.organization_id, state)
        return body | {"last_sync_date": await self._last_sync(standing), "timestamp": format_instant(as_of)}

    async def active_patients(self, standing: Standing, *, as_of: int, after: Position | None, limit: int) -> Page:
        return await self._activity(standing, "active", as_of, after, limit)

    async def contacts_with_appointments(
        self, standing: Standing, *, as_of: int, after: Position | None, limit: int
    ) -> Page:
        return await self._activity(standing, "booked", as_of, after, limit)

    async def _activity(self, standing: Standing, kind: str, as_of: int, after: Position | None, limit: int) -> Page:
        state = await self._published.state(standing, as_of)
        page = await self._lists.page(
            standing,
            Selection(kind, (True,)),
            BY_LAST_VISIT,
            as_of=as_of,
            after=None if after is None else (int(after[0]), str(after[1])),
            limit=limit,
        )
        views = await self._views(standing, page.assessments, as_of)
        name, row, total = {
            "active": ("active_patients", active_patient_row, active_patients(state)),
            "booked": ("contacts_with_appointments", contact_row, state.get(WITH_ANY, 0)),
        }[kind]
        body = {
            "organization_id": standing.organization_id,
            name: [row(view) for view in views],
            "total_count": total,
            "timestamp": format_instant(as_of),
        }
        return Page(body, page.next_after)

    # ---------------------------------------------------------------- parts

    async def _days(self, standing: Standing, first: int, last: int, as_of: int) -> Days:
        ladder = standing.ladder
        rollups = await self._published.rollups(ladder.days_ids(first, as_of), ladder.under_way(as_of))
        return ladder.days(rollups, first, last, as_of)

    async def _views(self, standing: Standing, assessed: list[Assessment], as_of: int) -> list[View]:
        patients = [a.patient_id for a in assessed]
        facts = await self._published.facts(standing.organization_id, patients)
        return [View(facts[p], standing.settings, as_of) for p in patients if p in facts]

    async def _last_sync(self, standing: Standing) -> str | None:
        sync = await self._published.sync_status(standing.organization_id) or {}
        last = sync.get("last_sync_time")
        return None if last is None else format_instant(from_datetime(last))


def _stamp(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)


def _message(sync: dict[str, Any], active: int) -> str:
    state = sync.get("state", "never")
    if state == "never":
        return "Not synchronized yet."
    if state == "stopped":
        return "Synchronization is stopped: see last_error."
    if state == "failing":
        return "The last synchronization failed and will be tried again: see last_error."
    return f"{active} active patients."
