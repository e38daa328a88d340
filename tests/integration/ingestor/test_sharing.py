"""Several ingestors, and several organizations with one API key: who asks Cliniko when, and how often."""

import signal
from itertools import pairwise

import pytest

from integration.ingestor.harness import Harness, a_clinic, a_large_clinic, wait_for
from shared.identity import hash_api_key
from support.sandbox.request_log import Asked, busiest

TAKEN_OVER_WITHIN = 30.0


def turns(asked: list[Asked]) -> list[str]:
    """Who asked, one after the other, without repetitions."""
    clients = [each.client for each in asked]
    return [first for first, second in pairwise([*clients, ""]) if first != second]


@pytest.mark.slow
async def test_when_one_is_killed_another_takes_over_and_a_key_is_never_used_by_two_at_once(world: Harness):
    key = await world.add("org_a", a_large_clinic(world.sandbox, 4_000), per_minute=300)
    names = ("ingestor-1", "ingestor-2")
    started = {name: await world.spawn(name) for name in names}
    asked = world.sandbox.log.entries
    await wait_for(lambda: len(asked()) > 8)
    first = asked()[0].client
    started[first].send(signal.SIGKILL)
    await started[first].ended()
    last_at = asked()[-1].at
    await wait_for(lambda: asked()[-1].client != first, within=TAKEN_OVER_WITHIN)
    second_at = next(each.at for each in asked() if each.client != first)
    assert second_at - last_at <= TAKEN_OVER_WITHIN
    await world.until("org_a", "ok", within=60)
    assert turns(asked(key=key.removesuffix("-au1"))) == [first, ({*names} - {first}).pop()]


@pytest.mark.slow
async def test_one_that_was_frozen_asks_nothing_more_once_its_lease_ran_out(world: Harness):
    await world.add("org_a", a_large_clinic(world.sandbox, 2_000), per_minute=120)
    first = await world.spawn("ingestor-1", TEST_LEASE="4")
    asked = world.sandbox.log.entries
    await wait_for(lambda: len(asked()) > 8)
    count = len(asked())
    await wait_for(lambda: len(asked()) > count)
    first.send(signal.SIGSTOP)  # between two requests: none is just about to be sent
    await world.spawn("ingestor-2", TEST_LEASE="4")
    await wait_for(lambda: asked()[-1].client == "ingestor-2")
    first.send(signal.SIGCONT)
    await world.until("org_a", "ok", within=60)
    assert turns(asked()) == ["ingestor-1", "ingestor-2"]


async def test_a_raised_limit_counts_at_once_within_a_load(world: Harness):
    await world.add("org_a", a_large_clinic(world.sandbox, 4_000), per_minute=5)
    await world.start()
    await wait_for(lambda: len(world.sandbox.log.entries()) == 5)
    change = {"$set": {"settings.cliniko_requests_per_minute": 100_000}}
    await world.common["organizations"].update_one({"_id": "org_a"}, change)
    await world.until("org_a", "ok", within=30)


async def test_organizations_with_different_keys_are_followed_side_by_side(world: Harness):
    await world.add("org_a", a_large_clinic(world.sandbox, 4_000), per_minute=100)
    await world.add("org_b", a_clinic(world.sandbox))
    await world.start()
    await world.until("org_b", "ok")
    assert (await world.status("org_a"))["state"] == "syncing"


@pytest.mark.slow
async def test_one_key_in_two_organizations_has_one_budget_that_is_never_exceeded(world: Harness):
    clinic = a_large_clinic(world.sandbox, 1_200, requests_per_minute=60)
    key = await world.add("org_a", clinic, per_minute=60)
    await world.add("org_b", None, key=key, per_minute=60)
    await world.start("ingestor-1")
    await world.start("ingestor-2")
    await world.until("org_a", "ok", within=150)
    await world.until("org_b", "ok", within=150)
    asked = world.sandbox.log.entries(key=key.removesuffix("-au1"))
    assert len(asked) > 60
    assert busiest(each.at for each in asked) <= 60
    assert {each.status for each in asked} <= {200, 404, 400}, "never more than Cliniko allows, so never 429"


async def test_a_lease_that_is_given_back_is_free_at_once(world: Harness):
    key = await world.add("org_a", a_clinic(world.sandbox))
    await world.start()
    await world.until("org_a", "ok")
    assert await world.own["leases"].find_one({"_id": hash_api_key(key)}) is None
