"""What a check found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis; a problem says what to do."""

    check: str
    ok: bool
    found: str
    advice: str | None = None


def fine(check: str, found: str) -> Finding:
    """Nothing is wrong."""
    return Finding(check, True, found)


def problem(check: str, found: str, advice: str) -> Finding:
    """Something is wrong."""
    return Finding(check, False, found, advice)
