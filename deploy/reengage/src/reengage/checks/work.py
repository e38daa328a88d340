"""Do the services get on with their work, and is there something that waits for people?"""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx

from reengage import open_letters
from reengage.checks.findings import Finding, fine, problem
from reengage.checks.stopped import what_to_do
from reengage.control import Control
from reengage.failures import CommandError
from reengage.instances import SERVICES, running
from reengage.offsets import Kafka
from reengage.organizations import load_all
from reengage.results import DIRTY
from reengage.standing import lags
from reengage.standing import synchronizations as sync_states
from reengage.surroundings import Surroundings
from shared.identity import KeySealer, SealError
from shared.organizations import Organization
from shared.timelines import DATABASE, TIMELINES

MOVES_WITHIN_SECONDS = 3.0
"""A consumer at work commits every batch, several times in this."""

INTERVALS_UNTIL_STALE = 3
LEAST_UNTIL_STALE = timedelta(minutes=5)
DEFAULT_SYNC_INTERVAL_SECONDS = 300

SETTLED_WITHIN = timedelta(seconds=60)
"""A fact is settled in less than a second; after a large import it may take about this."""


async def sealed_keys(control: Control) -> list[Finding]:
    """Whether the sealing keys open every API key."""
    organizations = await load_all(control)
    advice = "put the lost key back into REENGAGE_ENCRYPTION_KEYS, or: reengage org set-key ORG --cliniko-api-key …"
    try:
        sealer = KeySealer.from_text(control.surroundings.encryption_keys)
    except (CommandError, SealError) as failure:
        return [problem("sealing keys", str(failure), advice)]
    closed = []
    for organization in organizations:
        try:
            sealer.open(organization.cliniko.key, organization_id=organization.id)
        except SealError as fault:
            closed.append(problem("sealing keys", str(fault), advice))
    old = [each.id for each in organizations if not sealer.is_active(each.cliniko.key)]
    if closed:
        return closed
    rest = f", {len(old)} of them with an older key: `reengage key rotate` seals them anew" if old else ""
    return [fine("sealing keys", f"open the API keys of all {len(organizations)} organizations{rest}")]


async def services(control: Control) -> list[Finding]:
    """Whether each service has a process that is ready."""
    beats = await running(control)
    findings = []
    for name in SERVICES:
        of_service = [beat for beat in beats if beat["service"] == name]
        ready = [beat for beat in of_service if beat["state"] == "ready"]
        if ready:
            findings.append(fine(name, f"{len(ready)} of {len(of_service)} ready"))
        elif of_service:
            found = "; ".join([f"{beat['instance']} {beat['state']}{await _reasons(beat)}" for beat in of_service])
            findings.append(problem(name, found, "its log says more"))
        else:
            findings.append(problem(name, "not running", f"make up, or make scale SERVICE={name} COUNT=1"))
    return findings


async def _reasons(beat: dict[str, Any]) -> str:
    """Why a process is not ready, when it can be asked from here."""
    try:
        async with httpx.AsyncClient(timeout=1, trust_env=False) as http:
            answer = (await http.get(f"http://127.0.0.1:{beat['health_port']}/readyz")).json()
        return f" ({', '.join(answer['reasons'])})" if answer["reasons"] else ""
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return ""


async def synchronizations(control: Control) -> list[Finding]:
    """Whether every organization was synchronized lately, without an error."""
    organizations = {organization.id: organization for organization in await load_all(control)}
    if not organizations:
        return [problem("organizations", "none", "reengage org add ORG --name … --time-zone … --cliniko-api-key …")]
    findings = []
    for told in await sync_states(control):
        organization_id, check = told["organization_id"], f"synchronization of {told['organization_id']}"
        if told["state"] in ("failing", "stopped"):
            advice = (
                what_to_do(organization_id, told["last_error"])
                if told["state"] == "stopped"
                else "it is tried again by itself; if it goes on, check the network and Cliniko's status"
            )
            findings.append(problem(check, f"{told['state']}: {told['last_error']}", advice))
        elif late := _late(told["last_sync_time"], organizations[organization_id], control):
            advice = f"reengage sync {organization_id} --wait, and look at the ingestor's log"
            findings.append(problem(check, late, advice))
        else:
            findings.append(fine(check, told["state"]))
    return findings


def _late(last: datetime | None, organization: Organization, control: Control) -> str | None:
    default = control.surroundings.get("SYNC_INTERVAL") or DEFAULT_SYNC_INTERVAL_SECONDS
    seconds = organization.settings.sync_interval or float(default)
    patience = max(INTERVALS_UNTIL_STALE * timedelta(seconds=seconds), LEAST_UNTIL_STALE)
    age = control.now() - (last or organization.created_at)
    if age <= patience:
        return None
    return f"the last good one is {age} old" if last else f"none since it was added, {age} ago"


async def settling(control: Control) -> Finding:
    """Whether the risk engine settles what it takes in, judged by the timeline that has waited longest."""
    timelines = control.client[DATABASE][TIMELINES]
    failed = await timelines.find(
        {"failed": {"$exists": True}}, {"failed": 1, "organization_id": 1}, limit=100
    ).to_list()
    if failed:
        errors, of = (sorted({each[field] for each in failed})[:3] for field in ("failed", "organization_id"))
        found = f"patients of {', '.join(of)} cannot be settled: {'; '.join(errors)}"
        return problem("settling", found, "report it; a version that mends it settles them with: reengage rebuild ORG")
    oldest = await timelines.find_one(DIRTY, {"_id": 0, "dirty": 1}, sort=[("dirty", 1)])
    waited = timedelta(microseconds=control.clock.now() - oldest["dirty"] if oldest else 0)
    if waited <= SETTLED_WITHIN:
        return fine("settling", "no timeline waits for long")
    found = f"the oldest timeline that is not settled has waited for {timedelta(seconds=int(waited.total_seconds()))}"
    return problem("settling", found, "the risk engine does not settle, or has very much to do: see its log")


async def lag(kafka: Kafka) -> list[Finding]:
    """Whether what waits in the topics gets less, looked at over some seconds."""
    before = {(each["topic"], each["group"]): each["lag"] for each in await lags(kafka)}
    if not any(before.values()):
        return [fine("lag", "none")]
    committed = {group: await kafka.committed(group) for _, group in before}
    await asyncio.sleep(MOVES_WITHIN_SECONDS)
    findings = []
    for (topic, group), count in before.items():
        now = await kafka.committed(group)  # one consumer works off all topics of a group
        moved = any(offset > committed[group].get(place, 0) for place, offset in now.items())
        if count and not moved:
            advice = f"look at {group}'s state above and at its log: it may be starting, or stopped"
            findings.append(problem("lag", f"{group} leaves {count} records of {topic} lying", advice))
        elif count:
            findings.append(fine("lag", f"{group} works off {count} records of {topic}"))
    return findings


async def dead_letters(control: Control, kafka: Kafka) -> Finding:
    """Whether records were set aside that nobody has looked after."""
    count = await open_letters.tally(control, kafka)
    rest = f"; {count.left_alone} of removed clinics run out by themselves" if count.left_alone else ""
    if not count.waiting:
        return fine("dead letters", f"none that waits for somebody{rest}")
    advice = "reengage dlq list; mend the reason, then: reengage dlq replay --all"
    return problem("dead letters", f"{count.waiting}{rest}", advice)


async def gateway(surroundings: Surroundings) -> Finding:
    """Whether the gateway answers at its port, and not somebody else."""
    url = surroundings.gateway_url
    try:
        async with httpx.AsyncClient(timeout=3, trust_env=False) as http:
            answer = await http.get(f"{url}/readyz")
    except httpx.HTTPError as fault:
        advice = "make up, or check REENGAGE_GATEWAY_PORT and API_GATEWAY_HOST"
        return problem("gateway's port", f"{url} does not answer ({type(fault).__name__})", advice)
    if answer.status_code == 200:
        return fine("gateway's port", f"{url} answers")
    if answer.status_code == 503:
        return problem("gateway's port", f"{url} is not ready", "its log says why")
    advice = "another program has the port: end it, or give REENGAGE_GATEWAY_PORT another"
    return problem("gateway's port", f"{url} answers with status {answer.status_code}", advice)
