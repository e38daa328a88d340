"""Runs the outreach tracker until it is told to stop."""

from outreach_tracker.app import NAME, create_app
from shared.service import run


def main() -> None:
    """The program `outreach-tracker`."""
    run(NAME, create_app)


if __name__ == "__main__":
    main()
