"""`make test-faults`: seeded runs of load and faults, and a checker that knows none of the services' code.

    make test-faults ARGS="--seed 7 --runs 10 --faults 20"

The same seed draws the same load and the same faults; what processes do meanwhile is theirs.
"""

import argparse
import json
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "deploy" / "local")]

from faults.kinds import KINDS  # noqa: E402
from faults.runs import RunResult, Suite  # noqa: E402


def main() -> int:
    told = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is stopped
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(told.folder) if told.folder else ROOT / ".cache" / "faults" / f"seed-{told.seed}"
    deadline = time.monotonic() + told.minutes * 60
    results: list[RunResult] = []
    with Suite(folder, say, told.outage) as suite:
        for number in range(told.runs):
            if time.monotonic() > deadline:
                say("the time is up")
                break
            result = suite.run(number + 1, told.seed + number, told.faults, told.only, deadline)
            results.append(result)
            say(
                f"run {number + 1}: seed {result.seed}, {len(result.seen)} faults, {result.acknowledged} records "
                f"acknowledged so far, settled in {result.settled_seconds} s, {len(result.violations)} violations"
            )
            for violation in result.violations:
                say(f"  {violation}")
    say(table(results))
    (folder / "summary.json").write_text(json.dumps([asdict(result) for result in results], indent=1))
    faults = sum(len(result.seen) for result in results)
    violations = sum(len(result.violations) for result in results)
    say(f"{faults} faults in {len(results)} runs from seed {told.seed}: {violations} violations; logs in {folder}")
    return 1 if violations else 0


def table(results: Sequence[RunResult]) -> str:
    """Kinds of faults: how many, how long until a new report was settled, what went wrong."""
    counts: dict[str, int] = defaultdict(int)
    recovered: dict[str, list[float]] = defaultdict(list)
    wrong: dict[str, int] = defaultdict(int)
    for seen in (one for result in results for one in result.seen):
        counts[seen.kind] += 1
        wrong[seen.kind] += len(seen.violations)
        if seen.recovered_seconds is not None:
            recovered[seen.kind].append(seen.recovered_seconds)
    lines = [f"{'fault':16}{'count':>6}{'median':>9}{'longest':>9}{'violations':>12}"]
    for kind in (kind for kind in KINDS if counts[kind]):
        times = sorted(recovered[kind]) or [0.0]
        middle, longest = times[len(times) // 2], times[-1]
        lines.append(f"{kind:16}{counts[kind]:6}{middle:7.1f} s{longest:7.1f} s{wrong[kind]:12}")
    return "\n".join(lines)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each next one has the next number")
    parser.add_argument("--runs", type=int, default=1, help="two minutes each")
    parser.add_argument("--faults", type=int, default=20, help="of each run")
    parser.add_argument("--minutes", type=float, default=120, help="no fault begins after these")
    parser.add_argument("--only", choices=sorted(KINDS), help="one kind of fault")
    parser.add_argument("--outage", type=float, default=20, help="seconds that a server is away in an outage")
    parser.add_argument("--folder", help="for logs and data; .cache/faults/seed-N")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
