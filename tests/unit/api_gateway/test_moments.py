"""`as_of`: which texts are a moment, and which instant a moment is."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.moments import NOT_A_MOMENT, Moment, parse_day, parse_moment, resolve
from rules.instants import format_instant, parse_instant

NOW = parse_instant("2026-11-20T10:00:00Z")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2025-11-10T17:00:00Z", "2025-11-10T17:00:00Z"),
        ("2025-11-10t17:00:00z", "2025-11-10T17:00:00Z"),
        ("2025-11-10 17:00:00Z", "2025-11-10T17:00:00Z"),
        ("2025-11-10T17:00:00.5Z", "2025-11-10T17:00:00.500000Z"),
        ("2025-11-10T17:00:00.1234569Z", "2025-11-10T17:00:00.123456Z"),
        ("2025-11-10T17:00:00+05:30", "2025-11-10T11:30:00Z"),
        ("2025-11-10T17:00:00-05:30", "2025-11-10T22:30:00Z"),
        ("2025-11-10T17:00:00-00:00", "2025-11-10T17:00:00Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"),
        ("1900-01-01T00:00:00Z", "1900-01-01T00:00:00Z"),
        ("2200-12-31T23:59:59Z", "2200-12-31T23:59:59Z"),
    ],
)
def test_an_rfc_3339_time_stamp_is_its_instant(text: str, instant: str) -> None:
    assert parse_moment(text) == Moment(instant=parse_instant(instant))


def test_a_plus_sign_that_arrived_as_a_space_is_a_plus_sign() -> None:
    assert parse_moment("2025-11-10T17:00:00 02:00") == parse_moment("2025-11-10T17:00:00+02:00")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2025",
        "2025-11",
        "20251110",
        "2025-W46-1",
        "2025-314",
        "2025-02-30",
        "2025-13-01",
        "1899-12-31",
        "2201-01-01",
        "0000-01-01",
        "２０２５-11-10",
        "2025-11-10T17:00:00",
        "2025-11-10T17:00Z",
        "2025-11-10T24:00:00Z",
        "2025-11-10T17:61:00Z",
        "2025-11-10T17:00:61Z",
        "2025-11-10T17:00:00.Z",
        "2025-11-10T17:00:00+2400",
        "2025-11-10T17:00:00+24:00",
        "2025-11-10T17:00:00+02:60",
        "20251110T170000Z",
        "1900-01-01T00:00:00+02:00",
        "2200-12-31T23:00:00-02:00",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+23:59",
        "2025-11-10T17:00:00Z\n",
        " 2025-11-10",
        "1762794000",
        "2025-11-10T17:00:00." + "1" * 100 + "Z",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_moment(text)


@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_a_value_error(text: str) -> None:
    try:
        parse_moment(text)
    except ValueError as refused:
        assert str(refused) == NOT_A_MOMENT  # noqa: PT017 - both outcomes are right


@pytest.mark.parametrize(
    ("zone", "day", "last"),
    [
        ("UTC", "2025-11-10", "2025-11-10T23:59:59.999999Z"),
        ("America/Havana", "2025-11-10", "2025-11-11T04:59:59.999999Z"),
        ("Australia/Sydney", "2025-11-10", "2025-11-10T12:59:59.999999Z"),
        # Havana's clocks go from 00:00 to 01:00 on 2025-03-09: the 8th ends at what would be midnight.
        ("America/Havana", "2025-03-08", "2025-03-09T04:59:59.999999Z"),
        ("America/Havana", "2025-03-09", "2025-03-10T03:59:59.999999Z"),
        # and back from 01:00 to 00:00 on 2025-11-02: that day has two midnights at its begin.
        ("America/Havana", "2025-11-01", "2025-11-02T03:59:59.999999Z"),
        ("America/Havana", "2025-11-02", "2025-11-03T04:59:59.999999Z"),
        ("Australia/Lord_Howe", "2025-10-05", "2025-10-05T12:59:59.999999Z"),
    ],
)
def test_a_plain_day_is_its_last_microsecond_in_the_organizations_zone(zone: str, day: str, last: str) -> None:
    instant = resolve(Moment(day=parse_day(day)), time_zone=zone, now=NOW)

    assert format_instant(instant) == last


def test_the_day_that_is_today_in_the_organizations_zone_means_now() -> None:
    # 10:00 UTC is the 21st already on Kiritimati.
    assert resolve(Moment(day=date(2026, 11, 20)), time_zone="UTC", now=NOW) == NOW
    assert resolve(Moment(day=date(2026, 11, 21)), time_zone="Pacific/Kiritimati", now=NOW) == NOW
    assert resolve(Moment(day=date(2026, 11, 20)), time_zone="Pacific/Kiritimati", now=NOW) < NOW
    assert resolve(Moment(day=date(2026, 11, 21)), time_zone="UTC", now=NOW) > NOW


def test_no_moment_means_now_and_an_instant_itself() -> None:
    assert resolve(None, time_zone="UTC", now=NOW) == NOW
    assert resolve(Moment(instant=5), time_zone="UTC", now=NOW) == 5
