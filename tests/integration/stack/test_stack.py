"""The stack without Docker, as `make` starts it: with stand-ins for the services, real Kafka and MongoDB."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from local_stack import artifacts, ports, processes
from local_stack.settings import ROOT, SERVICES, Settings

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Stack:
    """One home, with its ports."""

    home: Path
    environment: Mapping[str, str]

    def ask(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "local_stack", *arguments]
        return subprocess.run(
            command,
            env={**self.environment, **more},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def must(self, *arguments: str) -> str:
        done = self.ask(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def units(self) -> dict[str, dict[str, object]]:
        state = json.loads((self.home / "run" / "state.json").read_text())
        return {unit["name"]: unit for unit in state["units"]}


@pytest.fixture(scope="module")
def make_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Stack]]:
    artifacts.fetch(Settings(home=Path("unused")))
    programs = tmp_path_factory.mktemp("programs")
    for service in SERVICES:
        program = programs / service
        program.write_text(f"#!/bin/sh\nexec {sys.executable} {Path(__file__).parent / 'stand_in.py'}\n")
        program.chmod(0o755)
    made: list[Stack] = []

    def make() -> Stack:
        kafka, mongodb = ports.free()
        home = tmp_path_factory.mktemp("home") / "reengage"
        foreign = {"MONGODB_URI", "KAFKA_BOOTSTRAP_SERVERS", "REENGAGE_ENCRYPTION_KEYS"}
        own = {
            "REENGAGE_HOME": str(home),
            "REENGAGE_PROGRAMS": str(programs),
            "REENGAGE_KAFKA_PORT": str(kafka),
            "REENGAGE_MONGODB_PORT": str(mongodb),
            "REENGAGE_GATEWAY_PORT": str(ports.free()[0]),
            "PYTHONPATH": str(ROOT / "deploy" / "local"),
        }
        made.append(Stack(home, {**{k: v for k, v in os.environ.items() if k not in foreign}, **own}))
        return made[-1]

    yield make
    for stack in made:
        stack.ask("down")


@pytest.fixture(scope="module")
def stack(make_stack: Callable[[], Stack]) -> Stack:
    stack = make_stack()
    stack.must("up")
    return stack


def within(seconds: float, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_second_up_changes_nothing(stack):
    before = {name: unit["pid"] for name, unit in stack.units.items()}
    assert "already running" in stack.must("up")
    assert {name: unit["pid"] for name, unit in stack.units.items()} == before


def test_a_second_up_without_variables_says_where_the_running_stack_is(stack):
    unset = ("REENGAGE_GATEWAY_PORT", "REENGAGE_KAFKA_PORT", "REENGAGE_MONGODB_PORT")
    done = stack.ask("up", **dict.fromkeys(unset, ""))
    assert done.returncode == 0, done.stderr
    for variable in unset:
        assert f"127.0.0.1:{stack.environment[variable]}" in done.stdout


def test_a_second_up_that_asks_for_other_settings_fails_and_says_which(stack):
    done = stack.ask("up", REENGAGE_GATEWAY_PORT="9850", ALLOWED_ORIGINS="https://app.example.com")
    runs_at = stack.environment["REENGAGE_GATEWAY_PORT"]
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"gateway   http://127.0.0.1:{runs_at}" in done.stdout
    assert f"REENGAGE_GATEWAY_PORT asks for 9850, not {runs_at}" in done.stderr
    assert "ALLOWED_ORIGINS asks for https://app.example.com, not none" in done.stderr
    assert "`make down` first" in done.stderr


def test_secrets_are_made_once_and_only_the_owner_reads_them(stack):
    for name in ("encryption.keys", "stack.env"):
        assert stat.S_IMODE((stack.home / name).stat().st_mode) == 0o600
    assert (stack.home / "encryption.keys").read_text().strip() in (stack.home / "stack.env").read_text()


def test_servers_listen_on_loopback_only(stack):
    listening = [
        row.split()[1].split(":")
        for table in ("tcp", "tcp6")
        for row in Path("/proc/net", table).read_text().splitlines()[1:]
        if row.split()[3] == "0A"
    ]
    for variable in ("REENGAGE_KAFKA_PORT", "REENGAGE_MONGODB_PORT"):
        places = [place for place, port in listening if int(port, 16) == int(stack.environment[variable])]
        assert places
        assert {place[-8:] for place in places} == {"0100007F"}


def test_scale_returns_when_the_wanted_number_is_ready_and_the_others_have_ended(stack):
    assert "3 ready" in stack.must("scale", "risk-engine", "3")
    assert {name for name in stack.units if name.startswith("risk")} == {f"risk-engine-{n}" for n in (1, 2, 3)}
    stack.must("scale", "risk-engine", "1")
    assert {name for name in stack.units if name.startswith("risk")} == {"risk-engine-1"}
    assert "ended when asked" in (stack.home / "logs" / "risk-engine-3.log").read_text()


@pytest.mark.parametrize("name", ["ingestor-1", "kafka", "mongodb"])
def test_what_is_killed_is_started_again(stack, name):
    killed = stack.units[name]["pid"]
    os.kill(killed, signal.SIGKILL)
    within(30, lambda: stack.units[name]["pid"] not in (killed, None) and stack.units[name]["state"] == "ready")


def test_two_stacks_run_side_by_side_and_end_apart(stack, make_stack):
    other = make_stack()
    other.must("up")
    other.must("down")
    assert not processes.all_recorded(other.home / "run")
    assert all(processes.recorded(stack.home / "run", name) for name in stack.units)


def test_given_servers_are_used_and_none_are_started(make_stack, kafka_bootstrap, mongodb_uri):
    stack = make_stack()
    given = Stack(
        stack.home, {**stack.environment, "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap, "MONGODB_URI": mongodb_uri}
    )
    given.must("up")
    assert set(stack.units) == {f"{service}-1" for service in SERVICES}
    assert not (stack.home / "data").exists()
    given.must("down")


def test_up_removes_the_organization_that_an_earlier_demo_left(make_stack, kafka_bootstrap, mongodb_uri, tmp_path):
    stack = make_stack()
    programs = Path(stack.environment["REENGAGE_PROGRAMS"])
    for service in SERVICES:
        (tmp_path / service).symlink_to(programs / service)
    reengage = tmp_path / "reengage"
    reengage.write_text(
        "#!/bin/sh\n"
        'echo "$*" >> "$REENGAGE_HOME/asked"\n'
        """[ "$2" != list ] || echo '[{"organization_id": "org_demo"}]'\n"""
    )
    reengage.chmod(0o755)
    stack.home.mkdir()
    (stack.home / "demo.key").write_text("left by a demo")
    more = {"REENGAGE_PROGRAMS": str(tmp_path), "MONGODB_URI": mongodb_uri, "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap}
    started = stack.ask("up", **more)
    assert "org_demo of an earlier `make demo` is removed" in started.stdout, started.stderr
    assert "removed" not in stack.ask("up", **more).stdout
    stack.must("down")
    assert (stack.home / "asked").read_text().splitlines() == ["org list --json", "org remove org_demo --yes"]


def test_down_ends_all_and_keeps_the_data_also_after_the_supervisor_was_killed(make_stack):
    stack = make_stack()
    stack.must("up")
    keys = (stack.home / "encryption.keys").read_text()
    supervisor = processes.recorded(stack.home / "run", "supervisor")
    supervisor.send(signal.SIGKILL)
    within(5, lambda: not supervisor.alive())
    assert "ready after" in stack.must("up")
    stack.must("down")
    assert not processes.all_recorded(stack.home / "run")
    assert "nothing runs" in stack.must("down")
    assert (stack.home / "data" / "mongodb" / "WiredTiger").exists()
    assert (stack.home / "encryption.keys").read_text() == keys


def test_a_service_that_cannot_start_is_told_with_its_last_words_and_nothing_stays(make_stack, tmp_path):
    stack = make_stack()
    (stack.home / "logs").mkdir(parents=True)
    for service in SERVICES:
        (stack.home / "logs" / f"{service}-1.log").write_text("words of an earlier start\n")
    for service in SERVICES:
        (tmp_path / service).write_text("#!/bin/sh\necho 'no such setting: X'; exit 1\n")
        (tmp_path / service).chmod(0o755)
    done = stack.ask("up", REENGAGE_PROGRAMS=str(tmp_path))
    assert done.returncode == 1
    assert "does not start" in done.stderr
    assert done.stderr.count("no such setting: X") == 1
    assert "earlier" not in done.stderr
    assert not processes.all_recorded(stack.home / "run")


@pytest.mark.parametrize("variable", ["REENGAGE_GATEWAY_PORT", "REENGAGE_KAFKA_PORT", "REENGAGE_MONGODB_PORT"])
def test_a_busy_port_is_one_line_that_says_what_to_do(make_stack, variable):
    stack = make_stack()
    with socket.create_server(("127.0.0.1", int(stack.environment[variable]))):
        done = stack.ask("up")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert variable in done.stderr
    assert not (stack.home / "data").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"PATH": "/nowhere"}, "make install"),
        ({"MONGODB_URI": "mongodb://127.0.0.1:1/"}, "MONGODB_URI does not answer"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, "KAFKA_BOOTSTRAP_SERVERS does not answer"),
        ({"MONGO_DRIVER": "foo"}, "MONGO_DRIVER must be motor or pymongo, not 'foo'"),
        ({"REENGAGE_KAFKA_PORT": "http"}, "REENGAGE_KAFKA_PORT must be a port"),
        ({"REENGAGE_KAFKA_PORT": "20000", "REENGAGE_MONGODB_PORT": "20001"}, "Kafka takes two"),
    ],
)
def test_what_is_missing_is_one_line_that_says_what_to_do(make_stack, more, words):
    done = make_stack().ask("up", **more)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert words in done.stderr


def test_a_given_mongodb_that_is_no_replica_set_is_one_line_that_says_what_to_do(make_stack, tmp_path):
    port, _ = ports.free()
    place = ["--dbpath", tmp_path, "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"]
    program = processes.Program("standalone", [artifacts.mongod(), *place])
    standalone = processes.start(program, logs=tmp_path, run=tmp_path)
    try:
        within(30, lambda: ports.busy(port))
        done = make_stack().ask("up", MONGODB_URI=f"mongodb://127.0.0.1:{port}/")
    finally:
        processes.stop([standalone], within=30)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "MONGODB_URI is not a replica set" in done.stderr
    assert "--replSet" in done.stderr


@pytest.mark.parametrize(
    ("service", "count"), [("risk", "2"), ("risk-engine", "-1"), ("risk-engine", "many"), ("", "")]
)
def test_scaling_to_nonsense_is_refused(make_stack, service, count):
    assert make_stack().ask("scale", service, count).returncode == 1
