"""The outreach ingress: events by HTTP, accepted once Kafka has them."""

import asyncio
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from api_gateway.auth import Permit
from api_gateway.errors import NOTHING_ACCEPTABLE, OVERLOADED, Flaw, ProblemError
from api_gateway.ingress import check_media_type, id_of, judge, read_body, split
from api_gateway.openapi import EVENTS_BODY, ingress_responses
from api_gateway.ports import Publisher
from api_gateway.settings import GatewaySettings
from shared.clock import Clock
from shared.kafka import Outgoing
from shared.organizations import Organization
from shared.outreach import InvalidEvent

EVENTS_AT_A_TIME = 100
"""Judged before other requests get a turn: a few milliseconds."""

MAX_ERRORS = 50
"""Shown in `errors` of a problem; `rejected` always has every event."""


def outreach_routes(producer: Publisher, *, permit: Permit, settings: GatewaySettings, clock: Clock) -> APIRouter:
    """The router of /api/v1/outreach; `permit` lets in who may record outreach."""
    router = APIRouter(prefix="/api/v1/outreach/{org_id}", tags=["Outreach"])
    permitted = Depends(permit)
    uploads = 0

    @router.post("/events", status_code=202, responses=ingress_responses(), openapi_extra=EVENTS_BODY)
    async def record_outreach(request: Request, organization: Organization = permitted) -> Response:
        """Records what became of messages and treatments: one event, or an array of up to 1,000.

        Sending the same events again changes nothing. After 503 some may be recorded: send all again.
        """
        nonlocal uploads
        check_media_type(request)
        if uploads >= settings.api_gateway_max_uploads:
            raise ProblemError(OVERLOADED)
        uploads += 1
        try:
            body = await read_body(request, seconds=settings.api_gateway_client_seconds)
            return await _record(body, organization)
        finally:
            uploads -= 1

    async def _record(body: bytes, organization: Organization) -> Response:
        events, listed = split(body)
        received_at = clock.now()
        accepted: list[Outgoing] = []
        rejected: list[dict[str, Any]] = []
        flaws: list[Flaw] = []
        for index, event in enumerate(events):
            if index % EVENTS_AT_A_TIME == EVENTS_AT_A_TIME - 1:
                await asyncio.sleep(0)
            try:
                accepted.append(judge(event, organization_id=organization.id, received_at=received_at))
            except InvalidEvent as invalid:
                rejected.append({"index": index, "id": id_of(event), "detail": str(invalid)})
                place = f"#/{index}" if listed else "#"
                flaws += (Flaw(detail, pointer=place + pointer) for pointer, detail in invalid.reasons)
        receipt = {"accepted": len(accepted), "rejected": rejected}
        if not accepted:
            raise ProblemError(NOTHING_ACCEPTABLE, errors=flaws[:MAX_ERRORS], extra=receipt)
        async with asyncio.timeout(settings.api_gateway_publish_seconds):
            await producer.publish_all(accepted)
        return Response(orjson.dumps(receipt), 202, media_type="application/json")

    return router
