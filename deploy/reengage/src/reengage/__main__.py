"""`reengage`, the operator's program: exit status 0 done, 1 failed, 2 wrong usage, 130 interrupted."""

import sys


def main() -> None:
    """Runs the command that the arguments name."""
    try:
        from reengage.app import app  # here, since an interrupt during the imports is an ordinary end, too

        app()
    except KeyboardInterrupt:
        print("reengage: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
