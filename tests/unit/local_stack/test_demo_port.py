"""Where the demo's sandbox listens, so that two demos run side by side."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local_stack import checks, demo, ports
from local_stack.problems import StackError
from local_stack.settings import HOST, ROOT, Settings


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port that another program listens on; the one where the demo would look first."""
    first, _ = ports.free()
    monkeypatch.setattr(demo, "USUAL_SANDBOX_PORT", first)
    with ports.listener(first):
        yield first


def port_of(listener: socket.socket) -> int:
    with listener:
        return int(listener.getsockname()[1])


def test_a_demo_takes_the_next_port_when_the_usual_one_is_taken(taken: int) -> None:
    assert port_of(demo._listener(Settings(home=Path("unused")))) > taken


def test_it_takes_none_that_its_own_stack_will_want(taken: int) -> None:
    settings = Settings(home=Path("unused"), gateway_port=taken + 1, mongodb_port=taken + 2)
    assert port_of(demo._listener(settings)) > taken + 2


def test_two_that_start_at_once_get_two_ports(taken: int) -> None:
    settings = Settings(home=Path("unused"))
    with demo._listener(settings) as one, demo._listener(settings) as other:
        assert one.getsockname() != other.getsockname()


def test_a_chosen_port_that_is_taken_is_an_error_that_says_what_to_do(taken: int) -> None:
    with pytest.raises(StackError, match=f"port {taken} is taken .* REENGAGE_SANDBOX_PORT"):
        demo._listener(Settings(home=Path("unused"), sandbox_port=taken))


def test_a_chosen_port_that_the_stack_wants_itself_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_programs", lambda settings: None)
    with pytest.raises(StackError, match="8800 is wanted twice"):
        checks.before_start(Settings(home=tmp_path), extra_ports={8800: "REENGAGE_SANDBOX_PORT"})


@pytest.mark.parametrize(("environ", "port"), [({}, None), ({"REENGAGE_SANDBOX_PORT": "8477"}, 8477)])
def test_the_variable_chooses(environ: dict[str, str], port: int | None) -> None:
    assert Settings.from_environment(environ).sandbox_port == port


def test_the_sandbox_serves_on_the_socket_that_it_gets(tmp_path: Path) -> None:
    clinic = tmp_path / "cliniko.json"
    clinic.write_text("{}")
    with ports.listener(ports.free()[0]) as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "support.sandbox", "--serve", f"key=worked:{clinic}"]
        sandbox = subprocess.Popen(
            [*command, "--fd", str(listener.fileno())],
            pass_fds=[listener.fileno()],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT / "tests")},
        )
    try:
        answer = httpx.get(f"http://{HOST}:{port}/v1/businesses", auth=("key", ""), timeout=30)
        assert answer.is_success
        assert answer.json()["businesses"] == []
    finally:
        sandbox.terminate()
        sandbox.wait(timeout=20)
