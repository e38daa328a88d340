"""A real clinic as its users have it: the import from Cliniko's sandbox to readable answers, moved to end today.

What the whole system does, services, operator's program and all; another clinic's outreach meanwhile.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.asking import Client
from bench.publishing import median, percentile
from bench.reads import LIST, absolute, all_answers, past_lists
from bench.report import Figure, at_most, plain
from bench.stack import resident_megabytes_of
from support.oracle import VITORIA
from support.system import System, running_system

DATA = Path(__file__).parents[3] / "shared" / "data"
ORGANIZATION, BESIDE, DEMO_KEY = "org_vitoria", "org_beside", "unused-au1"
PATIENTS, APPOINTMENTS = 62_299, 110_527
VISIBLE_MS, BESIDE_SECONDS = 1_000, 2.0
EVENTS, LONGEST_SECONDS = 100, 120


def vitoria(*, quick: bool) -> list[Figure]:
    """Nothing where the data is absent, or in a smoke test: it takes minutes."""
    if quick or not DATA.exists():
        print(f"vitoria: left out ({'quick' if quick else f'no data in {DATA}'})", file=sys.stderr)
        return []
    with running_system() as system:
        system.add_organization(BESIDE, DEMO_KEY, {"time_zone": "Australia/Melbourne"})
        system.synchronize(BESIDE)
        key = system.serve_clinic({"clinic": "vitoria", "data": str(DATA / VITORIA), "shift_to_today": True})
        figures = _import(system, key)
        figures += _answers(system)
        figures += [*_memory(system), _event_to_patient(system)]
    return figures


def _import(system: System, key: str) -> list[Figure]:
    system.add_organization(ORGANIZATION, key, {"time_zone": "America/Sao_Paulo"})
    began = time.monotonic()
    system.reengage("sync", ORGANIZATION)
    numbers, beside = count(), []
    while _syncing(system) or not beside:
        beside.append(_event_to_sums(system, next(numbers)))
    system.settle()
    spent = time.monotonic() - began
    records = PATIENTS + 2 * APPOINTMENTS
    return [
        plain(f"import of {PATIENTS:,} patients, {APPOINTMENTS:,} appointments, as many attendees", spent, " s"),
        plain("… until all of it is readable", records / spent, " Cliniko records/s"),
        at_most(
            f"another clinic's outreach event meanwhile, to its sums: median of {len(beside)}",
            median(beside),
            BESIDE_SECONDS,
            " s",
        ),
        plain("… the longest", max(beside), " s"),
    ]


def _syncing(system: System) -> bool:
    return bool(system.get(ORGANIZATION, "cliniko/status/{org}")["state"] in ("never", "syncing"))


def _event_to_sums(system: System, number: int) -> float:
    def attempts() -> int:
        body = system.get(BESIDE, "reengagement/{org}/performance", days=1)
        return int(body["reengagement_metrics"]["outreach_attempts"])

    before = attempts()
    began = _report(system, BESIDE, _first_patient(system, BESIDE), number)
    while attempts() == before:
        if time.monotonic() > began + LONGEST_SECONDS:
            raise RuntimeError(f"an outreach event is in no sum after {LONGEST_SECONDS} s")
        time.sleep(0.02)
    return time.monotonic() - began


def _event_to_patient(system: System) -> Figure:
    patient, spent = _first_patient(system, ORGANIZATION), []

    def messages() -> int:
        told = system.get(ORGANIZATION, f"reengagement/{{org}}/patients/{patient}")["timeline"]
        return sum(entry["kind"] == "message" for entry in told)

    for number in range(EVENTS):
        began = _report(system, ORGANIZATION, patient, number)
        while messages() <= number:
            pass
        spent.append((time.monotonic() - began) * 1e3)
    return at_most(
        f"outreach event by HTTP to the patient's route: p99 (median {median(spent):.0f} ms)",
        percentile(spent, 0.99),
        VISIBLE_MS,
        " ms",
    )


def _first_patient(system: System, organization: str) -> str:
    found = system.get(organization, "reengagement/{org}/patients/prioritized", limit=1)["patients"]
    return str(found[0]["id"])


def _report(system: System, organization: str, patient: str, number: int) -> float:
    """When it was sent."""
    data = {"organization_id": organization, "patient_id": patient, "channel": "sms", "outcome": "sent"}
    event = {
        "specversion": "1.0",
        "id": f"bench-{number}",
        "source": "/bench",
        "type": "outreach.outcome.v1",
        "time": datetime.now(UTC).isoformat(),
        "data": {**data, "message_id": f"bench-{number}", "attempt_id": f"bench-{number}"},
    }
    began = time.monotonic()
    system.report(organization, [event])
    return began


def _answers(system: System) -> list[Figure]:
    port = urlsplit(system.gateway).port
    assert port is not None
    client = Client(port, ORGANIZATION, system.tokens[ORGANIZATION])
    client.get(LIST)
    found = {name: taken["it"] for name, taken in all_answers({"it": client}, 40).items()}
    return [*absolute("shifted to today", found), *past_lists(client, PATIENTS)]


def _memory(system: System) -> Iterator[Figure]:
    for file in sorted((system.home / "run").glob("*.pid")):
        if file.stem == "supervisor":  # the parent of all of them
            continue
        with suppress(FileNotFoundError, KeyError):
            told: dict[str, Any] = json.loads(file.read_text())
            yield plain(f"memory of {file.stem} then", resident_megabytes_of(told["pid"]), " MB")
