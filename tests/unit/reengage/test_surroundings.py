"""Where the program finds its stack."""

from pathlib import Path

import pytest

from reengage.failures import CommandError
from reengage.surroundings import look_around


def stack(folder: Path, text: str) -> None:
    folder.mkdir(parents=True)
    (folder / "stack.env").write_text(text)


def test_an_exported_variable_comes_before_the_stacks_file(tmp_path: Path) -> None:
    stack(tmp_path / ".reengage", "MONGODB_URI=of-the-stack\nKAFKA_BOOTSTRAP_SERVERS=k\n")
    found = look_around({"MONGODB_URI": "exported"}, here=tmp_path, checkout=tmp_path / "nowhere")
    assert (found.mongodb_uri, found.kafka_bootstrap_servers) == ("exported", "k")


def test_an_empty_variable_counts_as_none(tmp_path: Path) -> None:
    stack(tmp_path / ".reengage", "MONGODB_URI=of-the-stack\n")
    assert look_around({"MONGODB_URI": ""}, here=tmp_path).mongodb_uri == "of-the-stack"


def test_values_are_quoted_as_a_shell_would(tmp_path: Path) -> None:
    stack(tmp_path / ".reengage", "# made by make up\n\nMONGODB_URI='mongodb://h/?a=1&b=2'\nexport SYNC_INTERVAL=15\n")
    found = look_around({}, here=tmp_path)
    assert (found.mongodb_uri, found.get("SYNC_INTERVAL")) == ("mongodb://h/?a=1&b=2", "15")


def test_the_current_directory_comes_before_the_checkout(tmp_path: Path) -> None:
    here, checkout = tmp_path / "here", tmp_path / "checkout"
    stack(checkout / ".reengage", "MONGODB_URI=checkout\n")
    assert look_around({}, here=here, checkout=checkout).mongodb_uri == "checkout"
    stack(here / ".reengage", "MONGODB_URI=here\n")
    assert look_around({}, here=here, checkout=checkout).mongodb_uri == "here"


def test_a_home_can_be_named(tmp_path: Path) -> None:
    stack(tmp_path / "elsewhere", "MONGODB_URI=elsewhere\n")
    absolute = {"REENGAGE_HOME": str(tmp_path / "elsewhere")}
    assert look_around(absolute, here=tmp_path / "x", checkout=tmp_path / "y").mongodb_uri == "elsewhere"
    assert look_around({"REENGAGE_HOME": "elsewhere"}, here=tmp_path).mongodb_uri == "elsewhere"


def test_without_a_stack_it_says_where_it_looked(tmp_path: Path) -> None:
    found = look_around({}, here=tmp_path, checkout=tmp_path / "checkout")
    with pytest.raises(CommandError, match="make up") as failure:
        _ = found.mongodb_uri
    assert str(tmp_path / ".reengage" / "stack.env") in str(failure.value)


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({}, "http://127.0.0.1:8800"),
        ({"REENGAGE_GATEWAY_PORT": "9000"}, "http://127.0.0.1:9000"),
        ({"API_GATEWAY_HOST": "0.0.0.0", "REENGAGE_GATEWAY_PORT": "9000"}, "http://127.0.0.1:9000"),
        ({"API_GATEWAY_HOST": "10.0.0.7"}, "http://10.0.0.7:8800"),
    ],
)
def test_the_gateway_is_where_it_was_told_to_listen(tmp_path: Path, values: dict[str, str], url: str) -> None:
    assert look_around(values, here=tmp_path).gateway_url == url
