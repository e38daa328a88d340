"""What is wrong, and what to do about it: every check that can be made from here."""

from reengage.checks import servers, work
from reengage.checks.findings import Finding, problem
from reengage.control import open_control
from reengage.failures import CommandError
from reengage.offsets import open_kafka
from reengage.surroundings import look_around

__all__ = ["Finding", "examine"]


async def examine() -> list[Finding]:
    """The findings of all checks; those that need a server which is away are left out."""
    from pymongo.errors import PyMongoError

    surroundings = look_around()
    findings = [*servers.configuration(surroundings), servers.disk(surroundings)]
    try:
        async with open_control(surroundings) as control:
            findings += await servers.mongodb(control)
            findings += await work.sealed_keys(control)
            findings += await work.services(control)
            findings += await work.synchronizations(control)
            async with open_kafka(surroundings.kafka_bootstrap_servers) as kafka:
                findings += await servers.kafka(kafka)
                findings += await work.lag(kafka)
                findings.append(await work.dead_letters(control, kafka))
    except PyMongoError as fault:
        advice = "start it (`make up`), or check MONGODB_URI"
        findings.append(problem("MongoDB", f"does not answer ({type(fault).__name__})", advice))
    except CommandError as failure:
        findings.append(problem("servers", str(failure), "start them (`make up`), or check the variables"))
    findings.append(await work.gateway(surroundings))
    return findings
