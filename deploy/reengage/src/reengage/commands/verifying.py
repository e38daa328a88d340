"""`reengage verify`: are the numbers what the stored facts say?"""

from typing import Annotated, Any

import typer

from reengage.commands import AsJson, Org
from reengage.failures import FAILED, run, stop
from reengage.output import print_json, print_table, say

SHOWN = 50
"""Violations in the table; --json has all."""


def verify(
    org: Org,
    patience: Annotated[
        float,
        typer.Option("--patience", metavar="SECONDS", min=0, help="How long to look again at what is being settled."),
    ] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Check the laws on live data: sums, assessments, messages against the stored facts."""
    told = run(_verify(org, patience))
    if as_json:
        print_json(told)
    else:
        _print(told)
    if told["violations"]:
        broken = sorted({violation["law"] for violation in told["violations"]})
        stop(
            f"{len(told['violations'])} violations of: {', '.join(broken)}; `reengage rebuild {org}` heals sums and messages, with --from-cliniko also what came from there",
            FAILED,
        )


async def _verify(org: str, patience: float) -> dict[str, Any]:
    from reengage import organizations
    from reengage.control import open_control
    from reengage.laws.checking import Checking
    from reengage.progress import CountBar

    async with open_control() as control:
        await organizations.load(control, org)
        with CountBar() as bar:
            checking = Checking(control, org, bar.show)
            await checking.run(patience=patience)
        return {
            "organization_id": org,
            "patients": checking.checked.get("patients", 0),
            "checked": {**checking.checked, "unsettled": checking.unsettled},
            "violations": checking.violations,
        }


def _print(told: dict[str, Any]) -> None:
    for violation in told["violations"][:SHOWN]:
        where = {name: value for name, value in violation.items() if name not in ("law", "expected", "actual")}
        say(f"{violation['law']}: {where} should be {violation['expected']}, is {violation['actual']}")
    print_table(("checked", "count"), told["checked"].items())
    if not told["violations"]:
        say(f"all laws hold for {told['patients']} patients of {told['organization_id']}")
