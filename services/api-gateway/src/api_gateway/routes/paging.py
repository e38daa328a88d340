"""How every list is walked: page by page at one instant."""

from collections.abc import Awaitable, Callable

from api_gateway.cursors import Cursors, Place, Walk
from api_gateway.moments import resolve
from api_gateway.parameters import PageParameters, ReadParameters
from api_gateway.ports import Body, Page
from rules.instants import format_instant
from shared.clock import Clock
from shared.organizations import Organization

Fetch = Callable[[Place], Awaitable[Page]]


def instant_of(parameters: ReadParameters, organization: Organization, clock: Clock) -> int:
    """The instant of an answer."""
    return resolve(parameters.as_of, time_zone=organization.settings.time_zone, now=clock.now())


def stamped(body: Body, as_of: int) -> Body:
    """The body with the instant that it is of."""
    return {**body, "as_of": format_instant(as_of)}


async def page_of(
    walk: Walk, fetch: Fetch, *, parameters: PageParameters, organization: Organization, cursors: Cursors, clock: Clock
) -> Body:
    """The page's body with its instant and the cursor of the next page."""
    moment = parameters.as_of
    if parameters.cursor is None:
        place = Place(instant_of(parameters, organization, clock), moment.text if moment else None, None)
    else:
        place = cursors.open(parameters.cursor, walk, moment=moment)
    page = await fetch(place)
    following = None if page.next_after is None else cursors.seal(walk, place._replace(after=page.next_after))
    return {**stamped(page.body, place.as_of), "next_cursor": following}
