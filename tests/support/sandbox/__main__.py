"""The sandbox as a program: `python -m support.sandbox --help`."""

import argparse
import asyncio
import gc
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

import uvicorn

from support.demo_clinic.drift import Drift
from support.sandbox.loaders import CLINICS, load_clinic
from support.sandbox.options import Options
from support.sandbox.server import configured
from support.sandbox.state import Sandbox

USUAL_KEY = "sandbox-key-au1"


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m support.sandbox",
        description="Imitates Cliniko's REST API at http://HOST:PORT/v1, with an admin side under"
        " /admin (see README.md). The user name of Basic auth is an API key, the password empty.",
    )
    parser.add_argument("--port", type=int, default=8400)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--fd", type=int, metavar="N", help="an inherited socket that listens already, in place of both"
    )
    parser.add_argument("--clinic", choices=CLINICS, help="the clinic that --key opens")
    parser.add_argument("--data", type=Path, help="path of its records (all but demo)")
    parser.add_argument("--key", action="append", default=[], help="API key, repeatable")
    parser.add_argument(
        "--serve",
        action="append",
        default=[],
        metavar="KEY=CLINIC[:PATH]",
        help="one more clinic under its own key, repeatable",
    )
    parser.add_argument("--requests-per-minute", type=int, default=200, metavar="N")
    parser.add_argument("--no-recalls", action="store_true", help="recalls answer 404")
    parser.add_argument(
        "--shift-to-today",
        action="store_true",
        help="move all of Vitória's dates so that its last appointments are today",
    )
    parser.add_argument("--drift", action="store_true", help="the demo clinic goes on changing, about once a minute")
    parser.add_argument("--seed", type=int, default=1, help="of the demo clinic and its drift")
    parser.add_argument("--today", type=date.fromisoformat, help="the day of the demo clinic (default: today)")
    parser.add_argument(
        "--log-level",
        default="warning",
        choices=("critical", "error", "warning", "info", "debug"),
        help="debug shows every request",
    )
    return parser


def wanted(options: argparse.Namespace) -> list[tuple[list[str], str, Path | None]]:
    """Return (keys, clinic, path) for every clinic asked for. Raises ValueError."""
    clinics: list[tuple[list[str], str, Path | None]] = []
    if options.clinic is not None or not options.serve:
        clinics.append((options.key or [USUAL_KEY], options.clinic or "demo", options.data))
    for each in options.serve:
        key, equals, rest = each.partition("=")
        name, _, path = rest.partition(":")
        if not (key and equals and name):
            raise ValueError(f"--serve takes KEY=CLINIC[:PATH], not {each!r}")
        clinics.append(([key], name, Path(path) if path else None))
    return clinics


def built(options: argparse.Namespace) -> Sandbox:
    """Return the sandbox that the command line asks for. Raises ValueError."""
    sandbox = Sandbox()
    for keys, name, path in wanted(options):
        clinic = load_clinic(
            name,
            clock=sandbox.clock,
            path=path,
            shift_to_today=options.shift_to_today,
            today=options.today,
            seed=options.seed,
            options=Options(
                recalls=not options.no_recalls,
                requests_per_minute=options.requests_per_minute,
            ),
        )
        for key in keys:
            sandbox.serve(key, clinic)
            print(f"{name}: key {key}", file=sys.stderr)
    return sandbox


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stopped; return the exit status (2: wrong usage)."""
    options = arguments().parse_args(argv)
    try:
        sandbox = built(options)
    except ValueError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    listener = None if options.fd is None else socket.socket(fileno=options.fd)
    host, port = listener.getsockname() if listener else (options.host, options.port)
    print(f"serving http://{host}:{port}/v1", file=sys.stderr)
    gc.freeze()  # hundreds of thousands of records that stay: no pauses to look at them again,
    gc.set_threshold(50_000, 50, 100)  # and few for those of clinics that come later
    config = configured(sandbox, log_level=options.log_level)
    config.host, config.port = host, port
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):  # which uvicorn raises again once it has stopped
        asyncio.run(serve(server, sandbox, listener=listener, drifting=options.drift, seed=options.seed))
    return 0 if server.started else 1


async def serve(
    server: uvicorn.Server, sandbox: Sandbox, *, listener: socket.socket | None, drifting: bool, seed: int
) -> None:
    """Serve until stopped, letting the demo clinics go on meanwhile if they shall."""
    demos = {id(each): each for each in sandbox.clinics.values() if each.name == "demo"}
    going_on = [
        asyncio.create_task(Drift(demo, clock=sandbox.clock, seed=seed).go_on(sandbox.sleep))
        for demo in demos.values()
        if drifting
    ]
    try:
        await server.serve(None if listener is None else [listener])
    finally:
        for task in going_on:
            task.cancel()


if __name__ == "__main__":
    sys.exit(main())
