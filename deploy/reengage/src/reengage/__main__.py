"""`reengage`, the operator's program: exit status 0 done, 1 failed, 2 wrong usage."""

from reengage.app import app


def main() -> None:
    """Runs the command that the arguments name."""
    app()


if __name__ == "__main__":
    main()
