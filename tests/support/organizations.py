"""An organization where only a little of it matters."""

from datetime import UTC, datetime
from typing import Any

from shared.organizations import ClinikoAccess, Organization, OrganizationSettings

NOWHERE = ClinikoAccess(base_url="http://127.0.0.1:1/v1", key="x", key_hash="x", contact_email="a@b.example")


def an_organization(organization_id: str, **more: Any) -> Organization:
    """In UTC, added on the first day of 2026, with an account that answers nothing; `more` of its fields as given."""
    usual = {
        "name": "A clinic",
        "settings": OrganizationSettings(time_zone="UTC"),
        "settings_revision": 1,
        "cliniko": NOWHERE,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Organization(id=organization_id, **(usual | more))
