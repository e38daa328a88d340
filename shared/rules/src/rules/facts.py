"""What is known of one patient: the newest version of every fact, with the dates that cut it.

A fact of a merged patient belongs to the survivor from `known_from` on, the instant of the
merge; a patient's own facts have `known_from` 0. FOREVER stands for "not (yet)".
"""

from typing import NamedTuple

from rules.instants import FOREVER

ERASED_NAME = "Erased patient"


class Contact(NamedTuple):
    """The patient's own record; it exists from `created_at` until `gone_at`."""

    created_at: int
    gone_at: int = FOREVER
    merged_at: int = FOREVER
    merged_into: str | None = None
    updated_at: int = 0
    name: str = ""
    email: str | None = None
    phone: str | None = None
    accepts_sms_marketing: bool | None = None
    accepts_email_marketing: bool | None = None
    reminder_type: str | None = None
    health_conditions: tuple[str, ...] = ()
    referral_source: str | None = None
    erased: bool = False

    @property
    def shown_name(self) -> str:
        """What answers call the patient; an erased one has no name of its own."""
        return ERASED_NAME if self.erased else self.name


class Appointment(NamedTuple):
    """An appointment or a place in a class; `order` breaks ties between equal instants."""

    order: str
    id: str
    created_at: int
    starts_at: int
    cancelled_at: int = FOREVER
    gone_at: int = FOREVER
    missed: bool = False
    arrived: bool = False
    type: str | None = None
    practitioner: str | None = None
    known_from: int = 0


class Communication(NamedTuple):
    """Something received from the patient."""

    at: int
    known_from: int = 0
    id: str = ""


class Recall(NamedTuple):
    """A recall, due on a local day."""

    created_at: int
    due_on: int
    gone_at: int = FOREVER
    known_from: int = 0
    id: str = ""


class Report(NamedTuple):
    """One outreach event: what somebody reported about a message."""

    at: int
    channel: str
    message_id: str
    outcome: str
    attempt_id: str | None = None
    reason: str | None = None
    source: str = ""
    event_id: str = ""
    campaign: str | None = None
    staff: str | None = None
    known_from: int = 0


class Treatment(NamedTuple):
    """A treatment outcome as another system reported it."""

    at: int
    outcome: str
    source: str = ""
    event_id: str = ""
    known_from: int = 0


class Facts(NamedTuple):
    """All facts of one patient; every collection is sorted by its first fields."""

    patient_id: str
    contact: Contact | None
    appointments: tuple[Appointment, ...] = ()
    communications: tuple[Communication, ...] = ()
    recalls: tuple[Recall, ...] = ()
    reports: tuple[Report, ...] = ()
    treatments: tuple[Treatment, ...] = ()
