"""How every list is walked: page by page at one instant."""

from collections.abc import Awaitable, Callable

from api_gateway.cursors import Cursors, Place, Walk
from api_gateway.moments import resolve
from api_gateway.parameters import PageParameters, ReadParameters
from api_gateway.ports import Body, Page, Readings
from api_gateway.standing import Standing
from rules.instants import format_instant
from shared.clock import Clock
from shared.organizations import Organization

Fetch = Callable[[Standing, Place], Awaitable[Page]]


def instant_of(parameters: ReadParameters, standing: Standing, clock: Clock) -> int:
    """The instant of an answer; a plain day is of the zone that the numbers are made with."""
    return resolve(parameters.as_of, time_zone=standing.calendar.time_zone, now=clock.now())


def stamped(body: Body, as_of: int) -> Body:
    """The body with the instant that it is of."""
    return {**body, "as_of": format_instant(as_of)}


class Pages:
    """The pages of all lists."""

    def __init__(self, readings: Readings, cursors: Cursors, clock: Clock) -> None:
        self._readings = readings
        self._cursors = cursors
        self._clock = clock

    async def page(self, walk: Walk, parameters: PageParameters, organization: Organization, fetch: Fetch) -> Body:
        """The page's body with its instant and the cursor of the next page."""
        moment = parameters.as_of
        place = None if parameters.cursor is None else self._cursors.open(parameters.cursor, walk, moment=moment)
        standing = await self._readings.standing(organization)
        if place is None:
            place = Place(instant_of(parameters, standing, self._clock), moment.text if moment else None, None)
        page = await fetch(standing, place)
        following = None if page.next_after is None else self._cursors.seal(walk, place._replace(after=page.next_after))
        return {**stamped(page.body, place.as_of), "next_cursor": following}
