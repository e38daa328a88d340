"""What the doctor advises for an organization that is stopped, by the errors that the ingestor ends with."""

from collections.abc import Set
from typing import Any

import pytest

from ingestor.errors import RefusedError, SuspiciousLossError
from ingestor.losses import check_losses
from reengage.checks.stopped import what_to_do
from shared.identity import KeySealer, SealError, new_sealing_key

SEE_ALL = "see all patients in Cliniko, then: reengage sync org_a"


class Nothing:
    """A Cliniko that gives 404 for every record, asked by a process that holds nothing."""

    class clock:
        now = staticmethod(lambda: 0)

    async def record(self, *_: Any) -> None:
        return None


async def loss(missing: int, seen: Set[str]) -> str:
    nothing: Any = Nothing()
    with pytest.raises(SuspiciousLossError) as lost:
        await check_losses(nothing, nothing, [str(number) for number in range(missing)], known=100, seen=seen)
    return str(lost.value)


def test_a_key_that_cliniko_refuses_is_replaced() -> None:
    advice = what_to_do("org_a", str(RefusedError(401, "/patients")))
    assert "a key that Cliniko takes: reengage org set-key org_a" in advice


def test_a_permission_that_lacks_is_given_in_cliniko() -> None:
    advice = what_to_do("org_a", str(RefusedError(403, "/attendees")))
    assert advice.startswith("give the key's user the permission in Cliniko, then: reengage sync org_a")


async def test_patients_that_are_missing_are_no_fault_of_the_key() -> None:
    many, listed = await loss(90, set()), await loss(1, {"here"})
    assert SEE_ALL in what_to_do("org_a", many)
    assert "really deleted: reengage org remove org_a" in what_to_do("org_a", many)
    assert SEE_ALL in what_to_do("org_a", listed)
    assert "set-key" not in what_to_do("org_a", many) + what_to_do("org_a", listed)


def test_a_sealing_key_that_is_lost_or_another_is_put_back() -> None:
    sealed = KeySealer.from_text(new_sealing_key("k1")).seal("key", organization_id="org_a")
    for another in ("k1", "k2"):
        with pytest.raises(SealError) as closed:
            KeySealer.from_text(new_sealing_key(another)).open(sealed, organization_id="org_a")
        assert "put the lost key back" in what_to_do("org_a", str(closed.value))


@pytest.mark.parametrize("error", [None, "something else"])
def test_what_is_not_known_is_advised_in_general(error: str | None) -> None:
    assert "reengage sync org_a --wait; if it is the key: reengage org set-key org_a" in what_to_do("org_a", error)
