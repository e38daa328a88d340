"""Tokens, and API keys that are sealed."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.identity import (
    Caller,
    KeySealer,
    SealError,
    TokenDirectory,
    caller_of,
    hash_api_key,
    id_of_token,
    new_sealing_key,
    new_token,
    shard_of,
)

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
K1, K2 = (f"{name}:{base64.b64encode(16 * name.encode()).decode()}" for name in ("k1", "k2"))


def test_a_token_is_stored_without_itself() -> None:
    text, document = new_token("org_a", "viewer", now=NOW)
    assert text.startswith(f"rg_{document['_id']}_")
    assert not any(text.split("_", 2)[2] in str(value) for value in document.values())


def test_a_token_speaks_for_its_organization_and_role() -> None:
    text, document = new_token("org_a", "staff", now=NOW)
    assert id_of_token(text) == document["_id"]
    assert caller_of(text, document, now=NOW) == Caller(document["_id"], "org_a", "staff")


def test_a_token_with_another_secret_speaks_for_nobody() -> None:
    _, document = new_token("org_a", "staff", now=NOW)
    forged = f"rg_{document['_id']}_" + "A" * 43
    assert caller_of(forged, document, now=NOW) is None


def test_a_revoked_token_speaks_for_nobody() -> None:
    text, document = new_token("org_a", "staff", now=NOW)
    assert caller_of(text, document | {"revoked_at": NOW}, now=NOW) is None


@pytest.mark.parametrize("zone", [UTC, None])
def test_a_token_expires_at_its_instant(zone: Any) -> None:
    text, document = new_token("org_a", "staff", now=NOW, expires_at=NOW.replace(tzinfo=zone))
    assert caller_of(text, document, now=NOW - timedelta(microseconds=1)) is not None
    assert caller_of(text, document, now=NOW) is None


@pytest.mark.parametrize("text", ["", "rg_", "rg_0123456789abcdef_short", "Bearer x", "rg_x_" + "a" * 43, "ä"])
def test_other_text_is_no_token(text: str) -> None:
    assert id_of_token(text) is None


class Tokens:
    """Tokens in memory; counts the look-ups."""

    def __init__(self, *documents: dict[str, Any]) -> None:
        self.documents = {document["_id"]: document for document in documents}
        self.asked = 0

    async def find_one(self, query: Mapping[str, Any]) -> Mapping[str, Any] | None:
        self.asked += 1
        found = self.documents.get(query["_id"])
        return dict(found) if found else None


async def test_a_token_is_remembered_for_a_second_and_then_seen_revoked() -> None:
    text, document = new_token("org_a", "staff", now=NOW)
    tokens, elapsed = Tokens(document), [0.0]
    directory = TokenDirectory(tokens, now=lambda: NOW, monotonic=lambda: elapsed[0])
    assert await directory.caller(text)
    document["revoked_at"] = NOW
    assert await directory.caller(text)
    assert tokens.asked == 1
    elapsed[0] = 1.0
    assert await directory.caller(text) is None


async def test_a_remembered_token_still_expires_and_still_needs_its_secret() -> None:
    text, document = new_token("org_a", "staff", now=NOW, expires_at=NOW)
    now = [NOW - timedelta(seconds=1)]
    directory = TokenDirectory(Tokens(document), now=lambda: now[0], monotonic=lambda: 0.0)
    assert await directory.caller(text)
    assert await directory.caller(text[:-1] + ("A" if text[-1] != "A" else "B")) is None
    now[0] = NOW
    assert await directory.caller(text) is None


async def test_what_is_no_token_is_never_looked_up() -> None:
    tokens = Tokens()
    directory = TokenDirectory(tokens, now=lambda: NOW)
    assert await directory.caller("rg_nonsense") is None
    assert tokens.asked == 0
    assert await directory.caller(new_token("org_a", "staff", now=NOW)[0]) is None
    assert tokens.asked == 1


@pytest.mark.parametrize(
    ("key", "shard"),
    [
        ("MS0xLWFiYw-au2", "au2"),
        ("with-hyphens-in-it-uk10", "uk10"),
        ("MS0xLWFiYw", None),
        ("MS0xLWFiYw-AU2", None),
        ("MS0xLWFiYw-evil.test/", None),
        ("-au2", None),
        ("au2", None),
        ("key-au2\n", None),
    ],
)
def test_the_shard_is_what_follows_the_last_hyphen(key: str, shard: str | None) -> None:
    assert shard_of(key) == shard


def test_one_key_has_one_budget_with_its_default_shard_or_without() -> None:
    assert hash_api_key("abc") == hash_api_key("abc-au1") != hash_api_key("abc-au2")


@given(st.text(), st.text(min_size=1))
def test_what_was_sealed_opens_again(api_key: str, organization_id: str) -> None:
    sealer = KeySealer.from_text(K1)
    sealed = sealer.seal(api_key, organization_id=organization_id)
    assert sealer.open(sealed, organization_id=organization_id) == api_key


def test_the_same_key_seals_differently_each_time() -> None:
    sealer = KeySealer.from_text(K1)
    assert sealer.seal("x", organization_id="org_a") != sealer.seal("x", organization_id="org_a")


def test_a_sealed_key_opens_for_its_organization_only() -> None:
    sealer = KeySealer.from_text(K1)
    sealed = sealer.seal("secret", organization_id="org_a")
    with pytest.raises(SealError, match="org set-key org_b"):
        sealer.open(sealed, organization_id="org_b")


def test_after_a_rotation_old_and_new_open_until_the_old_key_is_taken_out() -> None:
    sealed = KeySealer.from_text(K1).seal("secret", organization_id="org_a")
    both = KeySealer.from_text(f"{K2},{K1}")
    assert not both.is_active(sealed)
    resealed = both.seal(both.open(sealed, organization_id="org_a"), organization_id="org_a")
    assert both.is_active(resealed)
    alone = KeySealer.from_text(K2)
    assert alone.open(resealed, organization_id="org_a") == "secret"
    with pytest.raises(SealError, match="'k1' of org_a is not in REENGAGE_ENCRYPTION_KEYS"):
        alone.open(sealed, organization_id="org_a")


def test_another_key_of_the_same_id_is_told_apart_from_a_lost_one() -> None:
    sealed = KeySealer.from_text(K1).seal("secret", organization_id="org_a")
    with pytest.raises(SealError, match="another key than 'k1'"):
        KeySealer.from_text(new_sealing_key("k1")).open(sealed, organization_id="org_a")


@pytest.mark.parametrize("sealed", ["k1:", "k1:AAAA", "k1:not base64", "k1"])
def test_a_damaged_seal_is_an_error_of_its_own(sealed: str) -> None:
    with pytest.raises(SealError):
        KeySealer.from_text(K1).open(sealed, organization_id="org_a")


@pytest.mark.parametrize(
    "text",
    ["", ",", "k1", "k1:", "k1:AAAA", f"{K1},k2:AAAA", f"{K1},{K1}", ":" + K1.split(":")[1], "k 1:" + "A" * 44],
)
def test_wrong_sealing_keys_are_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(SealError) as refused:
        KeySealer.from_text(text)
    assert K1.split(":")[1] not in str(refused.value)


def test_sealing_keys_are_256_bits_of_chance() -> None:
    key_id, encoded = new_sealing_key("k9").split(":")
    assert (key_id, len(base64.b64decode(encoded))) == ("k9", 32)
    assert new_sealing_key("k9") != new_sealing_key("k9")
