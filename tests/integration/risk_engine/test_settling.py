"""Two settlers of one organization on a real database: what the simulator found, on the stores themselves."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import encode

from risk_engine.changes import Change
from risk_engine.computing import Computed, Inputs, in_a_thread
from risk_engine.pace import FOLDING_RECORDS
from risk_engine.settlement import Addition, Settled
from risk_engine.settling import CROWD, MANY_BESIDE, Settler
from risk_engine.store.settlements import CONTRIBUTIONS, MongoSettlementStore
from risk_engine.store.standings import RETIRED_FOR, MongoStandingStore
from risk_engine.store.timelines import MongoTimelineStore
from risk_engine.turns import BATCH, LANES, SMALLEST_BATCH
from rules.instants import DAY, parse_instant
from shared.clock import SystemClock
from shared.faults import TransientError
from shared.mongo import DatabaseClient, open_database_client
from shared.organizations import OrganizationDirectory
from shared.rollups import ROLLUPS, needed, parts, whole
from shared.tasks import cancelled
from shared.timelines import DATABASE, home_partition
from support.eventually import eventually
from support.organizations import an_organization

NOW = parse_instant("2026-06-01T00:00:00Z")


@pytest.fixture
async def client(mongodb_uri: str) -> AsyncIterator[DatabaseClient]:
    client = open_database_client(mongodb_uri)
    yield client
    await client.close()


@pytest.fixture
async def clinic(client: DatabaseClient, unique_name: str) -> AsyncIterator["Clinic"]:
    clinic = Clinic(client, unique_name)
    await clinic.open()
    yield clinic
    await clinic.close()


class GatedStore(MongoSettlementStore):
    """Stands still, once it has read what is merged, until it is told to go on."""

    def __init__(self, client: DatabaseClient) -> None:
        super().__init__(client)
        self.has_read = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def merged_into(self, survivors: list[str]) -> dict[str, list[dict[str, Any]]]:
        found = await super().merged_into(survivors)
        self.has_read.set()
        await self.goes_on.wait()
        return found


class LateStore(MongoSettlementStore):
    """Stands still once it knows which timelines changed, before it reads them."""

    def __init__(self, client: DatabaseClient) -> None:
        super().__init__(client)
        self.has_looked = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def of_patients(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        self.has_looked.set()
        await self.goes_on.wait()
        return await super().of_patients(ids)


class WritesSlowly(MongoSettlementStore):
    """Stands still before it writes what one patient's results are among, and may fail then."""

    def __init__(self, client: DatabaseClient, patient: str) -> None:
        super().__init__(client)
        self._patient = patient
        self.reached = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.fails = False
        self.tries = 0

    async def write(self, settled: Sequence[Settled], addition: Addition, applied_at: int | None) -> None:
        if self._patient in {one.patient_id for one in settled}:
            self.tries += 1
            self.reached.set()
            await self.goes_on.wait()
            if self.fails:
                raise TransientError("as a test wants it")
        await super().write(settled, addition, applied_at)


class GatedComputing:
    """Computes, but stands still with one organization's results until it is told to go on."""

    def __init__(self, organization: str) -> None:
        self._organization = organization
        self.reached = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def __call__(self, inputs: Inputs) -> Computed:
        if inputs.work[0][0]["organization_id"] == self._organization:
            self.reached.set()
            await self.goes_on.wait()
        return await in_a_thread(inputs)


class Clinic:
    """An organization of two patients; versions are numbers."""

    def __init__(self, client: DatabaseClient, organization: str) -> None:
        self._client = client
        self.id = organization
        self._database = client[DATABASE]
        self._timelines = MongoTimelineStore(self._database, SystemClock(), client.with_transaction)
        self.homes = [home_partition(organization)]

    async def open(self) -> None:
        await self._timelines.create_indexes()
        await MongoSettlementStore(self._client).create_indexes()
        await self._client["reengage"]["organizations"].insert_one(an_organization(self.id).document())

    async def close(self) -> None:
        await self._client["reengage"]["organizations"].delete_one({"_id": self.id})
        await self.purge()

    def settler(self, store: MongoSettlementStore | None = None, **more: Any) -> Settler:
        directory = OrganizationDirectory(self._client["reengage"]["organizations"])
        standings = MongoStandingStore(self._database)
        settlements = store or MongoSettlementStore(self._client)
        return Settler(settlements, standings, directory, SystemClock(), lambda: self.homes, **more)

    async def settle(self, settler: Settler | None = None) -> None:
        settler = settler or self.settler()
        while await settler.settle_dirty(self.homes):
            pass

    async def contact(self, patient: str, version: int, into: str | None = None) -> None:
        fact: dict[str, Any] = {"v": f"{version:020d}", "created_at": NOW - 300 * DAY, "updated_at": NOW, "name": "x"}
        survivor = None if into is None else f"{self.id}:{into}"
        if into is not None:
            fact |= {"merged_at": NOW - 30 * DAY, "merged_into": into}
        await self._timelines.fold([Change(self.id, patient, "contact", fact["v"], fact, survivor)])

    async def contacts(self, count: int, first: int = 0) -> None:
        """So many patients, folded at once."""
        fact = {"v": "1", "created_at": NOW - 300 * DAY, "updated_at": NOW, "name": "x"}
        numbers = range(first, first + count)
        await self._timelines.fold([Change(self.id, f"p{n}", "contact", "1", fact) for n in numbers])

    async def assessed(self) -> int:
        """How many patients have an assessment."""
        return len(await self._database["assessments"].find({"scope": f"{self.id}|1"}, {"_id": 1}).to_list())

    async def visit(self, patient: str, version: int, days_ago: int, microseconds: int = 0) -> None:
        starts_at = NOW - days_ago * DAY + microseconds
        fact = {"v": f"{version:020d}", "id": "a", "order": "a", "created_at": NOW - 200 * DAY, "starts_at": starts_at}
        await self._timelines.fold([Change(self.id, patient, "appointments.a", fact["v"], fact)])

    async def erase(self, patient: str) -> None:
        await self._timelines.erase(self.id, patient, NOW)

    async def timelines(self) -> dict[str, dict[str, Any]]:
        """By patient."""
        found = await self._database["timelines"].find({"organization_id": self.id}).to_list()
        return {timeline["patient_id"]: timeline for timeline in found}

    async def standing(self) -> dict[str, Any]:
        """What is told of its results."""
        return (await MongoStandingStore(self._database).of([self.id]))[self.id]

    async def change_settings(self) -> None:
        """To another active window."""
        change = {"$set": {"settings.active_window_days": 99}, "$inc": {"settings_revision": 1}}
        await self._client["reengage"]["organizations"].update_one({"_id": self.id}, change)

    async def build(self) -> None:
        """Everything that is to be settled or built."""
        settler = self.settler()
        while await settler.step():
            pass

    async def discard(self) -> None:
        """What was retired, a minute later."""
        standings = MongoStandingStore(self._database)
        await standings.discard_retired(await self.standing(), SystemClock().now() + RETIRED_FOR)

    async def add_again(self) -> None:
        """The id is another clinic's from now on."""
        again = {"$set": {"added_again_at": datetime.now(UTC)}}
        await self._client["reengage"]["organizations"].update_one({"_id": self.id}, again)

    async def everything(self) -> list[str]:
        """`_id`s of all results."""
        of = {"_id": {"$regex": f"^{self.id}[|]"}}
        return [
            found["_id"]
            for name in (CONTRIBUTIONS, ROLLUPS, "assessments")
            for found in await self._database[name].find(of, {"_id": 1}, sort=[("_id", 1)]).to_list()
        ]

    async def leave_behind(self, generation: int) -> None:
        """A result of a generation that no standing tells of."""
        await self._database["assessments"].insert_one({"_id": f"{self.id}|{generation}|p"})

    async def purge(self) -> None:
        await MongoStandingStore(self._database).purge([self.id])

    async def results(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Contributions and sums, without what tells how they were made."""
        of = {"scope": f"{self.id}|1"}
        contributions = await self._database[CONTRIBUTIONS].find(of).to_list()
        rollups = whole(await self._database[ROLLUPS].find(of).to_list())
        added = {c["patient_id"]: (c["state"], c["days"]) for c in contributions}
        sums = {i: _without_zeros({part: r.get(part, {}) for part in ("n", "i")}) for i, r in rollups.items()}
        return added, _without_zeros(sums)

    async def afresh(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The same from nothing: what must have come out."""
        for name in (CONTRIBUTIONS, ROLLUPS, "assessments"):
            await self._database[name].delete_many({"scope": f"{self.id}|1"})
        await self._database["timelines"].update_many({"organization_id": self.id}, {"$set": {"dirty": 1}})
        await self.settle()
        return await self.results()


def _without_zeros(value: dict[str, Any]) -> dict[str, Any]:
    kept = {name: _without_zeros(inner) if isinstance(inner, dict) else inner for name, inner in value.items()}
    return {name: inner for name, inner in kept.items() if inner}


async def test_a_settler_that_stood_still_does_not_undo_a_merge(client: DatabaseClient, clinic: Clinic) -> None:
    for patient in ("loser", "survivor"):
        await clinic.contact(patient, 1)
        await clinic.visit(patient, 1, 90)
    await clinic.settle()
    await clinic.visit("survivor", 2, 80)
    store = GatedStore(client)
    late = asyncio.create_task(clinic.settler(store).settle_dirty(clinic.homes))
    await store.has_read.wait()
    await clinic.contact("loser", 2, into="survivor")
    await clinic.visit("loser", 2, 5)
    await clinic.settle()
    store.goes_on.set()
    await late
    await clinic.settle()
    assert await clinic.results() == await clinic.afresh()


async def test_an_undone_merge_leaves_nothing_with_any_former_survivor(clinic: Clinic) -> None:
    for patient in ("loser", "survivor", "other"):
        await clinic.contact(patient, 1)
        await clinic.visit(patient, 1, 90)
    await clinic.visit("loser", 2, 5)
    await clinic.settle()
    alone = await clinic.results()
    await clinic.contact("loser", 2, into="survivor")
    await clinic.settle()
    merged = await clinic.results()
    assert merged != alone
    await clinic.contact("loser", 3, into="other")
    await clinic.contact("loser", 4)
    await clinic.settle()
    assert await clinic.results() == alone == await clinic.afresh()


async def test_a_patient_whom_no_rule_can_stand_keeps_no_other_back(clinic: Clinic) -> None:
    for patient in ("good", "bad"):
        await clinic.contact(patient, 1)
    await clinic.visit("good", 1, 90)
    await clinic.visit("bad", 1, -3_000_000)  # in the year 10239
    await clinic.settle()
    told = await clinic.timelines()
    assert "failed" not in told["good"]
    assert told["bad"]["failed"].startswith(("OverflowError", "ValueError"))
    assert not any("dirty" in timeline for timeline in told.values())
    assert list((await clinic.results())[0]) == ["good"]

    await clinic.visit("bad", 2, 30)
    await clinic.settle()
    assert "failed" not in (await clinic.timelines())["bad"]
    assert sorted((await clinic.results())[0]) == ["bad", "good"]


async def test_what_one_that_was_late_folds_into_an_erased_timeline_is_never_counted(clinic: Clinic) -> None:
    await clinic.contact("p", 1)
    await clinic.visit("p", 1, 90)
    await clinic.settle()
    await clinic.erase("p")
    await clinic.contact("p", 2)  # it had asked before whether the patient was erased
    assert "contact" in (await clinic.timelines())["p"]
    await clinic.erase("p")  # it asks again
    assert "contact" not in (await clinic.timelines())["p"]

    await clinic.contact("p", 3)  # and another one dies before it asks
    await clinic.settle()
    anonymous = await clinic.timelines()
    assert "p" not in anonymous
    assert list((await clinic.results())[0]) == list(anonymous)


async def test_an_erased_patient_is_gone_from_results_of_earlier_settings_too(
    client: DatabaseClient, clinic: Clinic
) -> None:
    for patient in ("p", "q"):
        await clinic.contact(patient, 1)
    await clinic.settle()
    await clinic.change_settings()
    await clinic.build()
    assert [retired["generation"] for retired in (await clinic.standing())["retired"]] == [1]
    await clinic.erase("p")
    await clinic.settle()
    for collection in ("assessments", CONTRIBUTIONS):
        held = {each["_id"] for each in await client[DATABASE][collection].find({}, {"_id": 1}).to_list()}
        assert not held & {f"{clinic.id}|{generation}|p" for generation in (1, 2)}
        assert held >= {f"{clinic.id}|{generation}|q" for generation in (1, 2)}
    await clinic.discard()
    assert len(await clinic.timelines()) == 2


async def test_what_is_folded_after_a_removal_goes_with_the_next_look(clinic: Clinic) -> None:
    await clinic.contact("p", 1)
    await clinic.settle()
    await clinic.purge()
    await clinic.contact("p", 2)  # by an engine that had not heard of it
    await clinic.purge()
    assert await clinic.timelines() == {}


async def test_what_little_waits_does_not_wait_for_another_clinics_backlog(
    client: DatabaseClient, clinic: Clinic, unique_name: str
) -> None:
    large = Clinic(client, f"{unique_name}_large")
    gate = GatedComputing(large.id)

    async def all_of(of: Clinic, count: int) -> None:
        assert await of.assessed() == count

    await large.open()
    await large.contacts(BATCH)
    clinic.homes += large.homes
    running = asyncio.create_task(clinic.settler(compute=gate).run())
    try:
        await asyncio.wait_for(gate.reached.wait(), 30)
        await clinic.contacts(3)
        await eventually(lambda: all_of(clinic, 3), within=30)
        assert await large.assessed() < BATCH
        gate.goes_on.set()
        await eventually(lambda: all_of(large, BATCH), within=60)
    finally:
        gate.goes_on.set()
        await cancelled(running)
        await large.close()


async def test_a_younger_backlog_has_its_turn_after_the_older_one_and_hides_nobody(
    client: DatabaseClient, clinic: Clinic, unique_name: str
) -> None:
    older, younger = Clinic(client, f"{unique_name}_older"), Clinic(client, f"{unique_name}_younger")
    gate = GatedComputing(older.id)

    for each in (older, younger):
        await each.open()
        clinic.homes += each.homes
    await older.contacts(BATCH)
    settler = clinic.settler(compute=gate)
    settling = asyncio.create_task(clinic.settle(settler))
    try:
        await asyncio.wait_for(gate.reached.wait(), 30)
        await younger.contacts(BATCH)
        await clinic.contacts(3)
        await settler.settle_beside_crowds()
        assert [await each.assessed() for each in (older, younger, clinic)] == [0, 0, 3]
        gate.goes_on.set()
        await settling
        assert [await each.assessed() for each in (older, younger, clinic)] == [BATCH, BATCH, 3]
    finally:
        gate.goes_on.set()
        await cancelled(settling)
        await older.close()
        await younger.close()


async def test_while_much_is_folded_few_organizations_have_their_turn_at_once(
    client: DatabaseClient, clinic: Clinic, unique_name: str
) -> None:
    clinics = [clinic, *(Clinic(client, f"{unique_name}_{number}") for number in range(2 * LANES))]
    settler = clinic.settler()
    try:
        for each in clinics[1:]:
            await each.open()
            clinic.homes += each.homes
        for first in (0, CROWD):  # no organization's patients in a row
            for each in clinics:
                await each.contacts(CROWD, first)
        assessed = []
        with settler.fold(FOLDING_RECORDS):
            while await settler.settle_dirty(clinic.homes):
                await settler.settle_dirty([])  # what is left is written then
                assessed.append([await each.assessed() for each in clinics])
        both, none = [2 * CROWD] * LANES, [0] * LANES
        assert assessed == [[*both, *none, 0], [*both, *both, 0], [*both, *both, 2 * CROWD]], (
            "who waited longest, whole"
        )
    finally:
        for each in clinics[1:]:
            await each.close()


async def test_where_many_organizations_have_a_few_each_the_others_do_not_wait_for_all_of_them(
    client: DatabaseClient, clinic: Clinic, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("risk_engine.settling.LOOK_FOLDING", 40)
    others = [Clinic(client, f"{unique_name}_{number}") for number in range(4)]
    gate = GatedComputing(others[0].id)
    settler = clinic.settler(compute=gate)
    try:
        for each in others:
            await each.open()
            clinic.homes += each.homes
        for first in (0, 20):  # nobody has many of those that waited longest
            for each in others:
                await each.contacts(20, first)
        await clinic.contacts(1)
        with settler.fold(FOLDING_RECORDS):
            settling = asyncio.create_task(settler.settle_dirty(clinic.homes))
            await asyncio.wait_for(gate.reached.wait(), 30)
            await settler.settle_beside_crowds()
            assert await clinic.assessed() == 1
            gate.goes_on.set()
            await settling
        await clinic.settle(settler)
        assert [await each.assessed() for each in others] == [40] * len(others)
    finally:
        for each in others:
            await each.close()


async def test_who_waited_longest_has_a_turn_also_with_too_many_others_to_be_settled_beside(
    client: DatabaseClient, clinic: Clinic, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("risk_engine.settling.LOOK_FOLDING", 2 * CROWD)
    large = Clinic(client, f"{unique_name}_large")
    settler = clinic.settler()
    try:
        await large.open()
        clinic.homes += large.homes
        await clinic.contacts(10)
        await large.contacts(20 * CROWD)
        await clinic.contacts(MANY_BESIDE, first=10)
        with settler.fold(FOLDING_RECORDS):
            rounds = 0
            while await clinic.assessed() < 10:
                await settler.settle_dirty(clinic.homes)
                await settler.settle_beside_crowds()
                rounds += 1
        assert rounds <= 3, "not after all that wait"
        await clinic.settle(settler)
        assert [await each.assessed() for each in (clinic, large)] == [10 + MANY_BESIDE, 20 * CROWD]
    finally:
        await large.close()


async def test_while_the_last_results_are_written_the_next_are_computed(
    client: DatabaseClient, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("risk_engine.turns.BATCH", SMALLEST_BATCH)
    await clinic.contacts(3 * SMALLEST_BATCH)
    order = [t["_id"] for t in await MongoSettlementStore(client).dirty(clinic.homes, 1_000)]
    store = WritesSlowly(client, order[-1].rpartition(":")[2])
    settler = clinic.settler(store)
    assert await settler.settle_dirty(clinic.homes), "it does not wait for the last of them"
    await store.reached.wait()
    assert await clinic.assessed() == 2 * SMALLEST_BATCH
    settled = (await clinic.results())[0]
    await clinic.visit(order[-1].rpartition(":")[2], 1, days_ago=20)  # what is being written is out of date already
    await clinic.visit("p0", 1, days_ago=20)
    more = asyncio.create_task(settler.settle_dirty(clinic.homes))
    await asyncio.sleep(0.1)
    assert not more.done(), "it writes nothing of the organization before the last is written"
    assert (await clinic.results())[0] == settled
    store.goes_on.set()
    assert await more
    await clinic.settle(settler)
    assert not any("dirty" in timeline for timeline in (await clinic.timelines()).values())
    assert await clinic.results() == await clinic.afresh()


async def test_results_that_could_not_be_written_at_last_are_written_later(
    client: DatabaseClient, clinic: Clinic
) -> None:
    await clinic.contacts(3 * SMALLEST_BATCH)
    order = [t["_id"] for t in await MongoSettlementStore(client).dirty(clinic.homes, 1_000)]
    store = WritesSlowly(client, order[-1].rpartition(":")[2])
    store.fails = True
    settler = clinic.settler(store)
    assert await settler.settle_dirty(clinic.homes)
    store.goes_on.set()
    with pytest.raises(TransientError):
        await settler.settle_dirty(clinic.homes)
    store.fails = False
    await clinic.settle(settler)
    assert await clinic.assessed() == 3 * SMALLEST_BATCH
    assert await clinic.results() == await clinic.afresh()


async def test_who_is_told_to_end_undoes_what_is_being_written(client: DatabaseClient, clinic: Clinic) -> None:
    await clinic.contacts(3 * SMALLEST_BATCH)
    order = [t["_id"] for t in await MongoSettlementStore(client).dirty(clinic.homes, 1_000)]
    store = WritesSlowly(client, order[-1].rpartition(":")[2])
    running = asyncio.create_task(clinic.settler(store).run())
    await asyncio.wait_for(store.reached.wait(), 30)
    await asyncio.wait_for(cancelled(running), 30)
    assert not [task for task in asyncio.all_tasks() if "Turns" in repr(task)]
    assert await clinic.assessed() < 3 * SMALLEST_BATCH
    await clinic.settle()
    assert await clinic.results() == await clinic.afresh()


async def test_while_writes_fail_the_pauses_grow_and_it_is_told(
    client: DatabaseClient, clinic: Clinic, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("risk_engine.settling.STUCK_SECONDS", 1.0)
    names = (f"{unique_name}_{number}" for number in range(100))
    other = Clinic(client, next(name for name in names if home_partition(name) not in clinic.homes))
    await other.open()
    for each in (clinic, other):
        await each.contacts(SMALLEST_BATCH)  # one transaction, which is left under way
    clinic.homes += other.homes
    store = WritesSlowly(client, "p0")
    store.fails = True
    store.goes_on.set()
    settler = clinic.settler(store)
    running = asyncio.create_task(settler.run())

    async def stuck() -> None:
        assert settler.not_ready()

    try:
        await eventually(stuck, within=10)
        assert store.tries < 2 * 10, "pauses that double from 0.1 s"
    finally:
        await cancelled(running)
        await other.close()


async def test_a_computation_that_hangs_for_a_crowd_is_told(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("risk_engine.settling.STILL_SECONDS", 1.0)
    await clinic.contacts(BATCH)
    gate = GatedComputing(clinic.id)
    settler = clinic.settler(compute=gate)
    running = asyncio.create_task(settler.run())

    async def still() -> None:
        assert settler.not_ready()

    try:
        await asyncio.wait_for(gate.reached.wait(), 30)
        await eventually(still, within=10)
    finally:
        gate.goes_on.set()
        await cancelled(running)


async def test_a_rollup_that_has_grown_large_goes_on_on_other_pages(
    client: DatabaseClient, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("risk_engine.store.pages.LARGE", 2_000)
    monkeypatch.setattr("risk_engine.store.pages.LOOK_AFTER", 50)
    settlers = [clinic.settler(), clinic.settler()]  # neither knows of the other's pages
    for version in range(1, 13):
        for patient in range(20):  # each at an instant of its own, all on one day
            await clinic.visit(f"p{patient}", version, 90, microseconds=1_000 * version + patient)
            await clinic.contact(f"p{patient}", version)
        await clinic.settle(settlers[version % 2])
    stored = await client[DATABASE][ROLLUPS].find({"scope": f"{clinic.id}|1"}).to_list()
    pages = Counter(document["page_of"] for document in stored if "page_of" in document)
    assert max(pages.values()) > 1
    assert max(len(encode(document)) for document in stored if "i" in document) < 3 * 2_000
    assert not any("-" in rollup for rollup in pages), "a month has as many days as it has"
    (found,) = whole(await client[DATABASE][ROLLUPS].find(needed([max(pages)])).to_list()).items()
    assert found == (max(pages), whole(stored)[max(pages)])
    for under_way, kept in ((max(pages), found[1]["i"]), ("another", {})):
        (read,) = whole(
            await client[DATABASE][ROLLUPS].find(needed([max(pages)]), parts([under_way])).to_list()
        ).values()
        assert read.get("i", {}) == kept
        assert read.get("n", {}) == found[1].get("n", {})
    told = await client[DATABASE].command({"explain": {"find": ROLLUPS, "filter": needed([max(pages), "x"])}})
    assert "COLLSCAN" not in str(told["queryPlanner"])
    assert "'indexName': 'pages'" in str(told["queryPlanner"]["winningPlan"])

    results = await clinic.results()
    assert results == await clinic.afresh()
    await clinic.purge()
    assert await clinic.everything() == []


async def test_while_more_is_folded_a_patient_without_a_record_waits_for_it(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    settler = clinic.settler()

    async def waiting() -> set[str]:
        return {patient for patient, timeline in (await clinic.timelines()).items() if "dirty" in timeline}

    await clinic.visit("unrecorded", 1, days_ago=20)
    await clinic.visit("recorded", 1, days_ago=20)
    await clinic.contact("recorded", 1)
    with settler.fold(FOLDING_RECORDS):
        await clinic.settle(settler)
        assert await waiting() == {"unrecorded"}
        await clinic.erase("recorded")
        await clinic.settle(settler)
        assert await waiting() == {"unrecorded"}, "what is left of an erased patient counts, or no longer"
        monkeypatch.setattr("risk_engine.settling.AWAITED", 0)
        await clinic.settle(settler)
        assert await waiting() == set()
    monkeypatch.undo()
    await clinic.visit("unrecorded", 2, days_ago=10)

    async def nobody_waits() -> None:  # soon after the last large batch
        await clinic.settle(settler)
        assert await waiting() == set()

    await eventually(nobody_waits, within=10)


async def test_settings_that_changed_are_no_newer_fact(client: DatabaseClient, clinic: Clinic) -> None:
    await clinic.contact("p", 1)
    await clinic.settle()
    before = await clinic.standing()
    await clinic.change_settings()
    await clinic.build()
    after = await clinic.standing()
    assert after["generation"] == before["generation"] + 1
    assert after["applied_at"] == before["applied_at"]
    await clinic.visit("p", 1, 90)
    await clinic.settle()
    assert (await clinic.standing())["applied_at"] > before["applied_at"]


async def test_what_one_that_was_late_settles_again_is_no_newer_fact(client: DatabaseClient, clinic: Clinic) -> None:
    await clinic.contact("p", 1)
    store = LateStore(client)
    late = asyncio.create_task(clinic.settler(store).settle_dirty(clinic.homes))
    await store.has_looked.wait()
    await clinic.settle()
    before = await clinic.standing()
    store.goes_on.set()
    await late
    assert await clinic.standing() == before


@pytest.mark.parametrize("meanwhile", ["discarded", "removed", "added again"])
async def test_a_settler_that_stood_still_writes_nothing_into_results_that_nobody_keeps(
    client: DatabaseClient, clinic: Clinic, meanwhile: str
) -> None:
    await clinic.contact("p", 1)
    await clinic.settle()
    await clinic.visit("p", 1, 90)
    await clinic.visit("p", 2, 80)
    store = GatedStore(client)
    late = asyncio.create_task(clinic.settler(store).settle_dirty(clinic.homes))
    await store.has_read.wait()
    if meanwhile == "discarded":
        await clinic.change_settings()
        await clinic.build()
        await clinic.discard()
    else:
        await clinic.purge()
    if meanwhile == "added again":
        await clinic.add_again()
        await clinic.contact("p", 1)
        await clinic.settle()
    kept = await clinic.everything()
    store.goes_on.set()
    await late
    assert await clinic.everything() == kept
    assert not [name for name in kept if name.startswith(f"{clinic.id}|1|")]


async def test_what_a_removed_organization_had_is_deleted_whatever_its_generation(clinic: Clinic) -> None:
    await clinic.contact("p", 1)
    await clinic.settle()
    await clinic.leave_behind(generation=7)
    await clinic.purge()
    assert await clinic.everything() == []


async def test_a_computation_that_hangs_is_told(
    client: DatabaseClient, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = asyncio.Event()

    async def compute(inputs: Inputs) -> Computed:
        await goes_on.wait()
        return await in_a_thread(inputs)

    def stands_still() -> None:
        assert "settling has stood still" in str(settler.not_ready())

    def goes_well() -> None:
        assert settler.not_ready() == []

    monkeypatch.setattr("risk_engine.settling.STILL_SECONDS", 0.5)
    settler = clinic.settler(compute=compute)
    running = asyncio.create_task(settler.run())
    try:
        await asyncio.sleep(0.7)
        goes_well()
        await clinic.contacts(1)
        await eventually(stands_still, within=30)
        goes_on.set()
        await eventually(goes_well, within=30)
    finally:
        goes_on.set()
        await cancelled(running)
