"""What the services, the operator's program and the demo are told through their environment."""

import base64
import os
import secrets
import shlex

from local_stack.processes import write_whole
from local_stack.settings import HOST, Settings

KEYS = "REENGAGE_ENCRYPTION_KEYS"


def of_stack(settings: Settings) -> dict[str, str]:
    """The variables that this stack's programs share."""
    return {
        "MONGODB_URI": settings.mongodb_uri,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "MONGO_DRIVER": os.environ.get("MONGO_DRIVER") or "motor",
        "SYNC_INTERVAL": os.environ.get("SYNC_INTERVAL") or "300",
        "ALLOWED_ORIGINS": os.environ.get("ALLOWED_ORIGINS") or "",
        "REENGAGE_GATEWAY_PORT": str(settings.gateway_port),
        "API_GATEWAY_HOST": HOST,
        KEYS: encryption_keys(settings),
        "REENGAGE_HOME": str(settings.home),
        "HEALTH_PORT": "0",
    }


def of_instance(settings: Settings, instance: str) -> dict[str, str]:
    """The whole environment of one process of a service."""
    return {**os.environ, **of_stack(settings), "REENGAGE_INSTANCE": instance, "PYTHONUNBUFFERED": "1"}


def publish(settings: Settings) -> None:
    """Write the variables where the operator's program finds them; they hold keys, so only the owner may read."""
    lines = [f"{name}={shlex.quote(value)}" for name, value in of_stack(settings).items()]
    write_whole(settings.home / "stack.env", "\n".join(lines) + "\n", mode=0o600)


def encryption_keys(settings: Settings) -> str:
    """The keys of secrets at rest, `id:base64` and the active one first: the environment's, or this home's, made once."""
    if given := os.environ.get(KEYS):
        return given
    file = settings.home / "encryption.keys"
    if not file.exists():
        write_whole(file, f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}\n", mode=0o600)
    return ",".join(file.read_text().split())
