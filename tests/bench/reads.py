"""What reads cost in a small organization, in a large one, among a million patients of others, and alone."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bench import many, midnight
from bench.asking import WARM_UP, Client, Taken, in_turns
from bench.report import Figure, at_most, plain
from bench.stack import Stack, resident_megabytes, running

SMALL, BASE, LARGE, STREAMED = "org_small", "org_base", "org_large", "org_streamed"
PAST = 45
"""Days back that reads of a past day ask for."""

SUMS: dict[str, tuple[str, dict[str, str]]] = {
    "risk-metrics": ("risk-metrics", {}),
    "performance": ("performance", {}),
    "trends 30d": ("trends", {"period": "30d"}),
    "trends 1y": ("trends", {"period": "1y"}),
}
LISTS: dict[str, dict[str, str]] = {
    **{f"sort {sort}": {"sort_by": sort} for sort in ("risk_score", "days_since_contact", "next_action_date")},
    **{f"level {level}": {"risk_level": level} for level in ("critical", "high", "medium", "low", "engaged")},
    **{
        f"action {action}": {"action_required": action}
        for action in ("missed_appt", "overdue_followup", "failed_contact", "no_future_appt")
    },
    "with dormant": {"include_dormant": "true"},
}
LIST = "patients/prioritized"

SUMS_LIKE, LISTS_LIKE = 1.5, 2.0
SUMS_MS, LIST_MS, PAST_LIST_SECONDS = 100, 200, 10

Found = dict[str, Taken]


def reads(*, quick: bool) -> list[Figure]:
    """A small organization and a large one; a million patients beside them; a small one all alone; a midnight of them all."""
    with running() as stack, running(given_kafka=stack.kafka) as alone:
        figures = asyncio.run(_reads(stack, alone, quick=quick))
        return figures + asyncio.run(midnight.midnight(stack, quick=quick))


async def _reads(stack: Stack, alone: Stack, *, quick: bool) -> list[Figure]:
    sizes = {SMALL: 40, BASE: 100} if quick else {SMALL: 1_000, BASE: 5_000}
    copies, streamed, clinics, count = (3, 2, 4, 5) if quick else (20, 13, 200, 100)
    names = [f"org_m{number:03d}" for number in range(clinics)]
    await many.make_real(stack, sizes)
    many.copy_to(alone, stack, SMALL)
    many.enlarge(stack, BASE, LARGE, copies)
    many.enlarge(stack, BASE, STREAMED, streamed)
    gateway = stack.start("api-gateway")
    alone.start("api-gateway")
    by_itself = _Caller(alone, SMALL)
    small, one, large, past = (_Caller(stack, name) for name in (SMALL, names[0], LARGE, STREAMED))
    all_of_large = sizes[BASE] * copies

    _asked([small], WARM_UP)  # the code's first use
    memory = resident_megabytes(gateway)
    of_small, of_large = _asked([small, large], count)
    figures = _compared(f"{all_of_large:,} patients against {sizes[SMALL]:,}", of_small, of_large)
    figures.append(_flat("gateway's memory after as many reads of the large one", memory, resident_megabytes(gateway)))
    seconds = many.multiply(stack, BASE, names)
    patients = stack.database["timelines"].estimated_document_count()
    figures.append(plain(f"seconds to copy {clinics} organizations ({patients:,} patients in all)", seconds, " s"))
    _asked([by_itself, small, one, large], WARM_UP)
    of_itself, of_small, of_one, of_large = _asked([by_itself, small, one, large], count)
    figures += _compared(
        f"{sizes[SMALL]:,} patients among a million, against a stack of their own", of_itself, of_small
    )
    figures += _compared(f"{all_of_large:,} among a million, against {sizes[SMALL]:,} there", of_small, of_large)
    figures += _compared(f"{sizes[BASE]:,} among a million, against {sizes[SMALL]:,} there", of_small, of_one)
    figures.append(_flat("gateway's memory then", memory, resident_megabytes(gateway)))
    figures += absolute("largest organization", of_large)
    figures += past_lists(past.client(), sizes[BASE] * streamed)
    figures.append(plain("gateway's memory after reading a past day's whole lists", resident_megabytes(gateway), " MB"))
    return figures + _sizes(stack)


class _Caller:
    """Who asks a stack's gateway about one organization."""

    def __init__(self, stack: Stack, organization: str) -> None:
        self._of = stack.settings.gateway_port, organization, stack.token(organization)

    def client(self) -> Client:
        """A connection of its own."""
        return Client(*self._of)


def _asked(callers: Sequence[_Caller], count: int) -> list[Found]:
    clients = {str(number): caller.client() for number, caller in enumerate(callers)}
    asked = all_answers(clients, count)
    for client in clients.values():
        client.close()
    return [{kind: taken[number] for kind, taken in asked.items()} for number in clients]


def all_answers(clients: dict[str, Client], count: int) -> dict[str, dict[str, Taken]]:
    """What each kind of answer takes each client, now and for a past day."""
    day = (datetime.now(UTC).date() - timedelta(days=PAST)).isoformat()
    found = {}
    for name, (path, parameters) in SUMS.items():
        found[f"{name}, now"] = in_turns(clients, path, count=count, **parameters)
        found[f"{name}, past day"] = in_turns(clients, path, count=count, **parameters, as_of=day)
    for name, parameters in LISTS.items():
        found[name] = in_turns(clients, LIST, count=count, **parameters)
    return found


def _compared(what: str, before: Found, after: Found) -> list[Figure]:
    figures = []
    for title, names, bound in (
        ("sums", [name for name in before if name not in LISTS], SUMS_LIKE),
        ("first page of prioritized", list(LISTS), LISTS_LIKE),
    ):
        ratios = {name: after[name].median / before[name].median for name in names}
        worst = max(ratios, key=lambda name: ratios[name])
        figures.append(
            at_most(
                f"{what}: {title}, worst median ({worst}: {before[worst].median:.1f} → {after[worst].median:.1f} ms)",
                ratios[worst],
                bound,
                " times",
            )
        )
    return figures


def _flat(name: str, before: float, after: float) -> Figure:
    return Figure(name, f"{before:.0f} → {after:.0f} MB", "flat", after <= before * 1.2 + 20)


def absolute(what: str, found: Found) -> list[Figure]:
    """Each kind of answer against its target."""
    figures = []
    for name, taken in found.items():
        bound = LIST_MS if name in LISTS else SUMS_MS
        figures.append(at_most(f"{what}, {name} (p99 {taken.p99:.1f} ms)", taken.median, bound, " ms"))
    return figures


def past_lists(client: Client, patients: int) -> list[Figure]:
    """The first page of a past day, when nobody asked for that day before; ends the connection."""
    spent = []
    for days in (PAST, 2 * PAST):
        day = (datetime.now(UTC).date() - timedelta(days=days)).isoformat()
        began = time.monotonic()
        status, body = client.get(LIST, as_of=day)
        assert status == 200, body
        spent.append(time.monotonic() - began)
    again = in_turns({"same": client}, LIST, count=5, as_of=day)["same"]
    client.close()
    return [
        at_most(
            f"first page of prioritized for a past day, {patients:,} patients", max(spent), PAST_LIST_SECONDS, " s"
        ),
        plain("the same again, as the next pages", again.median, " ms"),
    ]


def _sizes(stack: Stack) -> list[Figure]:
    figures = []
    for name in (*many.BY_PATIENT, "rollups"):
        told: dict[str, Any] = stack.database.command("collStats", name, scale=1)
        figures.append(
            Figure(
                f"{name}: {told['count']:,} documents",
                f"{told['avgObjSize']:,.0f} bytes each; {told['storageSize'] / told['count']:,.0f} stored,"
                f" {told['totalIndexSize'] / told['count']:,.0f} in {told['nindexes']} indexes",
            )
        )
    return figures
