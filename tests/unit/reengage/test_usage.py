"""What the program says before it connects to anything."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reengage import cliniko
from reengage.app import app
from reengage.failures import CommandError, WrongUsageError, run
from reengage.letters import parse_id, topic_names
from reengage.organizations import MUST_BE, checked_settings, parse_settings
from reengage.surroundings import Surroundings
from shared.identity import KeySealer
from shared.organizations import OrganizationSettings

NOWHERE = Surroundings({}, None, (Path("/nowhere/stack.env"),))


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No stack is to be found."""
    monkeypatch.setenv("REENGAGE_HOME", str(tmp_path))
    for name in ("MONGODB_URI", "KAFKA_BOOTSTRAP_SERVERS", "REENGAGE_ENCRYPTION_KEYS", "REENGAGE_DEBUG"):
        monkeypatch.delenv(name, raising=False)


def reengage(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("org", "add", "org_a"),
        ("org", "add", "org_a", "--name", "N"),
        ("org", "add", "a:b", "--name", "N", "--time-zone", "UTC", "--cliniko-api-key", "k"),
        ("org", "set", "org_a"),
        ("org", "set", "org_a", "colour=blue"),
        ("org", "set", "org_a", "retry_after_days"),
        ("token", "create", "--org", "org_a", "--role", "owner"),
        ("token", "create", "--org", "org_a", "--role", "viewer", "--expires", "0"),
        ("dlq", "show", "nonsense"),
        ("dlq", "replay"),
        ("status", "--timeout", "soon"),
        ("key", "create", "two words"),
    ],
)
def test_wrong_usage_is_exit_status_2_and_said_on_standard_error(arguments: tuple[str, ...]) -> None:
    ran = reengage(*arguments)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("org", "list"),
        ("org", "show", "org_a"),
        ("org", "set", "org_a", "retry_after_days=3"),
        ("org", "remove", "org_a", "--yes"),
        ("token", "list"),
        ("token", "create", "--org", "org_a", "--role", "viewer"),
        ("sync", "org_a"),
        ("status", "--json"),
        ("dlq", "list"),
        ("key", "rotate"),
    ],
)
def test_without_a_stack_every_command_says_so_in_one_line(arguments: tuple[str, ...]) -> None:
    ran = reengage(*arguments)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr.startswith("reengage: no stack found: run `make up`")
    assert ran.stderr.count("\n") == 1


def test_the_doctor_says_so_as_a_finding() -> None:
    ran = reengage("doctor", "--json")
    assert ran.exit_code == 1
    assert any("no stack found" in check["found"] for check in json.loads(ran.stdout)["checks"])


def test_a_new_sealing_key_stands_alone_on_standard_output() -> None:
    ran = reengage("key", "create", "k7")
    assert ran.exit_code == 0
    assert KeySealer.from_text(ran.stdout.strip()).active_id == "k7"
    assert ran.stdout != reengage("key", "create", "k7").stdout


def test_a_fault_of_the_program_is_one_line_without_values() -> None:
    async def fail() -> None:
        raise KeyError("a patient's name")

    def command() -> None:
        run(fail())

    import typer

    one = typer.Typer()
    one.command()(command)
    ran = CliRunner().invoke(one, [])
    assert ran.exit_code == 1
    assert "an error of this program: KeyError at" in ran.stderr
    assert "patient" not in ran.stderr.replace(__file__, "")


def test_the_program_starts_in_under_a_second() -> None:
    """Of processor time: what else the machine does is not the program's."""
    code = "import time, reengage.app; print(time.process_time())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.0


def test_nothing_heavy_is_imported_before_a_command_runs() -> None:
    heavy = ("aiokafka", "motor", "pymongo", "httpx", "pydantic", "cryptography")
    code = f"import sys, reengage.app; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_settings_are_read_as_typed_and_an_empty_one_is_the_default() -> None:
    assert parse_settings(["retry_after_days=3", "benchmark_source=a=b", "sync_interval=", "followup_days="]) == {
        "retry_after_days": "3",
        "benchmark_source": "a=b",
        "sync_interval": None,
        "followup_days": {"*": 28},
    }


@pytest.mark.parametrize("arguments", [["x"], ["x=1"], ["=1"], ["time_zone="], ["sync_interval=1", "sync_interval=2"]])
def test_these_are_no_settings(arguments: list[str]) -> None:
    with pytest.raises(WrongUsageError):
        parse_settings(arguments)


def test_each_wrong_setting_is_named_with_what_is_right() -> None:
    with pytest.raises(WrongUsageError) as wrong:
        checked_settings({"time_zone": "Sydney", "retry_after_days": "soon"}, "https://api.au1.cliniko.com/v1")
    assert str(wrong.value) == (
        "time_zone must be an IANA time zone, such as Australia/Sydney;"
        " retry_after_days must be a whole number of days from 1 to 36500, such as 7"
    )


@pytest.mark.parametrize("value", ["28", "[1]", "{", '{"*": "soon", "Initial": 0}', '{"*": 2.5}'])
def test_days_by_type_that_are_none_are_answered_with_an_example(value: str) -> None:
    settings = {"time_zone": "Australia/Sydney", "followup_days": value}
    with pytest.raises(WrongUsageError) as wrong:
        checked_settings(settings, "https://api.au1.cliniko.com/v1")
    assert str(wrong.value).startswith("followup_days must be a JSON object that gives a whole number of days")
    assert str(wrong.value).count("followup_days") == 1
    example = str(wrong.value).split("'")[1]
    assert checked_settings(settings | {"followup_days": example}, "https://api.au1.cliniko.com/v1")


def test_each_setting_has_words_for_what_it_may_be() -> None:
    assert MUST_BE.keys() == OrganizationSettings.model_fields.keys()


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("abc-uk1", "https://api.uk1.cliniko.com/v1"),
        ("a-b-c-ca1", "https://api.ca1.cliniko.com/v1"),
        ("abc", "https://api.au1.cliniko.com/v1"),
        ("abc-evil.example/", "https://api.au1.cliniko.com/v1"),
    ],
)
def test_the_address_follows_from_the_key(key: str, url: str) -> None:
    given = cliniko.access(key, None, "it@clinic.test", NOWHERE)
    assert given.base_url == url
    assert cliniko.OFFICIAL_URL.fullmatch(url)


def test_cliniko_itself_is_told_whom_to_write_to() -> None:
    with pytest.raises(WrongUsageError, match="--contact-email, or set REENGAGE_CONTACT_EMAIL"):
        cliniko.access("abc-au1", None, None, NOWHERE)
    of_variable = Surroundings({"REENGAGE_CONTACT_EMAIL": "it@clinic.test"}, None, ())
    assert cliniko.access("abc-au1", None, None, of_variable).contact_email == "it@clinic.test"
    assert cliniko.access("abc-au1", "http://127.0.0.1:1/v1", None, NOWHERE).contact_email


@pytest.mark.parametrize("email", ["", "x", "x@y", "a b@c.de", "a@b.de\nX: y", "ä@b.de"])
def test_these_are_no_addresses(email: str) -> None:
    with pytest.raises(WrongUsageError):
        cliniko.checked_email(email)


@pytest.mark.parametrize("key", ["a:b", "a b", "ä", "a\n", "x" * 501])
def test_these_are_no_keys_and_are_not_repeated(key: str) -> None:
    with pytest.raises(WrongUsageError) as wrong:
        cliniko.access(key, None, "it@clinic.test", NOWHERE)
    assert key not in str(wrong.value)


def test_a_key_is_not_in_what_python_shows_of_it() -> None:
    assert "secret" not in repr(cliniko.access("secret-au1", None, "it@clinic.test", NOWHERE))


def test_a_dead_letter_is_named_by_its_place() -> None:
    assert parse_id("outreach-events-dlq:3:17") == ("outreach-events-dlq", 3)
    for text in ("", "outreach-events:3:17", "outreach-events-dlq:3", "outreach-events-dlq:x:1", "x-dlq:1:1"):
        with pytest.raises(WrongUsageError):
            parse_id(text)


def test_a_topic_of_dead_letters_goes_by_two_names() -> None:
    assert topic_names("outreach-events") == topic_names("outreach-events-dlq") == ("outreach-events-dlq",)
    assert len(topic_names(None)) == 5


def test_failures_have_the_exit_status_of_the_interface() -> None:
    assert (CommandError.status, WrongUsageError.status) == (1, 2)
