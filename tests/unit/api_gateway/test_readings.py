"""What the readings make of the published read models."""

from collections import defaultdict
from typing import Any

import pytest

from api_gateway.readings.activity import active_patient_row, contact_row
from api_gateway.readings.published import Published
from rules.assess import assess, list_row
from rules.facts import Contact, Facts
from rules.settings import rule_settings
from rules.view import View
from shared.timelines import DATABASE, TIMELINES
from unit.api_gateway.gateway import NOW, ORG

DAY = 86_400_000_000
SETTINGS = rule_settings({"time_zone": "UTC"})
ERASED = Facts("p-1", Contact(created_at=NOW - 300 * DAY, gone_at=NOW, erased=True))


class FakeCollection:
    """Finds all it holds, whatever is asked."""

    def __init__(self, *documents: dict[str, Any]) -> None:
        self._documents = documents

    def find(self, *_: object, **__: object) -> "FakeCollection":
        return self

    async def to_list(self) -> list[dict[str, Any]]:
        return list(self._documents)


def published(*timelines: dict[str, Any]) -> Published:
    client: Any = defaultdict(lambda: defaultdict(FakeCollection))
    client[DATABASE][TIMELINES] = FakeCollection(*timelines)
    return Published(client)


def test_every_list_calls_an_erased_patient_the_same() -> None:
    as_of = NOW - DAY
    view = View(ERASED, SETTINGS, as_of)
    assessed = assess(ERASED, SETTINGS, as_of)

    assert assessed is not None
    assert list_row(assessed, view.today)["name"] == "Erased patient"
    assert active_patient_row(view)["contact_name"] == "Erased patient"
    assert contact_row(view)["name"] == "Erased patient"


@pytest.mark.parametrize(("marks", "name"), [({}, "Ann"), ({"erased": True, "name": ""}, "Erased patient")])
async def test_a_sample_calls_an_erased_patient_as_the_lists_do(marks: dict[str, Any], name: str) -> None:
    contact = {"created_at": NOW - 300 * DAY, "name": "Ann", **marks}

    (sample,) = await published({"patient_id": "p-1", "contact": contact}).newest_contacts(ORG, NOW - DAY, 5)

    assert sample["name"] == name
