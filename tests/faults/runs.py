"""One seeded run: a clinic's load, faults one after another, and the check in the end."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random
from typing import Any

from faults import kinds
from faults.checker import CommitWatch, check, settle
from faults.events import Told, events_of, poison_of
from faults.kinds import KINDS, Scene
from faults.publishing import Publisher
from faults.stack import Stack, StackProblemError, wait_until
from shared.identity import new_token
from shared.topics import OUTREACH_EVENTS, record_key
from support.clinics import random_clinic

END = date(2026, 10, 31)
POISON = 25
RECOVERS_WITHIN = 120.0
SETTLES_WITHIN = 300.0
CANARY = "canary"


@dataclass
class Seen:
    """One fault, and what was seen of it."""

    run: int
    number: int
    kind: str
    target: str = ""
    at: str = ""
    took_seconds: float = 0.0
    recovered_seconds: float | None = None
    note: str = ""
    violations: list[str] = field(default_factory=list)


@dataclass
class RunResult:
    """One run."""

    seed: int
    seen: list[Seen]
    violations: list[str]
    acknowledged: int
    commits_checked: int
    settled_seconds: float


class Suite:
    """Servers and services that stand for all runs; `say` is told of the progress."""

    def __init__(self, folder: Path, say: Callable[[str], None], outage_seconds: float) -> None:
        self.folder = folder
        self._say = say
        self._outage_seconds = outage_seconds
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.stack = Stack(folder)
        self.publisher = Publisher(self.stack.kafka_address)
        self.watch = CommitWatch(self.stack, self.publisher)
        self._canaries = 0

    def __enter__(self) -> "Suite":
        try:
            self.stack.start()
            self.publisher.start()
            self._add_organization(CANARY, {"time_zone": "UTC"})
            self.gateway = self.stack.start_service("api-gateway")
            self._scene(Random(0), lambda: None).complete()
            for name in list(self.stack.services):
                wait_until(lambda name=name: self.stack.ready(name), 180, f"{name} is ready")  # type: ignore[misc]
        except BaseException:
            self.stack.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.publisher.stop()
        finally:
            self.stack.stop()

    # ------------------------------------------------------------------ a run

    def run(self, number: int, seed: int, faults: int, only: str | None, deadline: float) -> RunResult:
        """Draws everything from the seed: load, faults, targets, lengths."""
        rng = Random(f"faults {seed}")
        clinic = random_clinic(seed, patients=40, end=END)
        organization = clinic.settings["id"]
        other = {"active_window_days": clinic.settings["active_window_days"] + 10, "retry_after_days": 3}
        token = self._add_organization(organization, clinic.settings | other)
        load = events_of(clinic, rng) + poison_of(clinic, rng, POISON)
        rng.shuffle(load)
        feed = self._feeder(load, max(1, len(load) // (3 * faults)), rng)
        scene = self._scene(rng, feed)
        seen = []
        for fault in range(faults):
            if time.monotonic() > deadline:
                break
            if fault == faults // 2:
                self._change_settings(organization, clinic.settings)
            seen.append(self._fault(scene, number, fault, only))
        while load:
            feed()
        self.publisher.finish(SETTLES_WITHIN)
        scene.complete()
        settled = settle(self.stack, self.publisher, SETTLES_WITHIN)
        violations = [*(v for one in seen for v in one.violations), *self.watch.look()]
        violations += check(self.stack, self.publisher, clinic, token, seed)
        violations += self._ended_by_themselves()
        result = RunResult(
            seed, seen, violations, self.publisher.acknowledged.count, self.watch.looked_at, round(settled, 1)
        )
        with (self.folder / "results.jsonl").open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")
        return result

    def _fault(self, scene: Scene, run: int, number: int, only: str | None) -> Seen:
        names = [name for name in KINDS if only in (None, name)]
        kind = scene.rng.choices(names, [KINDS[name][1] for name in names])[0]
        seen = Seen(run, number, kind, at=datetime.now(UTC).isoformat(timespec="seconds"))
        waits = scene.rng.random() < 0.6  # else the next one comes before this one is over
        scene.note = ""
        scene.feed()
        began = time.monotonic()
        try:
            seen.target = KINDS[kind][0](scene)
            seen.took_seconds = round(time.monotonic() - began, 1)
            scene.complete()
            if waits:
                seen.recovered_seconds = round(self._recovered(), 1)
        except (AssertionError, StackProblemError) as wrong:
            seen.violations.append(f"{kind}: {wrong}")
        seen.note = scene.note
        scene.complete()
        seen.violations += self.watch.look()
        recovered = "-" if seen.recovered_seconds is None else f"{seen.recovered_seconds:.1f} s"
        self._say(
            f"run {run} fault {number + 1:2}: {kind:15} {seen.target:45} took {seen.took_seconds:5.1f} s, "
            f"recovered {recovered:>7} {seen.note} {'VIOLATION ' + str(seen.violations) if seen.violations else ''}"
        )
        return seen

    def _recovered(self) -> float:
        """Seconds until a report that is told now is settled: through both services and both servers."""
        self._canaries += 1
        patient = f"p{self._canaries % 40}"
        name = f"c{self._canaries}"
        event = {
            "specversion": "1.0",
            "id": name,
            "source": "/canary",
            "type": "outreach.outcome.v1",
            "time": "2026-10-01T00:00:00Z",
            "data": {
                "organization_id": CANARY,
                "patient_id": patient,
                "channel": "sms",
                "outcome": "sent",
                "message_id": name,
            },
        }
        key = record_key(CANARY, patient)
        self.publisher.release([Told(OUTREACH_EVENTS, key, json.dumps(event).encode(), "outreach", key.decode())])
        timelines = self.stack.direct["risk_engine"]["timelines"]
        wanted = {"_id": key.decode(), f"messages.sms:{name}": {"$exists": True}, "dirty": {"$exists": False}}
        return wait_until(lambda: timelines.count_documents(wanted) > 0, RECOVERS_WITHIN, "a new report is settled")

    # ------------------------------------------------------------------ parts of it

    def _scene(self, rng: Random, feed: Callable[[], None]) -> Scene:
        return Scene(self.stack, rng, feed, self._outage_seconds)

    def _feeder(self, load: list[Told], count: int, rng: Random) -> Callable[[], None]:
        good = [told for told in load if told.kind != "poison"]

        def feed() -> None:
            """The next records; when there are none left, some come again."""
            self.publisher.release(load[:count] or rng.choices(good, k=count))
            del load[:count]

        return feed

    def _add_organization(self, organization: str, settings: dict[str, Any]) -> str:
        reengage = self.stack.direct["reengage"]
        token, document = new_token(organization, "admin", now=datetime.now(UTC))
        reengage["tokens"].insert_one(document)
        reengage["organizations"].insert_one(
            {
                "_id": organization,
                "name": organization,
                "settings": {name: value for name, value in settings.items() if name != "id"},
                "settings_revision": 1,
                "cliniko": {"base_url": "http://127.0.0.1:1/v1", "key": "x", "key_hash": "x", "contact_email": "a@b.c"},
                "created_at": datetime(2026, 1, 1, tzinfo=UTC),
                "removed_at": None,
            }
        )
        return token

    def _change_settings(self, organization: str, settings: dict[str, Any]) -> None:
        """From now on all results are to be made anew, beside those that are served."""
        changed = {f"settings.{name}": value for name, value in settings.items() if name != "id"}
        update = {"$set": changed, "$inc": {"settings_revision": 1}}
        self.stack.direct["reengage"]["organizations"].update_one({"_id": organization}, update)

    def _ended_by_themselves(self) -> list[str]:
        """Services that gave up: none may, whatever happens around them."""
        found = []
        for name, process in list(self.stack.services.items()):
            if process.child is not None and process.child.poll() == 1:
                found.append(f"{name} ended by an error, see {self.folder / 'logs'}")
            if process.child is not None and process.child.poll() is not None:
                del self.stack.services[name]
        return found


__all__ = ["RunResult", "Seen", "Suite", "kinds"]
