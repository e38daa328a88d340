"""`python -m ingestor`, or `ingestor`: runs until it is told to stop."""

from ingestor.app import create
from ingestor.settings import IngestorSettings
from shared.service import run


def main() -> None:
    """Runs the ingestor."""
    run("ingestor", create, IngestorSettings)


if __name__ == "__main__":
    main()
