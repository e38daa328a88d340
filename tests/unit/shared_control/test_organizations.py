"""The settings of an organization, and looking organizations up."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from shared.organizations import (
    ORGANIZATION_ID,
    Organization,
    OrganizationDirectory,
    OrganizationSettings,
    checked_base_url,
    on_loopback,
)

CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def settings(**changes: Any) -> OrganizationSettings:
    return OrganizationSettings.model_validate({"time_zone": "Australia/Sydney", **changes})


def stored(organization_id: str, **changes: Any) -> dict[str, Any]:
    document = {
        "_id": organization_id,
        "name": "A clinic",
        "settings": settings().model_dump(),
        "settings_revision": 1,
        "cliniko": {
            "base_url": "https://api.au1.cliniko.com/v1",
            "key": "k1:c2VhbGVk",
            "key_hash": "0" * 64,
            "contact_email": "it@clinic.test",
        },
        "created_at": CREATED,
        "added_again_at": None,
        "removed_at": None,
    }
    return document | changes


def test_every_setting_has_the_default_of_the_interface() -> None:
    filled = settings().model_dump()
    assert isinstance(filled.pop("benchmark_source"), str)
    assert filled == {
        "time_zone": "Australia/Sydney",
        "active_window_days": 365,
        "require_arrival_mark": False,
        "industry_avg_contact_rate": 55.0,
        "industry_avg_conversion": 68.0,
        "followup_days": {"*": 28},
        "retry_after_days": 7,
        "sync_interval": None,
        "cliniko_requests_per_minute": 200,
    }


def test_text_as_an_operator_types_it_is_read() -> None:
    typed = settings(
        active_window_days="200",
        require_arrival_mark="true",
        industry_avg_contact_rate="41.5",
        followup_days='{"Initial": 10}',
        sync_interval="60",
    )
    assert typed.active_window_days == 200
    assert typed.require_arrival_mark is True
    assert typed.industry_avg_contact_rate == 41.5
    assert typed.followup_days == {"Initial": 10, "*": 28}
    assert typed.sync_interval == 60


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time_zone", "Sydney"),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", "Australia"),
        ("time_zone", "posix/UTC"),
        ("time_zone", ""),
        ("active_window_days", 0),
        ("active_window_days", -1),
        ("active_window_days", 1_000_000),
        ("active_window_days", "many"),
        ("require_arrival_mark", "perhaps"),
        ("industry_avg_contact_rate", 100.1),
        ("industry_avg_contact_rate", "nan"),
        ("industry_avg_conversion", -0.1),
        ("followup_days", "28"),
        ("followup_days", "{"),
        ("followup_days", '{"*": 0}'),
        ("followup_days", '{"*": 1.5}'),
        ("followup_days", '{"*": true}'),
        ("followup_days", '{"*": "28"}'),
        ("retry_after_days", 0),
        ("sync_interval", 0),
        ("cliniko_requests_per_minute", 0),
        ("benchmark_source", "x" * 501),
    ],
)
def test_a_wrong_value_is_refused_without_being_repeated(name: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**{name: value})
    assert [error["loc"][0] for error in refused.value.errors()] == [name]
    assert "input_value" not in str(refused.value)


def test_only_two_settings_are_not_part_of_what_the_numbers_mean() -> None:
    assert OrganizationSettings.model_fields.keys() - settings().read_by_rules().keys() == {
        "sync_interval",
        "cliniko_requests_per_minute",
    }


def test_a_document_of_an_older_version_gets_the_defaults_of_new_settings() -> None:
    old = Organization.of(stored("org_a", settings={"time_zone": "UTC", "no_longer_known": 1}))
    assert old.settings.retry_after_days == 7


def test_a_document_survives_reading_and_writing() -> None:
    document = stored("org_a")
    assert Organization.of(document).document() == document


def test_instants_without_a_zone_are_utc() -> None:
    assert Organization.of(stored("org_a", created_at=CREATED.replace(tzinfo=None))).created_at == CREATED


@pytest.mark.parametrize("text", ["org_x", "A-1.b", "x" * 64, "..."])
def test_these_are_ids_of_organizations(text: str) -> None:
    assert ORGANIZATION_ID.fullmatch(text)


@pytest.mark.parametrize("text", ["", "x" * 65, "a:b", "a/b", "a b", "ä", ".", "..", "a\n"])
def test_these_are_not_ids_of_organizations(text: str) -> None:
    assert not ORGANIZATION_ID.fullmatch(text)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8400/v1", "http://localhost/v1", "http://[::1]:1/v1", "https://127.9.9.9"]
)
def test_these_are_on_loopback(url: str) -> None:
    assert on_loopback(url)
    assert checked_base_url(url + "/") == url


@pytest.mark.parametrize(
    "url",
    [
        "http://api.au1.cliniko.com/v1",
        "http://127.0.0.1.example.test/v1",
        "http://localhost.example.test/v1",
        "ftp://127.0.0.1/v1",
        "https://user:secret@api.au1.cliniko.com/v1",
        "https://api.au1.cliniko.com/v1?x=1",
        "https://api.au1.cliniko.com/v1#x",
        "https:///v1",
        "api.au1.cliniko.com",
        "",
    ],
)
def test_these_are_no_base_urls(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        checked_base_url(url)


@pytest.mark.parametrize(("url", "most"), [("https://api.au1.cliniko.com/v1", 200), ("http://127.0.0.1/v1", 6000)])
def test_clinikos_own_limit_holds_whatever_is_stored(url: str, most: int) -> None:
    document = stored("org_a", settings=settings(cliniko_requests_per_minute=6000).model_dump())
    document["cliniko"] = document["cliniko"] | {"base_url": url}
    assert Organization.of(document).requests_per_minute == most


class Held:
    """Organizations in memory; counts the look-ups."""

    def __init__(self, *documents: dict[str, Any]) -> None:
        self.documents = {document["_id"]: document for document in documents}
        self.asked = 0

    async def find(self, query: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        self.asked += 1
        ids = query["_id"]["$in"] if "_id" in query else self.documents.keys()
        for document in self.documents.values():
            if document["_id"] in ids and (document["removed_at"] is None) == (query["removed_at"] is None):
                yield document


async def test_an_organization_is_remembered_for_a_second() -> None:
    held, now = Held(stored("org_a")), [0.0]
    directory = OrganizationDirectory(held, monotonic=lambda: now[0])
    assert (await directory.find("org_a")) == (await directory.find("org_a"))
    assert held.asked == 1
    now[0] = 0.999
    await directory.find("org_a")
    assert held.asked == 1
    held.documents["org_a"]["removed_at"] = CREATED
    now[0] = 1.0
    assert await directory.find("org_a") is None
    assert held.asked == 2


async def test_an_unknown_organization_is_asked_for_each_time() -> None:
    held = Held()
    directory = OrganizationDirectory(held, monotonic=lambda: 0.0)
    assert await directory.find("org_a") is None
    held.documents["org_a"] = stored("org_a")
    assert await directory.find("org_a") is not None


async def test_several_are_asked_for_at_once_and_only_what_can_be_an_id() -> None:
    held, now = Held(stored("org_a"), stored("org_b"), stored("org_c", removed_at=CREATED)), [0.0]
    directory = OrganizationDirectory(held, monotonic=lambda: now[0])
    await directory.find("org_a")
    found = await directory.find_all({"org_a", "org_b", "org_c", "org_d", "no id", "x" * 65, ""})
    assert {name: organization.id for name, organization in found.items()} == {"org_a": "org_a", "org_b": "org_b"}
    assert held.asked == 2
    assert await directory.find_all({"", "no id", "org_a", "org_b"}) == found
    assert held.asked == 2


async def test_active_and_removed_organizations_are_told_apart() -> None:
    held = Held(stored("org_a"), stored("org_b", removed_at=CREATED))
    directory = OrganizationDirectory(held)
    assert [organization.id for organization in await directory.active()] == ["org_a"]
    assert [organization.id for organization in await directory.removed()] == ["org_b"]
