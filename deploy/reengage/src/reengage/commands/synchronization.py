"""`reengage sync`: asks the running ingestor to read an organization's Cliniko now."""

from typing import Annotated, Any

import typer

from reengage.commands import AsJson, Org
from reengage.failures import FAILED, run, stop
from reengage.output import print_json, say


def sync(
    org: Org,
    full: Annotated[bool, typer.Option("--full", help="Everything, not only what changed.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Until all it found is in Kafka.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask the running ingestor to synchronize an organization now."""
    request = run(_sync(org, full, wait))
    if as_json:
        print_json(request)
    elif request["state"] == "done":
        say(f"{org} is synchronized: {request['progress']['published']} events published")
    elif not wait:
        say(f"{org} is going to be synchronized; `reengage status` shows how it goes")
    if request["state"] == "failed":
        stop(f"{org} could not be synchronized: {request['error']}", FAILED)


async def _sync(org: str, full: bool, wait: bool) -> dict[str, Any]:
    from reengage import synchronization as use
    from reengage.control import open_control
    from reengage.progress import ProgressBar

    async with open_control() as control:
        request_id = await use.ask(control, org, full=full)
        if not wait:
            return await use.request(control, request_id)
        with ProgressBar() as bar:
            return await use.await_end(control, request_id, tell=bar.show)
