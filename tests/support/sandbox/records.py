"""The records of one kind: kept in the order of lists, so that any page of any list is a slice."""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from support.sandbox.filters import Predicate, Query, predicates
from support.sandbox.schema import Fields, Resource

Key = tuple[str, str]
"""A record's place in a list: when it was created, then its id."""

# Answers kept ready, most recently asked last. A synchronization asks a few dozen at most.
VIEWS_KEPT = 64


class _View:
    """The answer to one question: the keys of the records in it, in order."""

    def __init__(self, tests: Sequence[Predicate], keys: list[Key]) -> None:
        self._tests = tests
        self.keys = keys

    def move(self, old: Key | None, key: Key | None, fields: Fields) -> None:
        """Take the old version of a record out, and put the new one in if it belongs here."""
        if old is not None:
            at = bisect_left(self.keys, old)
            if at < len(self.keys) and self.keys[at] == old:
                del self.keys[at]
        if key is not None and all(test(fields) for test in self._tests):
            insort(self.keys, key)


def _update_key(fields: Fields) -> Key:
    """A record's place by its last change."""
    return fields.get("updated_at", ""), fields["id"]


class Collection(Mapping[str, Fields]):
    """The records of one kind by id.

    The fields of a record are replaced, never changed in place. The answers to recent questions
    are kept and moved along with every change, so that a walk costs the same at any depth.
    """

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self._fields: dict[str, Fields] = {}
        self._keys: dict[str, Key] = {}
        self._order: list[Key] = []
        self._by_update: list[Key] = []
        self._looked_up: dict[str, list[str]] = {}
        self._views: OrderedDict[Query, _View] = OrderedDict()
        self._sorted: dict[tuple[Query, str], list[Key]] = {}

    def __getitem__(self, record_id: str) -> Fields:
        return self._fields[record_id]

    def __contains__(self, record_id: object) -> bool:
        return record_id in self._fields

    def __iter__(self) -> Iterator[str]:
        return (record_id for _, record_id in self._order)

    def __len__(self) -> int:
        return len(self._fields)

    def load(self, records: Iterable[Fields]) -> None:
        """Take many records at once, over those of the same id."""
        for fields in records:
            record_id = fields["id"]
            if record_id in self._keys:
                self._index(self._fields[record_id], out=True)
            self._fields[record_id] = fields
            self._keys[record_id] = (fields["created_at"], record_id)
            self._index(fields)
        self._order = sorted(self._keys.values())
        self._by_update = sorted(map(_update_key, self._fields.values()))
        self._views.clear()
        self._sorted.clear()

    def put(self, fields: Fields) -> None:
        """Add a record, or replace the one of its id."""
        record_id = fields["id"]
        old = self._keys.get(record_id)
        key = (fields["created_at"], record_id)
        if old is not None:
            self._forget(old)
        insort(self._order, key)
        insort(self._by_update, _update_key(fields))
        self._fields[record_id], self._keys[record_id] = fields, key
        self._index(fields)
        self._move(old, key, fields)

    def remove(self, record_id: str) -> None:
        """Take a record out as if it had never been."""
        old = self._keys[record_id]
        self._forget(old)
        del self._keys[record_id]
        self._move(old, None, self._fields.pop(record_id))

    def holding(self, value: str) -> list[str]:
        """Return the ids of the records that name `value` in the field they are looked up by."""
        return list(self._looked_up.get(value, ()))

    def _index(self, fields: Fields, *, out: bool = False) -> None:
        named = fields.get(self.resource.looked_up_by or "")
        if named is None:
            return
        if out:
            self._looked_up[named].remove(fields["id"])
        else:
            self._looked_up.setdefault(named, []).append(fields["id"])

    def _forget(self, old: Key) -> None:
        self._index(self._fields[old[1]], out=True)
        del self._order[bisect_left(self._order, old)]
        updated = _update_key(self._fields[old[1]])
        del self._by_update[bisect_left(self._by_update, updated)]

    def _move(self, old: Key | None, key: Key | None, fields: Fields) -> None:
        for view in self._views.values():
            view.move(old, key, fields)
        self._sorted.clear()

    def select(self, query: Query) -> Sequence[Key]:
        """Return the keys of all records that answer the question, in order of creation."""
        view = self._views.get(query)
        if view is None:
            tests = predicates(self.resource, query)
            view = _View(tests, self._answer(query, tests))
            self._views[query] = view
            if len(self._views) > VIEWS_KEPT:
                self._views.popitem(last=False)
        self._views.move_to_end(query)
        return view.keys

    def _answer(self, query: Query, tests: Sequence[Predicate]) -> list[Key]:
        """Work an answer out; a question about recent changes looks at those alone."""
        since = query.changed_since
        first = 0 if since is None else bisect_left(self._by_update, (since, ""))
        recent = len(self._by_update) - first < len(self._order) // 4
        candidates = self._by_update[first:] if recent else self._order
        rows: Iterable[Fields] = (self._fields[record_id] for _, record_id in candidates)
        for test in tests:
            rows = filter(test, rows)
        keys = [self._keys[fields["id"]] for fields in rows] if tests or recent else candidates[:]
        if recent:
            keys.sort()
        return keys

    def select_sorted(self, query: Query, named: str, arrange: Callable[[list[Fields]], None]) -> Sequence[Key]:
        """Return the same keys in another order; `named` tells one order from another."""
        known = self._sorted.get((query, named))
        if known is None:
            rows = [self._fields[record_id] for _, record_id in self.select(query)]
            arrange(rows)
            known = self._sorted[query, named] = [self._keys[fields["id"]] for fields in rows]
        return known

    def matches(self, record_id: str, query: Query) -> bool:
        """Say whether a record is in the answer to a question."""
        fields = self._fields.get(record_id)
        return fields is not None and all(test(fields) for test in predicates(self.resource, query))
