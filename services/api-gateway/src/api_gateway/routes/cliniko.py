"""The Cliniko data endpoints: is there data, how fresh is it, who is active."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from api_gateway.answers import answer
from api_gateway.auth import Permit
from api_gateway.cursors import Place, Walk
from api_gateway.openapi import read_responses
from api_gateway.parameters import PageParameters, ReadParameters, WellFormed
from api_gateway.ports import Page, Readings
from api_gateway.routes.paging import Pages, instant_of, stamped
from api_gateway.schemas import examples
from api_gateway.schemas.cliniko import (
    ActivePatients,
    ActivePatientsSummary,
    ContactsWithAppointments,
    DebugContacts,
    SyncStatus,
)
from api_gateway.standing import Standing
from shared.clock import Clock
from shared.organizations import Organization


def cliniko_routes(readings: Readings, *, permit: Permit, pages: Pages, clock: Clock) -> APIRouter:
    """The router of /api/v1/cliniko; `permit` lets in who may read."""
    router = APIRouter(prefix="/api/v1/cliniko", tags=["Cliniko"])
    permitted = Depends(permit)
    of_one = [permitted, Depends(WellFormed(ReadParameters, tolerated=frozenset({"limit", "cursor"})).check)]
    of_list = [permitted, Depends(WellFormed(PageParameters).check)]

    @router.get(
        "/debug/contacts/{org_id}",
        dependencies=of_one,
        responses=read_responses(DebugContacts, examples.DEBUG_CONTACTS),
    )
    async def debug_contacts(
        request: Request,
        parameters: Annotated[ReadParameters, Query()],
        organization: Organization = permitted,
    ) -> Response:
        """Whether the organization has data at all, with a sample of it."""
        standing = await readings.standing(organization)
        as_of = instant_of(parameters, standing, clock)
        return answer(request, stamped(await readings.debug_contacts(standing, as_of=as_of), as_of))

    @router.get("/status/{org_id}", dependencies=of_one, responses=read_responses(SyncStatus, examples.SYNC_STATUS))
    async def sync_status(
        request: Request,
        parameters: Annotated[ReadParameters, Query()],
        organization: Organization = permitted,
    ) -> Response:
        """How fresh the data is, and how the synchronization with Cliniko fares."""
        standing = await readings.standing(organization)
        as_of = instant_of(parameters, standing, clock)
        return answer(request, stamped(await readings.sync_status(standing, as_of=as_of), as_of))

    @router.get(
        "/active-patients/{org_id}",
        dependencies=of_list,
        responses=read_responses(ActivePatients, examples.ACTIVE_PATIENTS),
    )
    async def active_patients(
        request: Request,
        parameters: Annotated[PageParameters, Query()],
        organization: Organization = permitted,
    ) -> Response:
        """The patients with an appointment in the last 45 days or the next 30, page by page."""

        async def fetch(standing: Standing, place: Place) -> Page:
            return await readings.active_patients(
                standing, as_of=place.as_of, after=place.after, limit=parameters.limit
            )

        walk = Walk(organization.id, "active-patients")
        return answer(request, await pages.page(walk, parameters, organization, fetch))

    @router.get(
        "/active-patients/{org_id}/summary",
        dependencies=of_one,
        responses=read_responses(ActivePatientsSummary, examples.ACTIVE_SUMMARY),
    )
    async def active_patients_summary(
        request: Request,
        parameters: Annotated[ReadParameters, Query()],
        organization: Organization = permitted,
    ) -> Response:
        """The active patients in a few numbers."""
        standing = await readings.standing(organization)
        as_of = instant_of(parameters, standing, clock)
        return answer(request, stamped(await readings.active_patients_summary(standing, as_of=as_of), as_of))

    @router.get(
        "/contacts/{org_id}/with-appointments",
        dependencies=of_list,
        responses=read_responses(ContactsWithAppointments, examples.CONTACTS_WITH_APPOINTMENTS),
    )
    async def contacts_with_appointments(
        request: Request,
        parameters: Annotated[PageParameters, Query()],
        organization: Organization = permitted,
    ) -> Response:
        """The patients with any appointment that was not cancelled, page by page."""

        async def fetch(standing: Standing, place: Place) -> Page:
            return await readings.contacts_with_appointments(
                standing, as_of=place.as_of, after=place.after, limit=parameters.limit
            )

        walk = Walk(organization.id, "contacts-with-appointments")
        return answer(request, await pages.page(walk, parameters, organization, fetch))

    return router
