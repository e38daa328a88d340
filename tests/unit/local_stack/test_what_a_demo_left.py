"""What `make up` does about the organization of an earlier demo; the operator's program is a stand-in."""

from pathlib import Path

import pytest

from local_stack import organization
from local_stack.settings import Settings

LISTED = '[{"organization_id": "org_demo"}, {"organization_id": "org_north"}]'


def stack(folder: Path, *, listed: str = LISTED, status: int = 0) -> Settings:
    """A home in which a demo ran, and an operator's program that notes what it is asked."""
    program = folder / "reengage"
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {folder}/asked\n[ "$2" != list ] || echo \'{listed}\'\nexit {status}\n'
    )
    program.chmod(0o755)
    settings = Settings(home=folder / "home", programs=folder)
    settings.home.mkdir()
    for name in ("demo.key", "demo.json"):
        (settings.home / name).write_text("made by a demo")
    return settings


def asked(folder: Path) -> list[str]:
    file = folder / "asked"
    return file.read_text().splitlines() if file.exists() else []


def left(settings: Settings) -> list[str]:
    return sorted(file.name for file in settings.home.glob("demo.*"))


def test_the_organization_of_an_earlier_demo_is_removed_once(tmp_path: Path) -> None:
    settings = stack(tmp_path)
    organization.remove_what_a_demo_left(settings)
    assert asked(tmp_path) == ["org list --json", "org remove org_demo --yes"]
    assert left(settings) == []
    organization.remove_what_a_demo_left(settings)
    assert len(asked(tmp_path)) == 2


def test_no_other_organization_is_touched(tmp_path: Path) -> None:
    settings = stack(tmp_path, listed='[{"organization_id": "org_demo2"}]')
    organization.remove_what_a_demo_left(settings)
    assert asked(tmp_path) == ["org list --json"]
    assert left(settings) == []


def test_a_removal_that_fails_is_told_and_tried_again_at_the_next_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = stack(tmp_path, status=1)
    organization.remove_what_a_demo_left(settings)
    assert "could not be removed" in capsys.readouterr().err
    assert left(settings) == ["demo.json", "demo.key"]
