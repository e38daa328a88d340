"""Looks at an organization, page by page, and again at what was not as it should be."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from reengage.control import Control
from reengage.failures import CommandError
from reengage.laws import messages, patients, sums
from reengage.laws.findings import COMPLETENESS, Violation, violation
from rules.settings import RuleSettings, rule_settings
from shared.mongo import Collection, Session
from shared.rollups import ROLLUPS, Ladder, needed, scope, whole, within
from shared.timelines import ASSESSMENTS, DATABASE, STANDINGS, TIMELINES, merged_timelines, timeline_id

PAGE = 500
DAYS_BACK = (0, 1, 7, 30, 90)
PAUSE_SECONDS = 1.0

Tell = Callable[[str, int, int], None]
Document = dict[str, Any]


class Checking:
    """One run of `reengage verify`; `tell` is shown what is being done, and how far."""

    def __init__(self, control: Control, organization_id: str, tell: Tell) -> None:
        self._client = control.client
        self._clock = control.clock
        self._org = organization_id
        self._tell = tell
        database = control.client[DATABASE]
        self._timelines: Collection = database[TIMELINES]
        self._standings: Collection = database[STANDINGS]
        self._contributions: Collection = database["contributions"]
        self._assessments: Collection = database[ASSESSMENTS]
        self._rollups: Collection = database[ROLLUPS]
        self._histories: Collection = control.client["outreach_tracker"]["patients"]
        self.checked: dict[str, int] = {}
        self.violations: list[Violation] = []
        self.unsettled = 0

    async def run(self, *, patience: float) -> None:
        """Checks all laws; looks at most `patience` seconds at what is not settled, or wrong, again."""
        await self._check_sums()
        doubtful = set(await self._walk())
        deadline = self._clock.monotonic() + patience
        found: list[Violation] = []
        while doubtful:
            found, unsettled = await self._look(sorted(doubtful))
            doubtful = {timeline_id(self._org, each["patient_id"]) for each in found} | unsettled
            self.unsettled = len(unsettled)
            if not doubtful or self._clock.monotonic() >= deadline:
                break
            self._tell("looking again", 0, len(doubtful))
            await asyncio.sleep(PAUSE_SECONDS)
        self.violations += found
        await self._check_that_results_are_somebodys()

    # ---------------------------------------------------------------- sums

    async def _check_sums(self) -> None:
        async with self._client.snapshot() as session:
            standing = await self._standing(session)
            generation, settings = scope(self._org, standing["generation"]), rule_settings(standing["settings"])
            expected = sums.Expected(settings.calendar)
            total = await self._contributions.count_documents(within(generation), session=session)
            count = 0
            async for each in self._contributions.find(within(generation), batch_size=PAGE, session=session):
                expected.add(each)
                count += 1
                if count % PAGE == 0:
                    self._tell("adding contributions up", count, total)
            expected.fill()
            buckets = dict(expected.buckets)
            async for rollup_id, rollup in self._stored_rollups(generation, session):
                name = rollup_id.removeprefix(f"{generation}|")
                self.violations += sums.check_bucket(name, buckets.pop(name, {}), rollup)
                self._count("rollups")
            for name, missing in buckets.items():
                self.violations += sums.check_bucket(name, missing, {})
            self.violations += await self._check_days(standing, settings, expected, session)
        self.checked["contributions_added_up"] = count

    async def _stored_rollups(self, generation: str, session: Session) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        """Each with its `_id`, whole: its pages follow it."""
        pages: list[Document] = []
        in_order = self._rollups.find(within(generation), sort=[("_id", 1)], batch_size=PAGE, session=session)
        async for page in in_order:
            if "page_of" not in page:
                for rollup in whole(pages).items():
                    yield rollup
                pages = []
            pages.append(page)
        for rollup in whole(pages).items():
            yield rollup

    async def _check_days(
        self, standing: Document, settings: RuleSettings, expected: sums.Expected, session: Session
    ) -> list[Violation]:
        ladder = Ladder(self._org, standing["generation"], settings.calendar)
        today = settings.calendar.day(self._clock.now())
        days = [today - back for back in DAYS_BACK]
        end = settings.calendar.end(today)
        ids = ladder.changes_ids(min(days), end) + ladder.days_ids(min(days), end)
        ids += [name for day in days for name in ladder.state_ids(settings.calendar.end(day))]
        rollups = whole(await self._rollups.find(needed(ids), session=session).to_list())
        self.checked["days"] = len(days)
        return sums.check_days(expected, ladder, rollups, settings.calendar, days)

    # ---------------------------------------------------------------- patients

    async def _walk(self) -> list[str]:
        """Checks every patient once; the timelines that have to be looked at again."""
        doubtful: list[str] = []
        total = await self._timelines.count_documents({"organization_id": self._org})
        after = ""
        while True:
            query = {"organization_id": self._org, "_id": {"$gt": after}}
            page = await self._timelines.find(query, {"_id": 1}, sort=[("_id", 1)], limit=PAGE).to_list()
            if not page:
                break
            after = page[-1]["_id"]
            found, unsettled = await self._look([each["_id"] for each in page])
            doubtful += [timeline_id(self._org, each["patient_id"]) for each in found]
            doubtful += sorted(unsettled)
            self._count("patients", len(page))
            self._tell("checking patients", self.checked["patients"], total)
        doubtful += await self._histories_without_timelines()
        return doubtful

    async def _look(self, ids: Sequence[str]) -> tuple[list[Violation], set[str]]:
        """What does not hold for patients by their timelines' `_id`s, and which are not settled, at one moment."""
        found: list[Violation] = []
        unsettled: set[str] = set()
        for first in range(0, len(ids), PAGE):
            some = list(ids[first : first + PAGE])
            async with self._client.snapshot() as session:
                standing = await self._standing(session)
                timelines = await self._by_id(self._timelines, some, session)
                merged = await merged_timelines(self._timelines, some, session)
                histories = await self._by_id(self._histories, some, session)
                prefix = scope(self._org, standing["generation"])
                results = [f"{prefix}|{each['patient_id']}" for each in timelines.values()]
                contributed = await self._by_id(self._contributions, results, session)
                assessed = await self._by_id(self._assessments, results, session)
            settings, now = rule_settings(standing["settings"]), self._clock.now()
            for name in some:
                timeline, history = timelines.get(name), histories.get(name)
                if timeline is None:
                    found += messages.check(None, history)
                    continue
                if not patients.is_settled(timeline, merged):
                    unsettled.add(name)
                    continue
                result = f"{prefix}|{timeline['patient_id']}"
                found += patients.check(timeline, merged, settings, contributed.get(result), assessed.get(result), now)
                if not timeline.get("contact", {}).get("erased"):
                    found += messages.check(timeline, history)
            await asyncio.sleep(0)
        return found, unsettled

    async def _histories_without_timelines(self) -> list[str]:
        """The tracker's patients of whom there is no timeline (yet)."""
        found: list[str] = []
        after = f"{self._org}:"
        while True:
            query = {"_id": {"$gt": after, "$lt": f"{self._org};"}}
            page = await self._histories.find(query, {"_id": 1}, sort=[("_id", 1)], limit=PAGE).to_list()
            if not page:
                return found
            after = page[-1]["_id"]
            self._count("histories", len(page))
            names = [each["_id"] for each in page]
            held = await self._timelines.find({"_id": {"$in": names}}, {"_id": 1}).to_list()
            found += sorted(set(names) - {each["_id"] for each in held})

    async def _check_that_results_are_somebodys(self) -> None:
        """Contributions and assessments of the served generation whose timeline is gone."""
        for name, collection in (("contribution", self._contributions), ("assessment", self._assessments)):
            async with self._client.snapshot() as session:
                standing = await self._standing(session)
                prefix = scope(self._org, standing["generation"])
                some: list[str] = []
                async for each in collection.find(within(prefix), {"patient_id": 1}, batch_size=PAGE, session=session):
                    some.append(each["patient_id"])
                    if len(some) == PAGE:
                        await self._check_timelines(name, some, session)
                        some = []
                await self._check_timelines(name, some, session)

    async def _check_timelines(self, of: str, patient_ids: Sequence[str], session: Session) -> None:
        by_id = {timeline_id(self._org, patient): patient for patient in patient_ids}
        held = await self._by_id(self._timelines, list(by_id), session, {"_id": 1})
        self._count(f"{of}s", len(by_id))
        self.violations += [
            violation(COMPLETENESS, patient_id=patient, of=of, expected=0, actual=1)
            for name, patient in by_id.items()
            if name not in held
        ]

    # ---------------------------------------------------------------- reading

    async def _standing(self, session: Session) -> Document:
        standing = await self._standings.find_one({"_id": self._org}, session=session)
        if standing is None:
            raise CommandError(f"there are no results of {self._org} yet: is the risk engine running?")
        return standing

    async def _by_id(
        self, collection: Collection, ids: list[str], session: Session, fields: Mapping[str, Any] | None = None
    ) -> dict[str, Document]:
        found = collection.find({"_id": {"$in": ids}}, fields, session=session)
        return {each["_id"]: each for each in await found.to_list()}

    def _count(self, what: str, by: int = 1) -> None:
        self.checked[what] = self.checked.get(what, 0) + by
