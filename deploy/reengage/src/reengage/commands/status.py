"""`reengage status`: how everything is, and waiting until everything is applied."""

from functools import partial
from typing import Annotated, Any

import typer

from reengage.commands import AsJson
from reengage.failures import FAILED, run, stop
from reengage.output import console, print_json, print_table


def status(
    wait: Annotated[
        bool, typer.Option("--wait", help="Until what is in the topics now is readable at the gateway.")
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0, help="How long --wait waits at the most.")
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Show services, lag, synchronizations and dead letters."""
    told, late = run(_status(wait, timeout))
    if as_json:
        print_json(told)
    else:
        _print(told)
    if late:
        stop(
            f"not done after {timeout:g} s: {late}; wait longer (--timeout), or see what `reengage doctor` finds",
            FAILED,
        )


async def _status(wait: bool, seconds: float) -> tuple[dict[str, Any], str | None]:
    from reengage.catching_up import TooSlowError, await_everything
    from reengage.control import open_control
    from reengage.offsets import open_kafka
    from reengage.rebuilding import untold
    from reengage.results import Unsettled
    from reengage.standing import status_of

    late = None
    async with (
        open_control() as control,
        open_kafka(control.surroundings.kafka_bootstrap_servers) as kafka,
    ):
        if wait:

            async def results() -> Unsettled:
                return Unsettled(control)

            with console(stderr=True).status("waiting until everything is applied"):
                try:
                    await await_everything(kafka, results, untold=partial(untold, control), timeout=seconds)
                except TooSlowError as slow:
                    late = str(slow)
        return await status_of(control, kafka), late


def _print(told: dict[str, Any]) -> None:
    services = [(each["name"], each["instance"], each["state"]) for each in told["services"]]
    running = {name for name, _, _ in services}
    missing = [(name, None, "not running") for name in _services() if name not in running]
    print_table(("service", "instance", "state"), [*services, *missing])
    print_table(("topic", "group", "lag"), [tuple(each.values()) for each in told["topics"]])
    print_table(
        ("organization", "synchronization", "last good one", "last error"),
        [tuple(each.values()) for each in told["organizations"]],
    )
    print(f"lag {told['lag']}, dead letters {told['dead_letters']}")


def _services() -> tuple[str, ...]:
    from reengage.instances import SERVICES

    return SERVICES
