"""A gateway as it runs: found, authenticated, ready, and with a heartbeat."""

import socket
from datetime import UTC, datetime

import httpx

from integration.api_gateway.conftest import Clinic, StartGateway
from shared.mongo import DatabaseClient
from support.eventually import eventually
from unit.api_gateway.gateway import organization


async def test_an_organization_without_data_is_answered_with_zeros(client: httpx.AsyncClient, clinic: Clinic) -> None:
    answer = await client.get(clinic.path("risk-metrics"), headers=clinic.headers("viewer"))

    assert answer.status_code == 200, answer.text
    assert answer.json()["risk_summary"]["critical_risk"] == 0
    assert answer.json()["organization_id"] == clinic.id


async def test_days_are_of_the_zone_that_is_served_until_the_results_are_rebuilt(
    client: httpx.AsyncClient, clinic: Clinic, databases: DatabaseClient
) -> None:
    settings = organization(clinic.id, "America/Havana").settings.read_by_rules()
    served = {"_id": clinic.id, "generation": 1, "settings": settings, "applied_at": None}
    await databases["risk_engine"]["standings"].insert_one(served)

    for read in ("risk-metrics", "performance", "trends", "patients/prioritized"):
        answer = await client.get(clinic.path(f"{read}?as_of=2025-11-10"), headers=clinic.headers())
        assert answer.json()["as_of"] == "2025-11-11T04:59:59.999999Z", answer.text


async def test_tokens_and_organizations_are_those_of_the_database(
    client: httpx.AsyncClient, clinic: Clinic, databases: DatabaseClient
) -> None:
    path, headers = clinic.path("risk-metrics"), clinic.headers("viewer")
    assert (await client.get(path)).status_code == 401
    assert (await client.get(path, headers=clinic.headers("publisher"))).status_code == 403
    assert (await client.get(path, headers=headers)).status_code == 200

    async def status(expected: int) -> None:
        assert (await client.get(path, headers=headers)).status_code == expected

    revoked = {"$set": {"revoked_at": datetime.now(UTC)}}
    await databases["reengage"]["tokens"].update_many({"organization_id": clinic.id, "role": "viewer"}, revoked)
    await eventually(lambda: status(401), within=5)

    headers = clinic.headers("admin")
    removed = {"$set": {"removed_at": datetime.now(UTC)}}
    await databases["reengage"]["organizations"].update_one({"_id": clinic.id}, removed)
    await eventually(lambda: status(404), within=5)


async def test_it_is_ready_when_mongodb_and_kafka_are_in_reach(client: httpx.AsyncClient) -> None:
    async def ready() -> None:
        assert (await client.get("/readyz")).json() == {"state": "ready", "reasons": []}

    await eventually(ready, within=10)


async def test_without_kafka_it_reads_but_is_not_ready_and_the_ingress_says_so(
    start_gateway: StartGateway, clinic: Clinic
) -> None:
    gateway = await start_gateway(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9", wait=False)
    async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as client:

        async def answers() -> httpx.Response:
            try:
                return await client.get(clinic.path("risk-metrics"), headers=clinic.headers())
            except httpx.ConnectError:
                raise AssertionError("not listening yet") from None

        answer = await eventually(answers, within=60)
        waiting = await client.get("/readyz")
        begun = datetime.now(UTC)
        refused = await client.post(clinic.events, json=_event(clinic), headers=clinic.headers())
        waited = (datetime.now(UTC) - begun).total_seconds()

    assert answer.status_code == 200
    assert (waiting.status_code, waiting.json()["reasons"]) == (503, ["Kafka is out of reach"])
    assert refused.status_code == 503
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) > 0
    assert waited < 10


async def test_a_heartbeat_is_kept_and_removed(start_gateway: StartGateway, databases: DatabaseClient) -> None:
    gateway = await start_gateway()
    instances = databases["reengage"]["instances"]
    heartbeat = {"service": "api-gateway", "instance": gateway.instance}

    async def is_ready() -> None:
        found = await instances.find_one(heartbeat)
        assert found is not None
        assert found["state"] == "ready"
        assert found["pid"] == gateway.process.pid

    await eventually(is_ready, within=10)
    gateway.terminate()

    assert await gateway.ended() == 0
    assert await instances.find_one(heartbeat) is None


async def test_a_port_that_another_program_has_is_a_clear_error(start_gateway: StartGateway, free_port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        gateway = await start_gateway(wait=False)
        status = await gateway.ended()

    assert status == 1
    assert f"cannot listen on 127.0.0.1:{free_port}" in gateway.log.read_text()


def _event(clinic: Clinic) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": "e",
        "source": "/test",
        "type": "treatment.outcome.v1",
        "time": "2026-01-01T00:00:00Z",
        "data": {"organization_id": clinic.id, "patient_id": "p", "outcome": "improved"},
    }
