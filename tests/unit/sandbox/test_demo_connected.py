"""How the demo among containers connects its clinic; the operator's program is a stand-in."""

from pathlib import Path

import pytest

from support.demo_clinic import connected


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An operator's program that notes what it is asked, and prints what the file of that command holds."""
    program = tmp_path / "reengage"
    program.write_text(f'#!/bin/sh\necho "$1 $2 $3" >> {tmp_path}/asked\ncat "{tmp_path}/$1-$2" 2>/dev/null || true\n')
    program.chmod(0o755)
    (tmp_path / "org-list").write_text("[]")
    (tmp_path / "token-create").write_text('{"token": "rg_made"}')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return program


def asked(program: Path) -> list[str]:
    return program.with_name("asked").read_text().splitlines()


def test_the_clinic_is_added_and_a_token_made(program: Path) -> None:
    assert connected.connect("key-au1") == "rg_made"
    assert asked(program) == ["org list --json", "org add org_demo", "org set org_demo", "token create --org"]


def test_an_organization_of_an_earlier_clinic_is_removed_first(program: Path) -> None:
    program.with_name("org-list").write_text('[{"organization_id": "org_demo"}]')
    connected.connect("key-au1")
    assert asked(program)[:3] == ["org list --json", "org remove org_demo", "org add org_demo"]


def test_a_command_that_fails_is_named(program: Path) -> None:
    program.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(connected.NotConnected, match="reengage org list"):
        connected.connect("key-au1")


def test_without_a_key_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("DEMO_KEY", raising=False)
    assert connected.main(["--gateway", "http://127.0.0.1:1", "--ready-file", "/nowhere/ready"]) == 2
    assert "no key" in capsys.readouterr().err
