"""What the services, the operator's program and the demo are told through their environment."""

import base64
import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path

from local_stack.processes import write_whole
from local_stack.settings import HOST, Settings

KEYS = "REENGAGE_ENCRYPTION_KEYS"
KEYS_FILE = "encryption.keys"
STACK_FILE = "stack.env"
DECIDED_BY = {
    "REENGAGE_GATEWAY_PORT": ("REENGAGE_GATEWAY_PORT",),
    "KAFKA_BOOTSTRAP_SERVERS": ("KAFKA_BOOTSTRAP_SERVERS", "REENGAGE_KAFKA_PORT"),
    "MONGODB_URI": ("MONGODB_URI", "REENGAGE_MONGODB_PORT"),
    "MONGO_DRIVER": ("MONGO_DRIVER",),
    "SYNC_INTERVAL": ("SYNC_INTERVAL",),
    "ALLOWED_ORIGINS": ("ALLOWED_ORIGINS",),
    KEYS: (KEYS,),
}
"""What a stack is told, and the variables that decide it, the strongest first."""


def of_stack(settings: Settings) -> dict[str, str]:
    """The variables that this stack's programs share."""
    return {**without_keys(settings), KEYS: encryption_keys(settings)}


def without_keys(settings: Settings) -> dict[str, str]:
    """The same without the keys of secrets: nothing has to be made for them."""
    return {
        "MONGODB_URI": settings.mongodb_uri,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "MONGO_DRIVER": os.environ.get("MONGO_DRIVER") or "motor",
        "SYNC_INTERVAL": os.environ.get("SYNC_INTERVAL") or "300",
        "ALLOWED_ORIGINS": os.environ.get("ALLOWED_ORIGINS") or "",
        "REENGAGE_GATEWAY_PORT": str(settings.gateway_port),
        "API_GATEWAY_HOST": HOST,
        "REENGAGE_HOME": str(settings.home),
        "HEALTH_PORT": "0",
    }


def of_instance(settings: Settings, instance: str) -> dict[str, str]:
    """The whole environment of one process of a service."""
    return {**os.environ, **of_stack(settings), "REENGAGE_INSTANCE": instance, "PYTHONUNBUFFERED": "1"}


def publish(settings: Settings) -> None:
    """Write the variables where the operator's program finds them; they hold keys, so only the owner may read."""
    lines = [f"{name}={shlex.quote(value)}" for name, value in of_stack(settings).items()]
    write_whole(settings.home / STACK_FILE, "\n".join(lines) + "\n", mode=0o600)


def published(settings: Settings) -> dict[str, str]:
    """The variables of the stack that runs, as they were written when it was started."""
    lines = (settings.home / STACK_FILE).read_text().splitlines()
    return {name: "".join(shlex.split(value)) for name, _, value in (line.partition("=") for line in lines)}


def asked_otherwise(settings: Settings, running: Mapping[str, str]) -> list[str]:
    """Which variables are set to something else than what runs, in words that show no secret.

    What is not set asks for nothing; the file of keys does when it was written after the start.
    """
    found = []
    for name, asked in {**without_keys(settings), KEYS: os.environ.get(KEYS, "")}.items():
        variable = next((each for each in DECIDED_BY.get(name, ()) if os.environ.get(each)), None)
        has = running.get(name, "")
        if variable is None or asked == has:
            continue
        secret = name == KEYS or "@" in asked + has
        found.append(f"another {variable}" if secret else f"{variable} asks for {asked}, not {has or 'none'}")
    if not os.environ.get(KEYS) and _keys_were_changed(settings, running.get(KEYS, "")):
        found.append(f"another {KEYS_FILE}")
    return found


def _keys_were_changed(settings: Settings, running: str) -> bool:
    """Whether the home's file was changed since the start; a stack whose keys came by variable has others than an old one."""
    file, started = settings.home / KEYS_FILE, settings.home / STACK_FILE
    return file.exists() and file.stat().st_mtime_ns > started.stat().st_mtime_ns and _keys_in(file) != running


def encryption_keys(settings: Settings) -> str:
    """The keys of secrets at rest, `id:base64` and the active one first: the environment's, or this home's, made once."""
    if given := os.environ.get(KEYS):
        return given
    file = settings.home / KEYS_FILE
    if not file.exists():
        write_whole(file, f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}\n", mode=0o600)
    return _keys_in(file)


def _keys_in(file: Path) -> str:
    return ",".join(file.read_text().split())
