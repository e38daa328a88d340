"""`reengage doctor`: what is wrong, and what to do about it."""

import typer

from reengage.commands import AsJson
from reengage.failures import FAILED, run
from reengage.output import print_json


def doctor(as_json: AsJson = False) -> None:
    """Check everything that can be checked, and say what to do about what is wrong."""
    from reengage.checks import examine

    findings = run(examine())
    problems = [finding for finding in findings if not finding.ok]
    if as_json:
        checks = [{"check": each.check, "ok": each.ok, "found": each.found, "advice": each.advice} for each in findings]
        print_json({"ok": not problems, "checks": checks})
    else:
        for each in findings:
            print(f"{'ok      ' if each.ok else 'problem '} {each.check}: {each.found}")
            if each.advice:
                print(f"          -> {each.advice}")
        told = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        print(told if problems else "all is well")
    if problems:
        raise typer.Exit(FAILED)
