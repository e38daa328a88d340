"""`make bench`: measures the system on servers of its own and keeps the history in docs/benchmarks.md."""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "deploy/local")]

from bench.consumption import consumption  # noqa: E402
from bench.freshness import freshness  # noqa: E402
from bench.reads import reads  # noqa: E402
from bench.report import Figure, Report  # noqa: E402
from bench.scale_out import clinics, scale_out  # noqa: E402
from bench.stack import Stack, running  # noqa: E402
from bench.vitoria import vitoria  # noqa: E402

Section = Callable[..., list[Figure]]


def _on_a_stack(measure: Callable[..., Coroutine[Any, Any, list[Figure]]]) -> Section:
    """Measures on a stack of its own: servers, and the services that it starts itself."""

    async def measured(stack: Stack, quick: bool) -> list[Figure]:
        return await measure(stack, quick=quick)

    def section(*, quick: bool) -> list[Figure]:
        with running() as stack:
            return asyncio.run(measured(stack, quick))

    return section


SECTIONS: dict[str, Section] = {
    "consumption": _on_a_stack(consumption),
    "freshness": _on_a_stack(freshness),
    "scale-out": _on_a_stack(scale_out),
    "clinics": _on_a_stack(clinics),
    "reads": reads,
    "vitoria": vitoria,
}


class TimeIsUpError(Exception):
    """Ends the section that is being measured; its servers end with it."""


def _ring(*_: object) -> None:
    raise TimeIsUpError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the sections asked for, prints the table, and keeps it; 1 when a target was missed or not measured."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=SECTIONS, metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="a smoke test on tiny numbers, a minute and a half")
    parser.add_argument("--minutes", type=float, default=15, help="end after so many minutes (15), ready or not")
    parser.add_argument("--forget", action="store_true", help="print only, keep nothing in the history")
    asked = parser.parse_args(arguments)
    report = Report(asked.quick)
    sections = list(asked.only or SECTIONS)
    signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, asked.minutes * 60)
    try:
        for name in sections:
            began = time.monotonic()
            print(f"{name} …", file=sys.stderr)
            figures = SECTIONS[name](quick=asked.quick)
            report.sections[name], report.seconds[name] = figures, time.monotonic() - began
            for figure in figures:
                print(figure.line(), file=sys.stderr)
    except TimeIsUpError:
        left = [name for name in sections if name not in report.sections]
        print(f"the time is up; not measured: {', '.join(left)}; give more --minutes, or --only", file=sys.stderr)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    print(report.markdown())
    if report.sections and not asked.quick and not asked.forget:
        report.keep()
    for missed in report.missed():
        print(f"missed: {missed}", file=sys.stderr)
    complete = len(report.sections) == len(set(sections))
    return 0 if complete and (asked.quick or not report.missed()) else 1


if __name__ == "__main__":
    sys.exit(main())
