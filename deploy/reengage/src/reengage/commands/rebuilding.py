"""`reengage rebuild`: timelines told anew, sums built anew beside those that are served, and swapped in."""

from functools import partial
from typing import Annotated, Any

import typer

from reengage.commands import AsJson, Org
from reengage.failures import FAILED, run, stop
from reengage.output import print_json, say


def rebuild(
    org: Org,
    from_cliniko: Annotated[
        bool, typer.Option("--from-cliniko", help="Have the ingestor tell all facts anew first, changed or not.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until the new results are served.")] = True,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0, help="For the last step: until all is applied.")
    ] = 600.0,
    as_json: AsJson = False,
) -> None:
    """Build an organization's results anew from the stored facts, beside the running system."""
    told, late = run(_rebuild(org, from_cliniko, wait, timeout))
    if as_json:
        print_json(told)
    elif not wait:
        say(f"{org} is going to be rebuilt; `reengage status --wait` returns when it is")
    elif not late:
        say(f"{org} is rebuilt: {told['timelines']} timelines, generation {told['generation']} is served")
    if late:
        stop(f"not all is applied after {timeout:g} s: {late}", FAILED)


async def _rebuild(org: str, from_cliniko: bool, wait: bool, seconds: float) -> tuple[dict[str, Any], str | None]:
    from reengage import rebuilding as use
    from reengage import synchronization
    from reengage.catching_up import TooSlowError, await_everything
    from reengage.control import open_control
    from reengage.failures import CommandError
    from reengage.offsets import open_kafka
    from reengage.progress import CountBar, ProgressBar
    from reengage.results import Unsettled

    async with open_control() as control:
        if from_cliniko:
            asked = await synchronization.ask(control, org, full=True, again=True)
            if wait:
                with ProgressBar() as reading:
                    ended = await synchronization.await_end(control, asked, tell=reading.show)
                if ended["state"] == "failed":
                    raise CommandError(f"Cliniko could not be read: {ended['error']}; nothing was rebuilt")
        number = await use.ask(control, org)
        if not wait:
            return {"organization_id": org, "number": number, "state": "requested"}, None
        with CountBar() as bar:
            done = await use.await_swap(control, org, number, tell=lambda now: bar.show(now.doing, now.done, now.total))
        late = None

        async def results() -> Unsettled:
            return Unsettled(control)

        async with open_kafka(control.surroundings.kafka_bootstrap_servers) as kafka:
            try:
                await await_everything(kafka, results, untold=partial(use.untold, control), timeout=seconds)
            except TooSlowError as slow:
                late = str(slow)
        state = "pending" if late else "done"
        told = {"organization_id": org, "number": number, "state": state}
        return {**told, "generation": done.generation, "timelines": done.total}, late
