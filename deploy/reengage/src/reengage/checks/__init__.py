"""What is wrong, and what to do about it: every check that can be made from here."""

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

from reengage.checks import servers, work
from reengage.checks.findings import Finding, problem
from reengage.control import open_control
from reengage.failures import CommandError
from reengage.offsets import open_kafka
from reengage.surroundings import look_around

__all__ = ["Finding", "examine"]


async def examine() -> list[Finding]:
    """The findings of all checks; those that need a server which is away are left out."""
    surroundings = look_around()
    findings = [*servers.configuration(surroundings), servers.disk(surroundings)]
    async with AsyncExitStack() as opened:
        control = None
        with _told_in(findings):
            database = await opened.enter_async_context(open_control(surroundings))
            findings += await servers.mongodb(database)
            findings += await work.sealed_keys(database)
            findings += await work.services(database)
            findings += await work.synchronizations(database)
            findings.append(await work.settling(database))
            control = database
        with _told_in(findings):
            kafka = await opened.enter_async_context(open_kafka(surroundings.kafka_bootstrap_servers))
            findings += await servers.kafka(kafka)
            findings += await work.lag(kafka)
            if control is not None:
                findings.append(await work.dead_letters(control, kafka))
    findings.append(await work.gateway(surroundings))
    return findings


@contextmanager
def _told_in(findings: list[Finding]) -> Iterator[None]:
    """A server that is away is a finding, told once: the checks go on behind those that need it."""
    from aiokafka.errors import KafkaError
    from pymongo.errors import PyMongoError

    try:
        yield
    except PyMongoError as fault:
        advice = "start it (`make up`), or check MONGODB_URI"
        found = problem("MongoDB", f"does not answer ({type(fault).__name__})", advice)
    except KafkaError as fault:
        advice = "start it (`make up`), or check KAFKA_BOOTSTRAP_SERVERS"
        found = problem("Kafka", f"does not answer ({type(fault).__name__})", advice)
    except CommandError as failure:
        found = problem("servers", str(failure), "start them (`make up`), or check the variables")
    else:
        return
    if found not in findings:
        findings.append(found)
