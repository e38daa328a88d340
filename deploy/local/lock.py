"""Resolve requirements.in and every member's dependencies into the lock files.

`requirements.lock` is everything; `requirements-runtime.lock` and `requirements-build.lock` are the parts of it that
an image needs at run time, and to build the members.
The members themselves are left out: an index may know a stranger's project of the same name.
The files carry hashes, but no addresses of any kind.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADER = "# Made by `make lock`: do not edit.\n"


def main() -> int:
    uv = sys.argv[1] if len(sys.argv) > 1 else "uv"
    files = [tomllib.loads(path.read_text()) for path in sorted(member_files())]
    projects = [file["project"] for file in files]
    own = {str(project["name"]) for project in projects}
    runtime = sorted(
        {
            line
            for project in projects
            for line in project["dependencies"]
            if re.split(r"[^A-Za-z0-9._-]", line)[0] not in own
        }
    )
    tools = [line for line in (ROOT / "requirements.in").read_text().splitlines() if line and line[0] != "#"]
    everything = compile_lock(uv, [*runtime, *tools], ROOT / "requirements.lock", constraint=None)
    compile_lock(uv, runtime, ROOT / "requirements-runtime.lock", constraint=everything)
    build = sorted({line for project in files for line in project["build-system"]["requires"]})
    compile_lock(uv, build, ROOT / "requirements-build.lock", constraint=everything)
    return 0


def member_files() -> set[Path]:
    """Every member's pyproject.toml."""
    patterns = (
        "shared/pyproject.toml",
        "shared/*/pyproject.toml",
        "services/*/pyproject.toml",
        "deploy/reengage/pyproject.toml",
    )
    return {path for pattern in patterns for path in ROOT.glob(pattern)}


def compile_lock(uv: str, lines: list[str], target: Path, *, constraint: Path | None) -> Path:
    """Write `target` and return it; versions already in it are kept where they still fit."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, lock = Path(folder, "wanted.in"), Path(folder, "lock")
        wanted.write_text("\n".join(lines) + "\n")
        if target.exists():
            lock.write_text(target.read_text())
        command = [uv, "pip", "compile", str(wanted), "-o", str(lock), "--universal", "--python-version", "3.11"]
        command += [
            "--generate-hashes",
            "--no-emit-index-url",
            "--no-emit-find-links",
            "--no-header",
            "--no-annotate",
            "--quiet",
        ]
        command += ["--constraint", str(constraint)] if constraint else []
        subprocess.run(command, check=True)
        target.write_text(HEADER + lock.read_text())
    return target


if __name__ == "__main__":
    sys.exit(main())
