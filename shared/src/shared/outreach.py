"""What other systems may report: the rules of an outreach event, the same by topic and by HTTP.

Pure. A reason for which an event is refused never quotes it: events are about patients.
"""

import json
import re
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from rules.instants import FIRST_YEAR, HOUR, LAST_YEAR, parse_instant, plausible
from shared.events import OUTCOMES, Channel, Event, Instant, OfPatient
from shared.topics import MAX_RECORD_BYTES, record_key

OUTREACH_OUTCOME = "outreach.outcome.v1"
TREATMENT_OUTCOME = "treatment.outcome.v1"

MAX_AHEAD = HOUR
"""How far an event's time may lie ahead of the record's Kafka timestamp, or of its receipt by HTTP (µs)."""

MAX_REASONS = 20

Reason = tuple[str, str]
"""A JSON pointer into the event (empty: the whole of it), and what is wrong there."""

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class InvalidEvent(ValueError):  # noqa: N818 - the name of the contract
    """The event breaks rules; `reasons` say which, without any value of it."""

    def __init__(self, reasons: list[Reason]) -> None:
        self.reasons = reasons[:MAX_REASONS]
        super().__init__("; ".join(f"{pointer or '/'}: {detail}" for pointer, detail in self.reasons))


def _time(value: Any) -> Any:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise PydanticCustomError("time_stamp", "must be an RFC 3339 time stamp with an offset, such as ending in Z")
    if value[17:19] == "60":  # a leap second: the last microsecond before it
        value = f"{value[:17]}59.999999{value[19:].lstrip('.0123456789')}"
    try:
        instant = parse_instant(value.upper())
    except ValueError:
        raise PydanticCustomError("time_stamp", "is no moment that exists") from None
    try:
        return plausible(instant)
    except ValueError:
        raise PydanticCustomError("time_stamp", f"must be of the years {FIRST_YEAR} to {LAST_YEAR}") from None


def _nothing_if_empty(value: str | None) -> str | None:
    return value or None


LongId = Annotated[str, Field(min_length=1, max_length=500)]
OptionalId = Annotated[str | None, Field(max_length=500), AfterValidator(_nothing_if_empty)]
OptionalText = Annotated[str | None, Field(max_length=2_000), AfterValidator(_nothing_if_empty)]
EventTime = Annotated[Instant, BeforeValidator(_time, json_schema_input_type=str)]

_BY_CHANNEL: dict[str, Any] = {
    "allOf": [
        {
            "if": {"properties": {"channel": {"const": channel}}},
            "then": {"properties": {"outcome": {"enum": list(outcomes)}}},
        }
        for channel, outcomes in OUTCOMES.items()
    ]
}


class OutreachReported(OfPatient):
    """Data of `outreach.outcome.v1`: what became of one message to a patient.

    Reports with the same `attempt_id` belong to one attempt, whatever their channels.
    """

    model_config = ConfigDict(json_schema_extra=_BY_CHANNEL)

    channel: Channel
    outcome: str
    message_id: LongId
    attempt_id: OptionalId = None
    campaign: OptionalText = None
    reason: OptionalText = None
    staff: OptionalText = None

    @model_validator(mode="after")
    def _outcome_of_channel(self) -> Self:
        if self.outcome not in OUTCOMES[self.channel]:
            allowed = ", ".join(OUTCOMES[self.channel])
            raise PydanticCustomError("outcome", "{allowed}", {"allowed": f"for this channel one of {allowed}"})
        return self


class TreatmentReported(OfPatient):
    """Data of `treatment.outcome.v1`: how a treatment went, in words of the reporting system."""

    outcome: Annotated[str, Field(min_length=1, max_length=200)]


class OutreachOutcomeEvent(Event[OutreachReported]):
    """A report about an outreach message."""

    specversion: Literal["1.0"]
    type: Literal["outreach.outcome.v1"]
    time: EventTime


class TreatmentOutcomeEvent(Event[TreatmentReported]):
    """A report about a treatment."""

    specversion: Literal["1.0"]
    type: Literal["treatment.outcome.v1"]
    time: EventTime


MODEL_OF_TYPE: dict[str, type[OutreachOutcomeEvent] | type[TreatmentOutcomeEvent]] = {
    OUTREACH_OUTCOME: OutreachOutcomeEvent,
    TREATMENT_OUTCOME: TreatmentOutcomeEvent,
}
"""Model of every event that other systems may publish."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What every event tells; its identity is (organization, patient, source, event id)."""

    organization_id: str
    patient_id: str
    source: str
    event_id: str
    at: int
    canonical: str
    """The whole event as canonical JSON: of two versions of one instant the smaller one wins."""

    @property
    def key(self) -> bytes:
        """The key of the patient's records."""
        return record_key(self.organization_id, self.patient_id)


@dataclass(frozen=True, slots=True)
class OutreachOutcome(Reported):
    """A report about an outreach message."""

    channel: Channel
    outcome: str
    message_id: str
    attempt_id: str | None = None
    campaign: str | None = None
    reason: str | None = None
    staff: str | None = None


@dataclass(frozen=True, slots=True)
class TreatmentOutcome(Reported):
    """A report about a treatment."""

    outcome: str


def parse_outreach_event(
    raw: bytes | dict[str, Any], *, received_at: int, key: bytes | None
) -> OutreachOutcome | TreatmentOutcome:
    """The report that an event tells; raises InvalidEvent when it breaks a rule.

    `received_at` is the record's Kafka timestamp, or the receipt by HTTP. `key` is the record's
    (one without a key has the key `b""`); None where there is none to agree with, as by HTTP.
    """
    event, canonical = _read(raw)
    model = _validated(event)
    if model.time > received_at + MAX_AHEAD:
        received = "its receipt" if key is None else "the record's Kafka timestamp"
        raise InvalidEvent([("/time", f"lies more than one hour ahead of {received}")])
    patient = model.data
    if key is not None and key != record_key(patient.organization_id, patient.patient_id):
        raise InvalidEvent([("", "the record's key is not organization_id:patient_id of the data")])
    common = (patient.organization_id, patient.patient_id, model.source, model.id, model.time, canonical)
    if isinstance(model, TreatmentOutcomeEvent):
        return TreatmentOutcome(*common, model.data.outcome)
    told = model.data
    return OutreachOutcome(
        *common,
        told.channel,
        told.outcome,
        told.message_id,
        told.attempt_id,
        told.campaign,
        told.reason,
        told.staff,
    )


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no blanks and no escapes but the necessary; compare as text.

    Raises ValueError for what JSON or UTF-8 cannot say, RecursionError for what is nested too deep.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    text.encode()  # refuses halves of surrogate pairs
    return text


def _whole(digits: str) -> int | list[str]:
    try:
        return int(digits)
    except ValueError:  # more digits than Python converts
        return [digits]


def _real(digits: str) -> float | list[str]:
    number = float(digits)
    return number if isfinite(number) else [digits]


DECODER = json.JSONDecoder(parse_int=_whole, parse_float=_real)
"""Reads events. No field of ours is a number; one of a stranger's that Python cannot hold stays text, in a list so
that it passes for no text of ours."""


def _read(raw: bytes | dict[str, Any]) -> tuple[dict[str, Any], str]:
    if isinstance(raw, bytes) and len(raw) > MAX_RECORD_BYTES:
        raise InvalidEvent([("", f"larger than {MAX_RECORD_BYTES} bytes")])
    try:
        event = DECODER.decode(raw.decode()) if isinstance(raw, bytes) else raw
        canonical = canonical_json(event)
    except UnicodeError:
        raise InvalidEvent([("", "not UTF-8")]) from None
    except RecursionError:
        raise InvalidEvent([("", "nested too deep")]) from None
    except (ValueError, TypeError):
        raise InvalidEvent([("", "not JSON")]) from None
    if not isinstance(event, dict):
        raise InvalidEvent([("", "must be a JSON object")])
    if not isinstance(raw, bytes) and len(canonical.encode()) > MAX_RECORD_BYTES:
        raise InvalidEvent([("", f"larger than {MAX_RECORD_BYTES} bytes")])
    return event, canonical


def _validated(event: dict[str, Any]) -> OutreachOutcomeEvent | TreatmentOutcomeEvent:
    kind = event.get("type")
    model = MODEL_OF_TYPE.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise InvalidEvent([("/type", f"must be {' or '.join(MODEL_OF_TYPE)}")])
    try:
        return model.model_validate(event)
    except ValidationError as invalid:
        raise InvalidEvent([_reason(error) for error in invalid.errors(include_url=False)]) from None


_DETAILS = {
    "missing": "is required",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
}


def _reason(error: ErrorDetails) -> Reason:
    kind, place = error["type"], error["loc"]
    context = error.get("ctx", {})
    if kind in ("time_stamp", "outcome"):
        detail = error["msg"]
    elif kind == "string_too_long":
        detail = f"must have at most {context['max_length']} characters"
    elif kind == "literal_error":
        detail = f"must be {context['expected']}"
    else:
        detail = _DETAILS.get(kind, "is not valid")
    if kind == "outcome":
        place = (*place, "outcome")
    return "".join(f"/{step}" for step in place), detail
