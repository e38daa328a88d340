"""Why the ingestor stopped an organization, and what to do about it: `last_error` is all that is known here. Pure."""

from collections.abc import Mapping

_AGAIN = "reengage sync {org} --wait"
_SET_KEY = "reengage org set-key {org} --cliniko-api-key …"

_CAUSES: Mapping[str, str] = {
    "with 401": f"give it a key that Cliniko takes: {_SET_KEY}",
    "with 403": f"give the key's user the permission in Cliniko, then: {_AGAIN}; or another user's key: {_SET_KEY}",
    "no longer lists": (
        f"let the key's user see all patients in Cliniko, then: {_AGAIN};"
        " if they were really deleted: reengage org remove {org}, and org add it again"
    ),
    "404 for patients": f"let the key's user see all patients in Cliniko, then: {_AGAIN}",
    "REENGAGE_ENCRYPTION_KEYS": (
        f"put the lost key back into the ingestor's REENGAGE_ENCRYPTION_KEYS and restart it, or: {_SET_KEY}"
    ),
}
"""What to do, by words of the errors that stop it (`ingestor.errors`, `ingestor.losses`, `shared.identity`)."""

_ELSE = f"mend what it says, then: {_AGAIN}; if it is the key: {_SET_KEY}"


def what_to_do(organization_id: str, error: str | None) -> str:
    """Advice for an organization that is stopped."""
    advice = next((advice for words, advice in _CAUSES.items() if words in (error or "")), _ELSE)
    return advice.format(org=organization_id)
