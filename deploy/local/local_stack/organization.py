"""The demo's organization, in the hands of the operator's program: made anew, and removed once no demo serves it."""

import json
import os
import subprocess
import sys

from local_stack import environment
from local_stack.problems import StackError
from local_stack.settings import ROOT, Settings

ORGANIZATION = "org_demo"
KEY_FILE, WAY_IN_FILE = "demo.key", "demo.json"
"""In the home. The first stands there for as long as a demo may have left its organization behind."""


def reengage(settings: Settings, *arguments: str) -> str:
    """What the operator's program prints; what it tells people goes to the terminal."""
    command = [str(settings.programs / "reengage"), *arguments]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, **environment.of_stack(settings), "PYTHONUNBUFFERED": "1"},
        cwd=ROOT,
    )
    if done.returncode:
        raise StackError(f"`reengage {arguments[0]}` failed ({done.stdout.strip()[-300:] or 'see above'})")
    return done.stdout


def remove(settings: Settings) -> bool:
    """Remove the organization with its tokens; the services delete what they hold of it. False when there was none."""
    known = json.loads(reengage(settings, "org", "list", "--json"))
    if ORGANIZATION not in [each["organization_id"] for each in known]:
        return False
    reengage(settings, "org", "remove", ORGANIZATION, "--yes")
    return True


def remove_what_a_demo_left(settings: Settings) -> None:
    """Remove the organization of an earlier demo of this home, if any; says so, also when it could not be done."""
    if not (settings.home / KEY_FILE).exists():
        return
    try:
        removed = remove(settings)
    except (StackError, OSError) as problem:
        print(f"{ORGANIZATION} of an earlier `make demo` could not be removed: {problem}", file=sys.stderr)
        return
    for name in (WAY_IN_FILE, KEY_FILE):
        (settings.home / name).unlink(missing_ok=True)
    if removed:
        print(f"{ORGANIZATION} of an earlier `make demo` is removed")
