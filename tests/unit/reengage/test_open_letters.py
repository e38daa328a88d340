"""Which dead letters nobody has to care for."""

from datetime import UTC, datetime, timedelta

import pytest

from reengage.letters import Letter
from reengage.open_letters import OF_A_REMOVED_CLINIC, OF_AN_EARLIER_CLINIC, RemovedClinics
from shared.earlier_clinics import REASON
from shared.organizations import ClinikoAccess, Organization, OrganizationSettings

AGAIN = datetime(2026, 11, 26, 12, tzinfo=UTC)
MOMENT = timedelta(milliseconds=1)
ACCESS = ClinikoAccess(base_url="http://127.0.0.1:1/v1", key="", key_hash="h", contact_email="a@b.example")


def organization(name: str, *, again: datetime | None = None, removed: datetime | None = None) -> Organization:
    return Organization(
        id=name,
        name="A clinic",
        settings=OrganizationSettings(time_zone="UTC"),
        settings_revision=1,
        cliniko=ACCESS,
        created_at=AGAIN,
        added_again_at=again,
        removed_at=removed,
    )


REMOVED = RemovedClinics(
    [
        organization("org_here"),
        organization("org_again", again=AGAIN),
        organization("org_gone", removed=AGAIN),
        organization("org_gone_again", again=AGAIN - MOMENT, removed=AGAIN),
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
