"""Where the stack is: exported variables first, then the `stack.env` that `make up` wrote."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reengage.failures import CommandError

STACK_FILE = "stack.env"
DEFAULT_HOME = ".reengage"
HERE = "127.0.0.1"
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - what a gateway may listen on, to be asked on loopback
CHECKOUT = Path(__file__).resolve().parents[4]
"""The checkout that the program is installed from."""


@dataclass(frozen=True)
class Surroundings:
    """What this process is told by variables and by the stack's file."""

    values: Mapping[str, str]
    stack_file: Path | None
    searched: tuple[Path, ...]

    def get(self, name: str) -> str | None:
        """The value; None when there is none, or an empty one."""
        return self.values.get(name) or None

    def _needed(self, name: str) -> str:
        if value := self.get(name):
            return value
        places = " or ".join(str(place) for place in self.searched)
        raise CommandError(f"no stack found: run `make up`, or set {name} (looked for {places})")

    @property
    def mongodb_uri(self) -> str:
        """Raises CommandError when nothing says it."""
        return self._needed("MONGODB_URI")

    @property
    def kafka_bootstrap_servers(self) -> str:
        """Raises CommandError when nothing says it."""
        return self._needed("KAFKA_BOOTSTRAP_SERVERS")

    @property
    def encryption_keys(self) -> str:
        """Raises CommandError when nothing says it."""
        if keys := self.get("REENGAGE_ENCRYPTION_KEYS"):
            return keys
        raise CommandError(
            "no sealing key: set REENGAGE_ENCRYPTION_KEYS to what the ingestor has"
            " (`reengage key create` makes a first one)"
        )

    @property
    def gateway_url(self) -> str:
        """Where the gateway answers."""
        host = self.get("API_GATEWAY_HOST") or HERE
        return f"http://{HERE if host in ANY_ADDRESS else host}:{self.get('REENGAGE_GATEWAY_PORT') or '8800'}"

    @property
    def home(self) -> Path:
        """The stack's folder, or where it would be."""
        return (self.stack_file or self.searched[0]).parent


def look_around(
    environ: Mapping[str, str] = os.environ, *, here: Path | None = None, checkout: Path = CHECKOUT
) -> Surroundings:
    """The surroundings of this process; an empty variable counts as none."""
    home = Path(environ.get("REENGAGE_HOME") or DEFAULT_HOME).expanduser()
    searched = tuple(dict.fromkeys(base / home / STACK_FILE for base in (here or Path.cwd(), checkout)))
    stack_file = next((place for place in searched if place.is_file()), None)
    of_stack = _read(stack_file) if stack_file else {}
    exported = {name: value for name, value in environ.items() if value}
    return Surroundings({**of_stack, **exported}, stack_file, searched)


def _read(file: Path) -> dict[str, str]:
    """The variables of a file of NAME=VALUE lines, quoted as a shell would."""
    values = {}
    for line in file.read_text().splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            values[name.removeprefix("export ").strip()] = "".join(shlex.split(value))
    return values
