"""Local days, against what the time zone's own data say of each instant."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rules.calendar import calendar
from rules.instants import BEGINNING, FIRST_YEAR, LAST_YEAR, SECOND, from_datetime, to_datetime

ZONES = sorted(available_timezones() - {"Factory", "localtime"})
FIRST = from_datetime(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC))
LAST = from_datetime(datetime(LAST_YEAR, 12, 31, tzinfo=UTC))

AMSTERDAM_1901 = from_datetime(datetime(1901, 1, 1, 23, 40, 28, tzinfo=UTC))
"""Midnight, where local time was 19 minutes and 32 seconds ahead."""

ST_JOHNS_2010 = from_datetime(datetime(2010, 11, 7, 2, 31, tzinfo=UTC))
"""One minute after midnight clocks were put back to the day before."""


def _day(zone: str, instant: int) -> int:
    return to_datetime(instant).astimezone(ZoneInfo(zone)).date().toordinal()


@given(st.sampled_from(ZONES), st.integers(FIRST, LAST))
@example("Europe/Amsterdam", AMSTERDAM_1901 - 1)
@example("Europe/Amsterdam", AMSTERDAM_1901)
@example("America/St_Johns", ST_JOHNS_2010 - 1)
@example("America/St_Johns", ST_JOHNS_2010)
def test_an_instant_is_of_the_day_that_clocks_showed(zone: str, instant: int) -> None:
    for near in (instant, instant - instant % (900 * SECOND), instant + 899 * SECOND):
        assert calendar(zone).day(near) == _day(zone, near)


@given(st.sampled_from(ZONES), st.integers(FIRST, LAST))
@example("Europe/Amsterdam", AMSTERDAM_1901)
@example("Africa/Monrovia", FIRST)
def test_a_day_begins_with_the_first_instant_of_its_date(zone: str, instant: int) -> None:
    day = _day(zone, instant)
    start = calendar(zone).start(day)
    if _day(zone, start) == day:
        assert start <= instant
        assert _day(zone, start - 1) < day
    else:  # clocks skipped the rest of it, or all of it
        assert _day(zone, start) > day


@pytest.mark.parametrize("zone", ZONES)
def test_before_every_fact_there_is_a_day_too(zone: str) -> None:
    assert calendar(zone).day(BEGINNING) == _day(zone, BEGINNING)
