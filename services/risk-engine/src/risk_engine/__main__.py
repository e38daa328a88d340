"""`risk-engine`: keeps one timeline per patient and what follows from it."""

import argparse

from risk_engine.app import create
from shared.service import run

SERVICE = "risk-engine"


def main() -> None:
    """Runs the service until it is told to stop."""
    argparse.ArgumentParser(
        prog=SERVICE,
        description="Folds events into one timeline per patient and keeps assessments and sums."
        " Settings come from the environment: see README.md.",
    ).parse_args()
    run(SERVICE, create)


if __name__ == "__main__":
    main()
