"""What a run found: figures against their targets, as a table in Markdown, with machine and versions."""

import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from local_stack.artifacts import KAFKA_VERSION, MONGOD_VERSION
from local_stack.settings import ROOT

HISTORY = ROOT / "docs" / "benchmarks.md"
MARK = "<!-- newest run first -->"
PACKAGES = ("faststream", "aiokafka", "motor", "pymongo", "pydantic", "fastapi", "uvicorn", "uvloop", "orjson")


@dataclass(frozen=True)
class Figure:
    """One line of the table; `met` is None where there is no target."""

    name: str
    value: str
    target: str = ""
    met: bool | None = None

    def line(self) -> str:
        """The line in Markdown."""
        verdict = {True: "met", False: "**missed**", None: ""}[self.met]
        return f"| {self.name} | {self.value} | {self.target} | {verdict} |"


def at_least(name: str, value: float, bound: float, unit: str = "") -> Figure:
    """A figure that must not be smaller."""
    return Figure(name, f"{number(value)}{unit}", f"≥ {number(bound)}{unit}", value >= bound)


def at_most(name: str, value: float, bound: float, unit: str = "") -> Figure:
    """A figure that must not be greater."""
    return Figure(name, f"{number(value)}{unit}", f"≤ {number(bound)}{unit}", value <= bound)


def plain(name: str, value: float, unit: str = "") -> Figure:
    """A figure without a target."""
    return Figure(name, f"{number(value)}{unit}")


def number(value: float) -> str:
    """Three digits that matter."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


@dataclass
class Report:
    """The figures of one run, section by section."""

    quick: bool
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    load: tuple[float, float, float] = field(default_factory=os.getloadavg)
    sections: dict[str, list[Figure]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def markdown(self) -> str:
        """The whole run."""
        lines = [f"## {self.began:%Y-%m-%d %H:%M} UTC{', quick' if self.quick else ''}", "", *self._surroundings(), ""]
        for name, figures in self.sections.items():
            lines += [
                f"**{name}** ({self.seconds[name]:.0f} s)",
                "",
                "| figure | measured | target | |",
                "|---|---|---|---|",
            ]
            lines += [*(figure.line() for figure in figures), ""]
        return "\n".join(lines)

    def keep(self) -> None:
        """Puts the run on top of the history."""
        before, _, after = HISTORY.read_text().partition(MARK)
        HISTORY.write_text(f"{before}{MARK}\n\n{self.markdown()}{after.lstrip()}")

    def missed(self) -> list[str]:
        """Figures that missed their targets."""
        return [f.name for figures in self.sections.values() for f in figures if f.met is False]

    def _surroundings(self) -> Iterable[str]:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        yield (
            f"Git {_revision()}; {os.cpu_count()} cores ({_processor()}), {memory:.0f} GB; load average before"
            f" {', '.join(f'{value:.1f}' for value in self.load)}, after {os.getloadavg()[0]:.1f}."
        )
        versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        yield f"Kafka {KAFKA_VERSION}, MongoDB {MONGOD_VERSION}, Python {platform.python_version()}, {versions}."


def _revision() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "services", "shared", "deploy")
    return git("rev-parse", "--short", "HEAD") + (" with uncommitted changes" if changed else "")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
