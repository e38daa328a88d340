"""Which records a list shows: Cliniko's q[] filters read into one question about a record."""

import re
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from support.sandbox.clock import ceiling, instant_of, stamp
from support.sandbox.refusals import bad_request
from support.sandbox.schema import Fields, Resource

Predicate = Callable[[Fields], bool]
Value = Callable[[Fields], Any]

_PRESENCE = ("!?", "?")
_ORDER = (">=", "<=", ">", "<")
_OPERATORS = {
    "date": (*_ORDER, *_PRESENCE, "="),
    "date-time": (*_ORDER, *_PRESENCE, "*"),
    "int64": ("!=", *_ORDER, *_PRESENCE, "="),
    "integer": ("!=", *_ORDER, *_PRESENCE, "="),
    "string": ("!=", "~~", "~", *_PRESENCE, "="),
    "boolean": ("!=", "="),
    "array": ("~",),
}
_BARE = ("!?", "?", "*")
_TYPE_NAMES = {"int64": "a number", "integer": "a number", "boolean": "a boolean"}
_DATE_PATTERN = re.compile(r"[\d*]{4}-[\d*]{2}-[\d*]{2}")
# Where a filter's field is kept under another name in the record.
_KEPT_AS = {"appointment_id": "booking_id"}


@dataclass(frozen=True)
class Filter:
    """One condition, as asked: comparable, so that equal questions share their answer."""

    field: str
    operator: str
    operand: str


@dataclass(frozen=True)
class Query:
    """The conditions of one question, those that hide records by default included."""

    filters: tuple[Filter, ...]
    shown_only: tuple[str, ...]

    @property
    def changed_since(self) -> str | None:
        """The instant before whose second no record in the answer was last changed, if any."""
        since = [each.operand for each in self.filters if each.field == "updated_at" and each.operator in (">=", ">")]
        return max(since, default=None)


def read_query(
    resource: Resource,
    conditions: Iterable[str],
    *,
    fixed: Sequence[Filter] = (),
    known_ids: Container[str] = (),
    hiding_deleted: bool = False,
) -> Query:
    """Return the question that q[] conditions ask of a resource.

    `fixed` conditions are of the path, not of the caller, and lift nothing but their own field.
    `known_ids` may be asked for although they are no numbers. With `hiding_deleted` a record with
    `deleted_at` is hidden for that alone. Raises Refused (400).
    """
    asked = [_read(resource, text, known_ids) for text in conditions]
    filters = (*fixed, *asked)
    named = {condition.field for condition in filters}
    hidden_by = resource.hidden_by
    if hiding_deleted and hidden_by and "deleted_at" in resource.filters:
        hidden_by = (*hidden_by, "deleted_at")
    hiding = tuple(name for name in hidden_by if named.isdisjoint((name, *resource.lifted_also_by.get(name, ()))))
    return Query(tuple(condition for condition in filters if condition.operator != "*"), hiding)


def _read(resource: Resource, text: str, known_ids: Container[str]) -> Filter:
    name, _, rest = text.partition(":")
    kind = resource.filters.get(name)
    if kind is None:
        raise bad_request(f"{name} is not filterable")
    operator = next((each for each in _OPERATORS[kind] if rest.startswith(each)), None)
    if operator is None:
        raise bad_request(f"Filter operator for {name} is not supported")
    operand = rest[len(operator) :]
    if operator in _BARE:
        if operand:
            raise bad_request(f"Filter operator {operator} for {name} takes no value")
        return Filter(name, operator, "")
    return Filter(name, operator, _normal(name, kind, operator, operand, known_ids))


def _normal(name: str, kind: str, operator: str, operand: str, known_ids: Container[str]) -> str:
    wrong = bad_request(f"Filter value for {name} must be {_TYPE_NAMES.get(kind, f'a {kind}')}")
    if kind == "date-time":
        try:
            instant = instant_of(operand)
        except ValueError:
            raise wrong from None
        # Records have whole seconds: >= and < ask for the next one, > and <= for this one.
        return stamp(ceiling(instant) if operator in (">=", "<") else instant)
    if kind == "date":
        if operator == "=" and "*" in operand:
            if not _DATE_PATTERN.fullmatch(operand):
                raise wrong
        else:
            try:
                date.fromisoformat(operand)
            except ValueError:
                raise wrong from None
    elif kind in ("int64", "integer"):
        each = operand.split(",") if operator == "=" else [operand]
        if not all(re.fullmatch(r"-?\d+", value) or value in known_ids for value in each):
            raise wrong
    elif kind == "boolean" and operand not in ("true", "false"):
        raise wrong
    return operand


def predicates(resource: Resource, query: Query) -> list[Predicate]:
    """Return what a record's fields must all satisfy to be in the answer."""
    hiding = [_is_unset(name) for name in query.shown_only]
    return hiding + [_predicate(resource, condition) for condition in query.filters]


def _is_unset(name: str) -> Predicate:
    return lambda fields: fields.get(name) is None


def _predicate(resource: Resource, condition: Filter) -> Predicate:
    kind, operator, operand = (
        resource.filters.get(condition.field, "string"),
        condition.operator,
        condition.operand,
    )
    value = _value_of(resource, condition.field)
    if operator == "?":
        return lambda fields: value(fields) is not None
    if operator == "!?":
        return lambda fields: value(fields) is None
    if kind == "array":
        return lambda fields: operand in (value(fields) or ())
    if kind == "boolean":
        wanted, equal = operand == "true", operator == "="
        return lambda fields: (value(fields) is wanted) is equal
    if kind == "string":
        return _text(value, operator, operand)
    if operator == "=" and kind == "date":
        pattern = re.compile(operand.replace("*", r"\d"))
        return lambda fields: pattern.fullmatch(value(fields) or "") is not None
    if operator == "=":
        any_of = frozenset(operand.split(","))
        return lambda fields: str(value(fields)) in any_of
    if operator == "!=":
        return lambda fields: str(value(fields)) != operand
    if kind in ("int64", "integer"):
        return _ordered(lambda fields: _number(value(fields)), operator, int(operand))
    return _ordered(value, operator, operand)


def _value_of(resource: Resource, name: str) -> Value:
    kept_as, fresh = _KEPT_AS.get(name, name), resource.shown.get(name)
    return lambda fields: fields.get(kept_as, fresh)


def _number(value: Any) -> int | None:
    try:
        return None if value is None else int(value)
    except ValueError:
        return None


def _text(value: Value, operator: str, operand: str) -> Predicate:
    folded = operand.casefold()
    if operator == "=":
        return lambda fields: value(fields) == operand
    if operator == "!=":
        return lambda fields: value(fields) != operand
    if operator == "~":
        return lambda fields: folded in (value(fields) or "").casefold()
    parts = (re.escape(part) for part in folded.split("%"))
    pattern = re.compile(".*".join(parts), re.DOTALL)
    return lambda fields: pattern.fullmatch((value(fields) or "").casefold()) is not None


def _ordered(value: Value, operator: str, operand: Any) -> Predicate:
    if operator == ">=":
        return lambda fields: (held := value(fields)) is not None and held >= operand
    if operator == ">":
        return lambda fields: (held := value(fields)) is not None and held > operand
    if operator == "<=":
        return lambda fields: (held := value(fields)) is not None and held <= operand
    return lambda fields: (held := value(fields)) is not None and held < operand
