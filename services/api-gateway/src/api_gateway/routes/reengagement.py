"""The re-engagement endpoints: risk, performance, the list to work off, one patient, trends."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response, params

from api_gateway.answers import answer
from api_gateway.auth import Permit
from api_gateway.cursors import Place, Walk, filters_of
from api_gateway.errors import not_found
from api_gateway.openapi import read_responses
from api_gateway.parameters import (
    PerformanceParameters,
    PrioritizedParameters,
    ReadParameters,
    RiskParameters,
    TrendParameters,
    WellFormed,
)
from api_gateway.ports import Page, Readings
from api_gateway.routes.paging import Pages, instant_of, stamped
from api_gateway.schemas import examples
from api_gateway.schemas.reengagement import PatientDetail, Performance, PrioritizedPatients, RiskMetrics, Trends
from api_gateway.standing import Standing
from shared.clock import Clock
from shared.organizations import Organization


def reengagement_routes(readings: Readings, *, permit: Permit, pages: Pages, clock: Clock) -> APIRouter:
    """The router of /api/v1/reengagement; `permit` lets in who may read."""
    router = APIRouter(prefix="/api/v1/reengagement/{org_id}", tags=["Re-engagement"])
    permitted = Depends(permit)

    def checked(model: type[ReadParameters], *tolerated: str) -> list[params.Depends]:
        return [permitted, Depends(WellFormed(model, tolerated=frozenset(tolerated)).check)]

    @router.get(
        "/risk-metrics",
        dependencies=checked(RiskParameters),
        responses=read_responses(RiskMetrics, examples.RISK_METRICS),
    )
    async def risk_metrics(
        request: Request,
        parameters: Annotated[RiskParameters, Query()],
        organization: Organization = permitted,
    ) -> Response:
        """How many patients are at which risk, and what needs doing at once."""
        standing = await readings.standing(organization)
        as_of = instant_of(parameters, standing, clock)
        body = await readings.risk_metrics(standing, as_of=as_of, include_dormant=parameters.include_dormant)
        return answer(request, stamped(body, as_of))

    @router.get(
        "/performance",
        dependencies=checked(PerformanceParameters),
        responses=read_responses(Performance, examples.PERFORMANCE),
    )
    async def performance(
        request: Request,
        parameters: Annotated[PerformanceParameters, Query()],
        organization: Organization = permitted,
    ) -> Response:
        """What the attempts begun in a timeframe achieved, against the benchmarks."""
        period = parameters.period()
        standing = await readings.standing(organization)
        as_of = instant_of(parameters, standing, clock)
        body = await readings.performance(standing, as_of=as_of, period=period)
        return answer(request, stamped(body, as_of))

    @router.get(
        "/patients/prioritized",
        dependencies=checked(PrioritizedParameters),
        responses=read_responses(PrioritizedPatients, examples.PRIORITIZED),
    )
    async def prioritized_patients(
        request: Request,
        parameters: Annotated[PrioritizedParameters, Query()],
        organization: Organization = permitted,
    ) -> Response:
        """The patients to care for, most urgent first, page by page."""
        query = parameters.query()

        async def fetch(standing: Standing, place: Place) -> Page:
            return await readings.prioritized(
                standing, as_of=place.as_of, query=query, after=place.after, limit=parameters.limit
            )

        walk = Walk(organization.id, "prioritized", filters_of(query))
        return answer(request, await pages.page(walk, parameters, organization, fetch))

    @router.get(
        "/patients/{patient_id:path}",  # an id may hold a slash
        dependencies=checked(ReadParameters, "include_dormant", "explain"),
        responses=read_responses(PatientDetail, examples.PATIENT),
    )
    async def patient(
        request: Request,
        patient_id: Annotated[str, Path(description="The patient's id.", examples=["patient_123"])],
        parameters: Annotated[ReadParameters, Query()],
        organization: Organization = permitted,
    ) -> Response:
        """One patient: the row of the list, why the score is what it is, and all that happened."""
        standing = await readings.standing(organization)
        as_of = instant_of(parameters, standing, clock)
        body = await readings.patient(standing, patient_id, as_of=as_of)
        if body is None:
            raise not_found()
        return answer(request, stamped(body, as_of))

    @router.get(
        "/trends",
        dependencies=checked(TrendParameters),
        responses=read_responses(Trends, examples.TRENDS),
    )
    async def trends(
        request: Request,
        parameters: Annotated[TrendParameters, Query()],
        organization: Organization = permitted,
    ) -> Response:
        """How the numbers moved, day by day."""
        standing = await readings.standing(organization)
        as_of = instant_of(parameters, standing, clock)
        body = await readings.trends(standing, as_of=as_of, period=parameters.period, metrics=parameters.metrics)
        return answer(request, stamped(body, as_of))

    return router
