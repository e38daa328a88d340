"""How a command ends that was interrupted."""

import asyncio
import gc
import subprocess
import sys
import warnings
from typing import Any, NoReturn

import pytest
import typer

from reengage import failures


def interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


async def work() -> None:
    await asyncio.sleep(0)


async def interrupted_work() -> None:
    interrupt()


def ended_by(run_this: Any, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, list[str]]:
    """The exit status, what people read, and what Python warned of."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(typer.Exit) as ended:
            failures.run(run_this())
        gc.collect()
    return ended.value.exit_code, capsys.readouterr().err, [str(each.message) for each in warned]


@pytest.mark.parametrize("early", ["reengage.failures._quieten_libraries", "asyncio.run"])
def test_an_interrupt_before_the_work_began_is_one_line(
    early: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(early, interrupt)
    assert ended_by(work, capsys) == (130, "reengage: interrupted\n", [])


def test_an_interrupt_within_the_work_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(failures, "_quieten_libraries", lambda: None)
    assert ended_by(interrupted_work, capsys) == (130, "reengage: interrupted\n", [])


@pytest.mark.parametrize("imported", ["reengage.app", "typer", "reengage.commands.verifying"])
def test_an_interrupt_while_the_program_is_imported_is_one_line(imported: str) -> None:
    interrupted_there = f"""
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {imported!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from reengage.__main__ import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", interrupted_there], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "reengage: interrupted\n")
