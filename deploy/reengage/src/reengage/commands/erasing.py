"""`reengage erase`: a patient whom the clinic wants erased here, although Cliniko still has them."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from reengage.commands import AsJson, Org
from reengage.commands.organizations import confirm
from reengage.failures import FAILED, CommandError, run, stop
from reengage.output import print_json, say

if TYPE_CHECKING:
    from reengage.erasing import Held


def erase(
    org: Org,
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="The patient's id.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0, help="How long to wait until it is done everywhere.")
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Erase a patient for good: nothing personal stays, and nothing is taken in again."""
    held = run(_held(org, patient))
    if held is None:
        _end(run(_follow(org, patient, timeout)), as_json)
        return
    shown = ", ".join(f"{count} {kind}" for kind, count in held.counts.items() if count) or "no facts"
    others = f" (and {len(held.patients) - 1} merged into them)" if len(held.patients) > 1 else ""
    say(f"{_called(held.name)}{others}: {shown}")
    if not yes:
        confirm("Erase this patient for good? Cliniko keeps its own; here nothing can bring them back.")
    _end(run(_erase(org, patient, held, timeout)), as_json)


def _called(name: str | None) -> str:
    if name is None:
        return "a patient without a record"
    return name.strip() or "a patient without a name"


def _end(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(told)
    if told["pending"]:
        stop(f"not everywhere yet: {'; '.join(told['pending'])}; it goes on by itself, ask again later", FAILED)
    if not as_json:
        say("erased; records in Kafka go with the topics' retention (docs/operations.md, Erase a patient)")


async def _held(org: str, patient: str) -> "Held | None":
    from reengage import erasing as use
    from reengage.control import open_control

    async with open_control() as control:
        held = await use.held(control, org, patient)
        if held is None and not await use.was_erased(control, org, patient):
            raise CommandError(f"nothing is held of this patient of {org}: is the id right, is it synchronized?")
        return held


async def _erase(org: str, patient: str, held: "Held", seconds: float) -> dict[str, Any]:
    from reengage import erasing as use
    from reengage.control import open_control

    async with open_control() as control:
        request = await use.ask(control, org, patient)
        pending = await use.await_gone(control, org, held.patients, request, patience=seconds)
        return _told(org, pending, held.counts, len(held.patients))


async def _follow(org: str, patient: str, seconds: float) -> dict[str, Any]:
    """Of a patient who was erased before: perhaps not everywhere yet."""
    from reengage import erasing as use
    from reengage.control import open_control

    async with open_control() as control:
        return _told(org, await use.await_gone(control, org, (patient,), None, patience=seconds), {}, 0)


def _told(org: str, pending: list[str], erased: dict[str, int], patients: int) -> dict[str, Any]:
    state = "pending" if pending else "erased"
    return {"organization_id": org, "state": state, "erased": erased, "patients": patients, "pending": pending}
