"""What is published, and what must be there in the end: worked out from the records alone."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rules.instants import format_instant
from shared.records import Record
from shared.topics import APPOINTMENTS, CONTACTS, OUTREACH_EVENTS
from unit.simulator.fake_log import Log

ORGANIZATION = "org"
PATIENTS = ("p0", "p1", "p2", "p3")
DAY = 86_400_000_000
NOW = 1_795_600_000_000_000

Fact = tuple[str, str]
"""Patient, and the field that the fact has in its timeline."""


def _at(days_ago: int) -> str:
    return format_instant(NOW - days_ago * DAY)


def _envelope(kind: str, data: dict[str, Any]) -> bytes:
    event = {"specversion": "1.0", "id": "e", "source": "/ingestor", "type": kind, "time": _at(0), "data": data}
    return json.dumps(event).encode()


@dataclass
class Load:
    """Publishes into a log, and remembers what each record means."""

    log: Log
    newest: dict[Fact, tuple[int, Any]] = field(default_factory=dict)
    told: dict[tuple[str, str], list[tuple[str, str, dict[str, Any]]]] = field(default_factory=dict)
    """By patient and event id: time, canonical JSON and event of each version."""
    poison: set[tuple[str, int, int]] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)

    def contact(self, patient: str, version: int) -> None:
        """Some versions name a survivor, later ones another or none."""
        later = dict(enumerate(PATIENTS[PATIENTS.index(patient) + 1 :], start=1))  # chains, but no rings
        merged = {"merged_at": _at(20), "merged_into": later[version % 3]} if version % 3 in later else {}
        body = {"created_at": _at(200), "updated_at": _at(90), "name": f"Name {version}", **merged}
        self._tell(CONTACTS, "contact.changed.v1", patient, "contact", version, body["name"], body)

    def appointment(self, patient: str, number: int, version: int) -> None:
        """Every fourth version says that the appointment left the patient."""
        name = f"a{number}"
        place = f"appointments.{name}"
        if version % 4 == 3:
            self._tell(APPOINTMENTS, "appointment.left.v1", patient, place, version, None, {"appointment_id": name})
            return
        starts_at = _at(3 + 11 * version + number)
        body = {
            "appointment_id": name,
            "booking_id": name,
            "kind": "individual",
            "created_at": _at(120),
            "starts_at": starts_at,
            "did_not_arrive": version % 2 == 1,
            "arrived": False,
        }
        self._tell(APPOINTMENTS, "appointment.changed.v1", patient, place, version, starts_at, body)

    def erasure(self, patient: str) -> None:
        self.erased.add(patient)
        version = {"updated_at": _at(0), "read_at": _at(0)}
        data = {"organization_id": ORGANIZATION, "patient_id": patient, "version": version, "erased_at": _at(1)}
        self.log.append(CONTACTS, self._key(patient), _envelope("contact.erased.v1", data))

    def outreach(self, patient: str, event: int, version: int) -> None:
        """Versions of one event differ in time, outcome and message."""
        told = {
            "specversion": "1.0",
            "id": f"e{event}",
            "source": "/crm",
            "type": "outreach.outcome.v1",
            "time": _at(30 - version % 3),
            "data": {
                "organization_id": ORGANIZATION,
                "patient_id": patient,
                "channel": "sms",
                "outcome": ("sent", "delivered", "responded")[version % 3],
                "message_id": f"m{(event + version // 2) % 3}",
            },
        }
        canonical = json.dumps(told, sort_keys=True, separators=(",", ":"))
        self.log.append(OUTREACH_EVENTS, self._key(patient), canonical.encode())
        self.told.setdefault((patient, told["id"]), []).append((told["time"], canonical, told))

    def poisoned(self, patient: str, kind: int) -> None:
        topic = (CONTACTS, OUTREACH_EVENTS)[kind % 2]
        good = {"organization_id": ORGANIZATION, "patient_id": patient}
        key, value = (
            (self._key(patient), b"not JSON"),
            (self._key(patient), _envelope("unknown.v1", good)),
            (b"nobody:x", _envelope("contact.erased.v1", good)),
            (b"nobody:x", _envelope("contact.changed.v1", {"organization_id": "nobody", "patient_id": "x"})),
            (None, b"\xff"),
        )[kind // 2 % 5]
        record = self.log.append(topic, key, value)
        self.poison.add(record[:3])

    # ------------------------------------------------------------------ what must be there

    def messages(self) -> dict[tuple[str, str], list[tuple[str, str]]]:
        """By patient and message: (event id, outcome) of the events that name it, of each the version that wins."""
        found: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for (patient, name), versions in self.told.items():
            for _, _, event in versions:
                found.setdefault((patient, event["data"]["message_id"]), [])
            event = min(versions, key=lambda version: version[:2])[2]
            found[patient, event["data"]["message_id"]].append((name, event["data"]["outcome"]))
        return {place: sorted(events) for place, events in found.items()}

    # ------------------------------------------------------------------ records

    def _tell(
        self, topic: str, kind: str, patient: str, place: str, version: int, content: Any, body: dict[str, Any]
    ) -> None:
        ordered = {"updated_at": _at(100 - version // 2), "read_at": _at(50 - version)}
        data = {"organization_id": ORGANIZATION, "patient_id": patient, "version": ordered, **body}
        self.log.append(topic, self._key(patient), _envelope(kind, data))
        known = self.newest.get((patient, place))
        if known is None or known[0] < version:
            self.newest[patient, place] = version, content

    @staticmethod
    def _key(patient: str) -> bytes:
        return f"{ORGANIZATION}:{patient}".encode()


def origins(letters: Iterable[Record]) -> list[tuple[str, int, int]]:
    """Which records the dead letters are."""
    return [tuple(json.loads(letter.value or b"[]")) for letter in letters]
