"""Which dead letters nobody has to care for."""

from datetime import UTC, datetime, timedelta

import pytest

from reengage.letters import Letter
from reengage.open_letters import OF_A_REMOVED_CLINIC, OF_AN_EARLIER_CLINIC, RemovedClinics
from shared.earlier_clinics import REASON
from support.organizations import an_organization

AGAIN = datetime(2026, 11, 26, 12, tzinfo=UTC)
MOMENT = timedelta(milliseconds=1)


REMOVED = RemovedClinics(
    [
        an_organization("org_here"),
        an_organization("org_again", added_again_at=AGAIN),
        an_organization("org_gone", removed_at=AGAIN),
        an_organization("org_gone_again", added_again_at=AGAIN - MOMENT, removed_at=AGAIN),
    ]
)


def why(key: bytes | None, at: datetime = AGAIN, error: str = "InvalidEvent: unknown organization") -> str | None:
    return REMOVED.why_left_alone(Letter("t-dlq:0:0", "t-dlq", {}, error, 1, at, False, key, b"\xff", ()))


@pytest.mark.parametrize("key", [b"org_gone:p1", b"org_gone_again:p1"])
@pytest.mark.parametrize("at", [AGAIN - timedelta(days=1), AGAIN, AGAIN + timedelta(days=1)])
def test_a_letter_of_a_clinic_that_was_removed_is_left_alone_whenever_it_was_set_aside(
    key: bytes, at: datetime
) -> None:
    assert why(key, at) == OF_A_REMOVED_CLINIC


def test_where_the_id_is_used_again_a_letter_from_before_is_left_alone() -> None:
    assert why(b"org_again:p1", AGAIN - MOMENT) == OF_AN_EARLIER_CLINIC
    assert why(b"org_again:p1", AGAIN) is None
    assert why(b"org_again:p1", AGAIN + MOMENT, f"InvalidEvent: {REASON}") == OF_AN_EARLIER_CLINIC


@pytest.mark.parametrize("key", [b"org_here:p1", b"org_never_added:p1", b"", b"\xff\xfe", b":p1", None])
def test_all_others_wait_for_somebody_also_where_no_organization_can_be_told(key: bytes | None) -> None:
    assert why(key, AGAIN - MOMENT) is None
