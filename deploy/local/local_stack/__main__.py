"""python -m local_stack fetch | up | down | scale SERVICE COUNT | demo: what the Makefile calls."""

import sys

from local_stack import artifacts, commands, organization
from local_stack.problems import StackError
from local_stack.settings import Settings
from local_stack.supervisor import Supervisor


def main(arguments: list[str]) -> int:
    """Do what the arguments say. Returns 0, 1 when it could not be done, 2 when it was not understood."""
    try:
        settings = Settings.from_environment()
        match arguments:
            case ["fetch"]:
                artifacts.fetch(settings)
            case ["up"]:
                commands.up(settings, afterwards=organization.remove_what_a_demo_left)
            case ["down"]:
                commands.down(settings)
            case ["scale", service, count]:
                commands.scale(settings, service, count)
            case ["demo"]:
                from local_stack import demo

                return demo.run(settings)
            case ["supervise"]:
                return Supervisor(settings).run()
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except StackError as problem:
        print(f"reengage: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
