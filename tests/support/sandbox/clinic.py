"""One clinic: its records, and what happens to them."""

from collections.abc import Iterable
from datetime import date, tzinfo

from support.sandbox.catalog import RESOURCES, TOMBSTONES
from support.sandbox.clock import Clock, stamp
from support.sandbox.options import Options
from support.sandbox.records import Collection
from support.sandbox.refusals import not_found
from support.sandbox.rendering import RENDERERS
from support.sandbox.schema import Fields

# Far above 2**53, as Cliniko's ids are: a client that reads them as floats fails here, too.
FIRST_ID = 1_809_912_345_678_900_001

REASONS = {
    10: "Feeling Better",
    20: "Condition Worse",
    30: "Sick",
    31: "COVID-19 related",
    40: "Away",
    50: "Other",
    60: "Work",
}


class Clinic:
    """The records of one clinic by kind, and every change that can happen to them.

    Every change sets `updated_at` to now, or to `at`, of the records that Cliniko would touch.
    """

    def __init__(self, name: str, *, clock: Clock, options: Options | None = None) -> None:
        self.name = name
        self.options = options or Options()
        self.records = {kind: Collection(resource) for kind, resource in RESOURCES.items()}
        self.tombstones = Collection(TOMBSTONES)
        self._clock = clock
        self._last_id = FIRST_ID - 1

    def __contains__(self, record_id: object) -> bool:
        return any(record_id in collection for collection in self.records.values())

    def now(self) -> str:
        """Return the present instant as records show it."""
        return stamp(self._clock())

    def today(self, zone: tzinfo) -> date:
        """Return the present day in a time zone."""
        return self._clock().astimezone(zone).date()

    def load(self, kind: str, records: Iterable[Fields]) -> None:
        """Take many records of one kind at once."""
        self.records[kind].load(records)

    def load_from(self, other: "Clinic") -> None:
        """Take all records of another clinic, which goes its own way from then on."""
        for kind, collection in other.records.items():
            self.load(kind, collection.values())

    def find(self, kind: str, record_id: str) -> Fields:
        """Return a record, hidden or not. Raises Refused (404)."""
        found = self.records[kind].get(record_id)
        if found is None:
            raise not_found()
        return found

    def body(self, kind: str, record_id: str) -> Fields:
        """Return a record as Cliniko shows it. Raises Refused (404)."""
        return RENDERERS[kind].body(self.find(kind, record_id))

    def create(self, kind: str, fresh: Fields, *, at: str | None = None) -> str:
        """Add a record, with what Cliniko adds to it, and return its id."""
        at = at or self.now()
        record = {"id": self._new_id(), "created_at": at, "updated_at": at, **fresh}
        record_id: str = record["id"]
        if kind == "patients" and record.get("label") is None:
            names = (record.get("first_name", ""), record.get("last_name", ""))
            record["label"] = " ".join(name for name in names if name)
        if kind == "individual_appointments":
            patient = self.records["patients"].get(record.get("patient_id", ""), {})
            record.setdefault("patient_name", patient.get("label"))
        self.records[kind].put(record)
        if kind in ("individual_appointments", "attendees"):
            self._show_as_latest(record)
        if kind == "individual_appointments":
            self._attend(record)
        elif kind == "attendees":
            self._join_class(record)
        elif self.options.parts_touch_patients and "patient_id" in record:
            self._touch("patients", record["patient_id"], at)
        return record_id

    def update(self, kind: str, record_id: str, changes: Fields, *, at: str | None = None) -> None:
        """Change a record's fields; `updated_at` stands still if none of them differs."""
        old = self.find(kind, record_id)
        shown = RESOURCES[kind].shown
        if all(old.get(name, shown.get(name)) == value for name, value in changes.items()):
            return
        new = {**old, "updated_at": at or self.now(), **changes}
        if kind == "patients" and {"first_name", "last_name"} & changes.keys():
            new["label"] = f"{new.get('first_name', '')} {new.get('last_name', '')}".strip()
        self.records[kind].put(new)
        if kind == "attendees" and "arrived" in changes:
            self._show_mark(new, new["updated_at"])
        elif kind == "individual_appointments" and {"did_not_arrive", "patient_arrived"} & (changes.keys()):
            self._mirror_mark(new)

    def archive(self, kind: str, record_id: str, *, at: str | None = None) -> None:
        """Hide a record for good measure; doing so again changes nothing."""
        if self.find(kind, record_id).get("archived_at") is None:
            at = at or self.now()
            self.update(kind, record_id, {"archived_at": at}, at=at)

    def cancel(self, kind: str, record_id: str, *, reason: int, note: str | None, at: str | None = None) -> None:
        """Cancel an appointment (its attendee, too) or one place in a class."""
        at = at or self.now()
        cancelled = {
            "cancelled_at": at,
            "cancellation_reason": reason,
            "cancellation_reason_description": REASONS.get(reason, "Other"),
            "cancellation_note": note,
        }
        self.update(kind, record_id, cancelled, at=at)
        if kind == "individual_appointments" and self.options.cancellation_reaches_attendee:
            for attendee_id in self.attendee_ids(record_id):
                self.update("attendees", attendee_id, cancelled, at=at)

    def mark(self, kind: str, record_id: str, arrived: bool | None, *, at: str | None = None) -> None:
        """Mark an attendee, or those of an appointment, as arrived, missed or (None) undone."""
        self.find(kind, record_id)
        marked = [record_id] if kind == "attendees" else self.attendee_ids(record_id)
        for attendee_id in marked:
            self.update("attendees", attendee_id, {"arrived": arrived}, at=at)

    def merge(self, loser: str, winner: str, *, at: str | None = None, move_records: bool = False) -> None:
        """Archive one patient as merged with another, whose record says nothing of it."""
        at = at or self.now()
        self.find("patients", winner)
        merged = {"archived_at": at, "merged_at": at, "merged_with_patient_id": winner}
        self.update("patients", loser, merged, at=at)
        if move_records:
            for kind, record_id in self._naming("patient_id", loser):
                self.update(kind, record_id, {"patient_id": winner}, at=at)

    def delete(self, kind: str, record_id: str, *, at: str | None = None) -> None:
        """Erase a record and all that hangs on it; of a patient a tombstone is left."""
        self.find(kind, record_id)
        if kind == "patients":
            self._erase_patient(record_id, at or self.now())
            return
        if kind in ("individual_appointments", "group_appointments"):
            for attendee_id in self.attendee_ids(record_id):
                self.records["attendees"].remove(attendee_id)
        self.records[kind].remove(record_id)

    def attendee_ids(self, booking_id: str) -> list[str]:
        """Return the ids of an appointment's attendees."""
        return self.records["attendees"].holding(booking_id)

    def _erase_patient(self, patient_id: str, at: str) -> None:
        for kind, record_id in self._naming("patient_id", patient_id):
            if record_id in self.records[kind]:
                self.delete(kind, record_id)
        for _, source_id in self._naming("referrer_id", patient_id):
            self.update("referral_sources", source_id, {"referrer_id": None}, at=at)
        classes = self.records["group_appointments"]
        for class_id in list(classes):
            members = classes[class_id].get("patient_ids", [])
            if patient_id in members:
                rest = [each for each in members if each != patient_id]
                classes.put({**classes[class_id], "patient_ids": rest})
        self.records["patients"].remove(patient_id)
        self.tombstones.put({"id": patient_id, "created_at": at, "deleted_at": at})
        # Who was merged into the patient is the same person.
        for _, merged_id in self._naming("merged_with_patient_id", patient_id):
            self._erase_patient(merged_id, at)

    def _naming(self, name: str, record_id: str) -> list[tuple[str, str]]:
        """Return (kind, id) of all records whose field names a record."""
        return [
            (kind, each)
            for kind, collection in self.records.items()
            for each in collection
            if collection[each].get(name) == record_id
        ]

    def _new_id(self) -> str:
        while True:
            self._last_id += 1
            if str(self._last_id) not in self:
                return str(self._last_id)

    def _touch(self, kind: str, record_id: str, at: str) -> None:
        if record_id in self.records[kind]:
            self.records[kind].put({**self.records[kind][record_id], "updated_at": at})

    def _show_as_latest(self, record: Fields) -> None:
        """Link the booking from the patient, whose `updated_at` stands still."""
        patients = self.records["patients"]
        patient = patients.get(record.get("patient_id", ""))
        if patient is not None:
            latest = record.get("booking_id") or record["id"]
            patients.put({**patient, "latest_booking_id": latest})

    def _attend(self, appointment: Fields) -> None:
        """Give an individual appointment its one attendee."""
        kept = ("created_at", "updated_at", "patient_id", "patient_case_id")
        attendee = {name: appointment[name] for name in kept if name in appointment}
        attendee |= {"id": self._new_id(), "booking_id": appointment["id"]}
        self.records["attendees"].put(attendee | {"arrived": arrived_by_pair(appointment)})

    def _join_class(self, attendee: Fields) -> None:
        """List an attendee's patient in the class, whose `updated_at` stands still."""
        classes = self.records["group_appointments"]
        booked = classes.get(attendee.get("booking_id", ""))
        patient_id = attendee.get("patient_id")
        if booked is not None and patient_id not in booked.get("patient_ids", []):
            members = [*booked.get("patient_ids", []), patient_id]
            classes.put({**booked, "patient_ids": members})

    def _show_mark(self, attendee: Fields, at: str) -> None:
        """An attendee's mark shows in its appointment's pair; undone, the pair is null."""
        appointments = self.records["individual_appointments"]
        appointment = appointments.get(attendee.get("booking_id", ""))
        if appointment is None:
            return
        arrived = attendee.get("arrived")
        pair = {
            "patient_arrived": arrived,
            "did_not_arrive": None if arrived is None else not arrived,
        }
        touched = {"updated_at": at} if self.options.marks_touch_appointments else {}
        appointments.put({**appointment, **pair, **touched})

    def _mirror_mark(self, appointment: Fields) -> None:
        """What an appointment's pair was set to directly is its attendee's mark, too."""
        attendees = self.records["attendees"]
        mark = {
            "arrived": arrived_by_pair(appointment),
            "updated_at": appointment["updated_at"],
        }
        for attendee_id in self.attendee_ids(appointment["id"]):
            attendees.put({**attendees[attendee_id], **mark})


def arrived_by_pair(appointment: Fields) -> bool | None:
    """Return the attendee's mark that an appointment's pair shows; None for none."""
    if appointment.get("did_not_arrive"):
        return False
    return True if appointment.get("patient_arrived") else None
