"""Organizations from adding to removing, with their keys and tokens, on a real MongoDB."""

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest

from reengage import removal
from shared.identity import KeySealer, caller_of, hash_token, new_sealing_key
from shared.organizations import Organization

K1, K2 = new_sealing_key("k1"), new_sealing_key("k2")


def stored(stack: Any, organization_id: str) -> dict[str, Any]:
    found = stack["reengage"]["organizations"].find_one({"_id": organization_id})
    assert found is not None
    return found


def test_an_added_organization_is_stored_with_all_settings_and_a_sealed_key(
    added: Callable[..., Any], stack: Any, cliniko: Any
) -> None:
    ran = added("org_a", "--contact-email", "it@clinic.test", "--json")
    assert ran.status == 0
    assert ran.json["organization_id"] == "org_a"
    assert ran.json["settings"]["followup_days"] == {"*": 28}
    document = stored(stack, "org_a")
    organization = Organization.of(document)
    assert document["settings"] == organization.settings.model_dump()
    assert (organization.settings_revision, organization.removed_at) == (1, None)
    assert cliniko.key not in str(document)
    assert cliniko.key not in ran.out + ran.err


def test_the_key_is_checked_as_cliniko_wants_to_be_asked(added: Callable[..., Any], stack: Any, cliniko: Any) -> None:
    added("org_a", "--contact-email", "it@clinic.test")
    (asked,) = cliniko.asked
    assert (asked["method"], asked["path"]) == ("GET", "/v1/user")
    assert asked["user-agent"] == "reengage (it@clinic.test)"
    assert asked["accept"] == "application/json"
    assert base64.b64decode(asked["authorization"].removeprefix("Basic ")).decode() == f"{cliniko.key}:"
    (budget,) = stack["reengage"]["request_budgets"].find()
    assert budget["_id"] == stored(stack, "org_a")["cliniko"]["key_hash"]
    assert len(budget["spent"]) == 1


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "refuses the API key"),
        (403, "may not use the API"),
        (404, "check --cliniko-base-url"),
        (429, "try again in"),
        (503, "try again later"),
    ],
)
def test_a_key_that_is_not_taken_is_not_stored(
    added: Callable[..., Any], stack: Any, cliniko: Any, status: int, told: str
) -> None:
    cliniko.status = status
    ran = added("org_a")
    assert ran.status == 1
    assert told in ran.err
    assert ran.err.count("\n") == 1
    assert stack["reengage"]["organizations"].count_documents({}) == 0
    assert cliniko.key not in ran.out + ran.err


@pytest.mark.parametrize("reset", ["nan", "inf", "-5", "soon"])
def test_an_odd_end_of_the_wait_that_cliniko_tells_is_a_minute(
    added: Callable[..., Any], cliniko: Any, reset: str
) -> None:
    cliniko.status, cliniko.headers = 429, {"x-ratelimit-reset": reset}
    assert "try again in 60 s" in added("org_a").err


def test_what_is_no_cliniko_is_told_so(added: Callable[..., Any], cliniko: Any) -> None:
    cliniko.body = b"<html>Hello</html>"
    assert "does not answer as Cliniko does" in added("org_a").err


def test_nobody_at_the_address_is_told_so(reengage: Any, cliniko: Any) -> None:
    url = "http://127.0.0.1:1/v1"
    ran = reengage(
        "org", "add", "o", "--name", "N", "--time-zone", "UTC", "--cliniko-api-key", "k", "--cliniko-base-url", url
    )
    assert (ran.status, cliniko.asked) == (1, [])
    assert f"{url} does not answer" in ran.err


def test_an_organization_is_added_once(added: Callable[..., Any], org_a: str, cliniko: Any) -> None:
    cliniko.asked.clear()
    ran = added(org_a)
    assert ran.status == 1
    assert "org_a exists already" in ran.err
    assert cliniko.asked == []


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--time-zone", "Sydney", "IANA"),
        ("--name", " ", "--name"),
        ("--cliniko-base-url", "http://api.au1.cliniko.com/v1", "https"),
        ("--cliniko-api-key", "", "API key"),
        ("--cliniko-api-key", "a key", "API key"),
        ("--contact-email", "nobody", "--contact-email"),
    ],
)
def test_a_wrong_option_is_wrong_usage(
    added: Callable[..., Any], stack: Any, cliniko: Any, option: str, value: str, told: str
) -> None:
    ran = added("org_a", option, value)
    assert ran.status == 2
    assert told in ran.err
    assert cliniko.asked == []


def test_an_api_key_can_be_given_on_standard_input(reengage: Any, cliniko: Any, stack: Any) -> None:
    options = ("--name", "N", "--time-zone", "UTC", "--cliniko-api-key", "-", "--cliniko-base-url", cliniko.url)
    ran = reengage("org", "add", "org_a", *options, typed=f"{cliniko.key}\n")
    assert ran.status == 0
    assert len(cliniko.asked) == 1


def test_a_key_whose_requests_are_used_up_is_waited_for(
    added: Callable[..., Any], org_a: str, stack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets = stack["reengage"]["request_budgets"]
    (budget,) = budgets.find()
    used_up = budget["spent"] * 200
    budgets.update_one({}, {"$set": {"spent": used_up}})

    async def sleep(seconds: float) -> None:
        assert 50 < seconds <= 61
        budgets.update_one({}, {"$set": {"spent": []}})

    monkeypatch.setattr("reengage.cliniko.sleep", sleep)
    ran = added("org_b")
    assert ran.status == 0
    assert "used up for now" in ran.err


def test_list_and_show_never_show_a_key(added: Callable[..., Any], reengage: Any, stack: Any, cliniko: Any) -> None:
    added("org_b")
    added("org_a")
    listed, shown = reengage("org", "list", "--json"), reengage("org", "show", "org_a", "--json")
    assert [each["organization_id"] for each in listed.json] == ["org_a", "org_b"]
    assert shown.json in listed.json
    for ran in (listed, shown, reengage("org", "list"), reengage("org", "show", "org_a")):
        assert ran.status == 0
        assert "org_a" in ran.out
        for secret in (cliniko.key, stored(stack, "org_a")["cliniko"]["key"], KeySealer.from_text(K1).active_id + ":"):
            assert secret not in ran.out + ran.err


def test_unknown_organizations_are_told_so(reengage: Any) -> None:
    for command in (
        ("org", "show", "nobody"),
        ("org", "set", "nobody", "retry_after_days=3"),
        ("org", "remove", "nobody", "--yes"),
        ("token", "create", "--org", "nobody", "--role", "viewer"),
        ("sync", "nobody"),
    ):
        ran = reengage(*command)
        assert (ran.status, ran.out) == (1, "")
        assert "no organization 'nobody'" in ran.err


def test_a_changed_setting_raises_the_revision_once(reengage: Any, org_a: str, stack: Any) -> None:
    ran = reengage("org", "set", org_a, "retry_after_days=3", 'followup_days={"Std. $": 10}', "--json")
    assert ran.status == 0
    assert (ran.json["settings"]["retry_after_days"], ran.json["settings_revision"]) == (3, 2)
    assert stored(stack, org_a)["settings"]["followup_days"] == {"*": 28, "Std. $": 10}
    same = reengage("org", "set", org_a, "retry_after_days=3", "--json")
    assert same.json["settings_revision"] == 2


def test_settings_that_no_rule_reads_leave_the_revision(reengage: Any, org_a: str) -> None:
    ran = reengage("org", "set", org_a, "sync_interval=30", "cliniko_requests_per_minute=6000", "--json")
    assert (ran.json["settings"]["sync_interval"], ran.json["settings_revision"]) == (30, 1)


def test_an_empty_value_puts_the_default_back(reengage: Any, org_a: str) -> None:
    reengage("org", "set", org_a, "sync_interval=30", 'followup_days={"*": 5}')
    ran = reengage("org", "set", org_a, "sync_interval=", "followup_days=", "--json")
    assert (ran.json["settings"]["sync_interval"], ran.json["settings"]["followup_days"]) == (None, {"*": 28})


def test_nothing_is_changed_when_one_value_is_wrong(reengage: Any, org_a: str, stack: Any) -> None:
    before = stored(stack, org_a)
    ran = reengage("org", "set", org_a, "retry_after_days=3", "time_zone=Sydney")
    assert ran.status == 2
    assert "time_zone" in ran.err
    assert stored(stack, org_a) == before


def test_clinikos_limit_holds_for_an_address_that_is_not_on_loopback(reengage: Any, org_a: str, stack: Any) -> None:
    stack["reengage"]["organizations"].update_one({}, {"$set": {"cliniko.base_url": "https://api.au1.cliniko.com/v1"}})
    assert reengage("org", "set", org_a, "cliniko_requests_per_minute=200").status == 0
    ran = reengage("org", "set", org_a, "cliniko_requests_per_minute=201")
    assert ran.status == 2
    assert "at most 200" in ran.err


@pytest.mark.parametrize("name", ["sync_interval", "cliniko_requests_per_minute", "retry_after_days"])
def test_a_number_that_is_too_large_is_refused(reengage: Any, org_a: str, name: str) -> None:
    for number in (10**17, 2**63, 10**30):
        ran = reengage("org", "set", org_a, f"{name}={number}")
        assert ran.status == 2
        assert f"{name} must be a whole number" in ran.err


def test_name_and_contact_can_be_changed(reengage: Any, org_a: str) -> None:
    ran = reengage("org", "set", org_a, "--name", "Another", "--contact-email", "x@clinic.test", "--json")
    assert (ran.json["name"], ran.json["cliniko"]["contact_email"]) == ("Another", "x@clinic.test")
    assert ran.json["settings_revision"] == 1


def test_removing_forgets_the_key_and_ends_the_tokens(reengage: Any, org_a: str, stack: Any) -> None:
    reengage("token", "create", "--org", org_a, "--role", "viewer")
    ran = reengage("org", "remove", org_a, "--yes")
    assert ran.status == 0
    document = stored(stack, org_a)
    assert document["removed_at"] is not None
    assert document["cliniko"]["key"] == ""
    assert [each["state"] for each in reengage("token", "list", "--json").json] == ["revoked"]
    assert reengage("org", "list", "--json").json == []
    assert [each["organization_id"] for each in reengage("org", "list", "--all", "--json").json] == [org_a]
    assert "was removed" in reengage("org", "set", org_a, "retry_after_days=3").err


def test_removing_twice_changes_nothing(reengage: Any, org_a: str, stack: Any) -> None:
    reengage("org", "remove", org_a, "--yes")
    before = stored(stack, org_a)
    assert reengage("org", "remove", org_a, "--yes").status == 0
    assert stored(stack, org_a) == before


def test_without_a_person_removing_needs_yes(reengage: Any, org_a: str, stack: Any) -> None:
    ran = reengage("org", "remove", org_a)
    assert ran.status == 2
    assert "--yes" in ran.err
    assert stored(stack, org_a)["removed_at"] is None


def test_a_removed_organization_is_added_again_with_a_higher_revision(
    added: Callable[..., Any], reengage: Any, org_a: str, stack: Any
) -> None:
    reengage("org", "remove", org_a, "--yes")
    assert added(org_a).status == 0
    document = stored(stack, org_a)
    assert (document["removed_at"], document["settings_revision"]) == (None, 2)
    assert document["cliniko"]["key"]


def test_an_id_begins_anew_once_its_old_facts_are_deleted(
    added: Callable[..., Any], reengage: Any, org_a: str, stack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reengage("org", "remove", org_a, "--yes")
    stack["ingestor"]["sync_status"].insert_one({"_id": org_a, "state": "ok"})
    stack["risk_engine"]["standings"].insert_one({"_id": org_a})
    stack["outreach_tracker"]["patients"].insert_one({"_id": f"{org_a}:p1", "organization_id": org_a})
    stack.runs("risk-engine")
    ran = added(org_a)
    assert ran.status == 1
    assert "ingestor and outreach-tracker not running" in ran.err

    def delete(text: str) -> None:
        assert "(ingestor, outreach-tracker, risk-engine)" in text
        stack["ingestor"]["sync_status"].delete_many({})
        stack["risk_engine"]["standings"].delete_many({})
        stack["outreach_tracker"]["patients"].delete_many({})

    stack.runs("ingestor", "outreach-tracker")
    monkeypatch.setattr(removal, "say", delete)
    assert added(org_a).status == 0


def test_an_id_does_not_begin_anew_among_old_timelines(
    added: Callable[..., Any], reengage: Any, org_a: str, stack: Any
) -> None:
    reengage("org", "remove", org_a, "--yes")
    stack["risk_engine"]["timelines"].insert_one({"_id": f"{org_a}:p1", "organization_id": org_a})
    ran = added(org_a)
    assert ran.status == 1
    assert "risk-engine not running" in ran.err
    stack["risk_engine"]["timelines"].delete_many({})
    assert added(org_a).status == 0


def test_a_token_is_shown_once_and_stored_hashed(reengage: Any, org_a: str, stack: Any) -> None:
    ran = reengage("token", "create", "--org", org_a, "--role", "staff", "--name", "Desk", "--expires", "30", "--json")
    made = ran.json
    (document,) = stack["reengage"]["tokens"].find()
    assert made["id"] == document["_id"]
    assert document["hash"] == hash_token(made["token"])
    assert made["token"] not in str(document)
    caller = caller_of(made["token"], document, now=document["created_at"])
    assert caller is not None
    assert (caller.organization_id, caller.role) == (org_a, "staff")
    assert (document["expires_at"] - document["created_at"]).days == 30
    listed = reengage("token", "list", "--json")
    assert made["token"] not in listed.out
    assert listed.json == [{key: value for key, value in made.items() if key != "token"}]


def test_without_json_a_new_token_stands_alone_on_standard_output(reengage: Any, org_a: str) -> None:
    ran = reengage("token", "create", "--org", org_a, "--role", "viewer")
    assert re.fullmatch(r"rg_[0-9a-f]{16}_[A-Za-z0-9_-]{43}\n", ran.out)


def test_a_revoked_token_says_so_from_then_on(reengage: Any, org_a: str) -> None:
    made = reengage("token", "create", "--org", org_a, "--role", "viewer", "--json").json
    first = reengage("token", "revoke", made["id"], "--json").json
    assert first["state"] == "revoked"
    assert reengage("token", "revoke", made["id"], "--json").json == first
    assert reengage("token", "list", "--org", org_a, "--json").json == [first]


def test_revoking_wants_the_id_of_a_token(reengage: Any, org_a: str) -> None:
    made = reengage("token", "create", "--org", org_a, "--role", "viewer", "--json").json
    by_text = reengage("token", "revoke", made["token"])
    assert by_text.status == 2
    assert made["token"] not in by_text.err
    assert reengage("token", "revoke", "0" * 16).status == 1


def test_rotating_seals_every_key_anew(added: Callable[..., Any], reengage: Any, stack: Any, cliniko: Any) -> None:
    added("org_a")
    added("org_b")
    reengage("org", "remove", "org_b", "--yes")
    keys = f"{K2},{_current_keys()}"
    rotated = reengage("key", "rotate", "--json", REENGAGE_ENCRYPTION_KEYS=keys)
    assert rotated.json == {"active": "k2", "resealed": ["org_a"], "unchanged": [], "failed": []}
    sealed = stored(stack, "org_a")["cliniko"]["key"]
    assert KeySealer.from_text(K2).open(sealed, organization_id="org_a") == cliniko.key
    again = reengage("key", "rotate", "--json", REENGAGE_ENCRYPTION_KEYS=keys)
    assert again.json["unchanged"] == ["org_a"]


def test_another_sealing_key_of_the_same_id_is_told_when_rotating(reengage: Any, org_a: str, stack: Any) -> None:
    before = stored(stack, org_a)
    other = reengage("key", "rotate", "--json", REENGAGE_ENCRYPTION_KEYS=K1)
    assert other.status == 1
    assert (other.json["resealed"], other.json["unchanged"]) == ([], [])
    assert [failed["organization_id"] for failed in other.json["failed"]] == [org_a]
    assert f"the API key of {org_a} was sealed with another key than 'k1'" in other.err
    assert "1 API keys could not be opened: put what sealed them back" in other.err
    assert stored(stack, org_a) == before


def test_a_lost_sealing_key_is_survived_with_the_api_key_given_anew(
    reengage: Any, org_a: str, stack: Any, cliniko: Any
) -> None:
    lost = reengage("key", "rotate", "--json", REENGAGE_ENCRYPTION_KEYS=K2)
    assert lost.status == 1
    assert lost.json["failed"][0]["organization_id"] == org_a
    assert "org set-key org_a" in lost.err
    given = reengage("org", "set-key", org_a, "--cliniko-api-key", cliniko.key, "--json", REENGAGE_ENCRYPTION_KEYS=K2)
    assert given.status == 0
    assert given.json["cliniko"]["sealed_with"] == "k2"
    assert cliniko.key not in given.out + given.err
    sealed = stored(stack, org_a)["cliniko"]["key"]
    assert KeySealer.from_text(K2).open(sealed, organization_id=org_a) == cliniko.key


def test_a_new_key_is_checked_before_it_takes_the_old_ones_place(reengage: Any, org_a: str, stack: Any) -> None:
    before = stored(stack, org_a)
    ran = reengage("org", "set-key", org_a, "--cliniko-api-key", "another-au1")
    assert ran.status == 1
    assert "refuses the API key" in ran.err
    assert stored(stack, org_a) == before


def test_without_a_sealing_key_nothing_is_added(added: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REENGAGE_ENCRYPTION_KEYS")
    ran = added("org_a")
    assert ran.status == 1
    assert "reengage key create" in ran.err


def _current_keys() -> str:
    import os

    return os.environ["REENGAGE_ENCRYPTION_KEYS"]
