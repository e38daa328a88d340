"""What a stack is told by its environment: refused before anything starts, and compared with what runs."""

import os
from pathlib import Path

import pytest

from local_stack import checks, environment, processes
from local_stack.problems import StackError
from local_stack.processes import Program
from local_stack.settings import Settings

VARIABLES = [variable for variables in environment.DECIDED_BY.values() for variable in variables]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("MONGO_DRIVER", "foo", "MONGO_DRIVER must be motor or pymongo, not 'foo'"),
        ("SYNC_INTERVAL", "abc", "SYNC_INTERVAL must be a number of seconds above 0, such as 300, not 'abc'"),
        ("SYNC_INTERVAL", "0", "SYNC_INTERVAL must be a number of seconds above 0, such as 300, not '0'"),
        ("ALLOWED_ORIGINS", "*", "ALLOWED_ORIGINS must be origins such as https://app.example.com"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL is wrong: debug, info"),
    ],
)
def test_a_variable_that_a_service_would_refuse_is_named_with_what_is_allowed(
    variable: str, value: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(StackError) as refused:
        checks.environment_suits(Settings(home=tmp_path / "home"))
    assert str(refused.value).startswith(words)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "home").exists()


def test_keys_that_are_none_are_refused_without_being_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.KEYS, "k1:secret")
    with pytest.raises(StackError, match="REENGAGE_ENCRYPTION_KEYS is wrong") as refused:
        checks.environment_suits(Settings(home=tmp_path))
    assert "secret" not in str(refused.value)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGO_DRIVER", "foo")
    monkeypatch.setenv("SYNC_INTERVAL", "abc")
    with pytest.raises(StackError, match=r"MONGO_DRIVER .*; SYNC_INTERVAL "):
        checks.environment_suits(Settings(home=tmp_path))


def test_an_environment_that_says_nothing_suits(tmp_path: Path) -> None:
    checks.environment_suits(Settings(home=tmp_path))


def asked_otherwise(home: Path) -> list[str]:
    asks = Settings.from_environment()
    here = Settings(home, asks.gateway_port, asks.kafka_port, given_mongodb=asks.given_mongodb)
    return environment.asked_otherwise(here, environment.published(here))


def test_what_was_published_is_read_again_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://a.example, https://b.example")
    settings = Settings(home=tmp_path, gateway_port=9850)
    environment.publish(settings)
    assert environment.published(settings) == environment.of_stack(settings)


def test_what_is_not_set_asks_for_nothing(tmp_path: Path) -> None:
    environment.publish(Settings(tmp_path, gateway_port=9850, kafka_port=29092, given_mongodb="mongodb://db/"))
    assert asked_otherwise(tmp_path) == []


def test_what_is_set_as_it_runs_differs_in_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REENGAGE_GATEWAY_PORT", "9850")
    monkeypatch.setenv("SYNC_INTERVAL", "60")
    environment.publish(Settings(tmp_path, gateway_port=9850))
    assert asked_otherwise(tmp_path) == []


def test_what_is_set_otherwise_is_told_with_both_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.publish(Settings(tmp_path))
    monkeypatch.setenv("REENGAGE_GATEWAY_PORT", "9850")
    monkeypatch.setenv("REENGAGE_KAFKA_PORT", "29092")
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://a.example")
    assert asked_otherwise(tmp_path) == [
        "REENGAGE_KAFKA_PORT asks for 127.0.0.1:29092, not 127.0.0.1:19092",
        "ALLOWED_ORIGINS asks for https://a.example, not none",
        "REENGAGE_GATEWAY_PORT asks for 9850, not 8800",
    ]


def test_a_password_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.publish(Settings(tmp_path))
    monkeypatch.setenv("MONGODB_URI", "mongodb://me:secret@db/")
    assert asked_otherwise(tmp_path) == ["another MONGODB_URI"]


def test_other_keys_are_told_and_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.KEYS, "k1:secret")
    environment.publish(Settings(tmp_path))
    monkeypatch.setenv(environment.KEYS, "k2:another,k1:secret")
    assert asked_otherwise(tmp_path) == ["another REENGAGE_ENCRYPTION_KEYS"]


def test_a_file_of_keys_that_was_changed_since_the_start_is_told(tmp_path: Path) -> None:
    environment.publish(Settings(tmp_path))
    file, started = tmp_path / environment.KEYS_FILE, tmp_path / environment.STACK_FILE
    assert asked_otherwise(tmp_path) == []
    written_again(file, file.read_text(), after=started)
    assert asked_otherwise(tmp_path) == []
    written_again(file, f"k2:another\n{file.read_text()}", after=started)
    assert asked_otherwise(tmp_path) == ["another encryption.keys"]


def test_keys_by_variable_need_no_file_and_an_older_one_asks_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(environment.KEYS, "k1:secret")
    environment.publish(Settings(tmp_path))
    monkeypatch.delenv(environment.KEYS)
    file, started = tmp_path / environment.KEYS_FILE, tmp_path / environment.STACK_FILE
    assert asked_otherwise(tmp_path) == []
    assert not file.exists()
    file.write_text("k0:of an earlier start\n")
    written_again(started, started.read_text(), after=file)
    assert asked_otherwise(tmp_path) == []


def written_again(file: Path, text: str, *, after: Path) -> None:
    """Writes the file, later than another was written."""
    file.write_text(text)
    later = after.stat().st_mtime_ns + 1_000_000
    os.utime(file, ns=(later, later))


def test_the_last_words_of_a_process_are_its_own(tmp_path: Path) -> None:
    def said(words: str) -> str:
        process = processes.start(Program("one", ["echo", words]), logs=tmp_path, run=tmp_path / "run")
        assert process.child is not None
        process.child.wait(10)
        return process.last_words()

    assert said("an earlier start") == "an earlier start"
    assert said("this start") == "this start"
