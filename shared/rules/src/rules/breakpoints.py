"""The instants at which answers about a patient can change without a new fact.

Between two of them everything said about the patient is the same (days since the last contact
aside, which are counted from a day that is kept). An instant too many does no harm; one that is
missing is a defect.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from rules.activity import COMING_DAYS, RECENT_DAYS
from rules.facts import Facts
from rules.figures import FOURTEENTH_DAY
from rules.instants import BEGINNING, FOREVER
from rules.levels import FIRST_DAYS
from rules.outreach import SILENCE_IS_FAILURE_AFTER, TWO_WAY
from rules.score import DAYS_WITHOUT_CONTACT
from rules.settings import RuleSettings
from rules.view import MESSAGED_RECENTLY_DAYS, MISSED_RECENTLY_DAYS, View

MISSED_SHOWN_DAYS = 90


def dated_instants(facts: Facts) -> set[int]:
    """Every instant at which a fact begins, ends or becomes this patient's."""
    instants: set[int] = set()
    contact = facts.contact
    if contact is not None:
        instants.update((contact.created_at, contact.gone_at, contact.merged_at))
    for a in facts.appointments:
        instants.update((a.created_at, a.starts_at, a.cancelled_at, a.gone_at, a.known_from))
    for c in facts.communications:
        instants.update((c.at, c.known_from))
    for recall in facts.recalls:
        instants.update((recall.created_at, recall.gone_at, recall.known_from))
    for report in facts.reports:
        instants.update((report.at, report.known_from, report.at + SILENCE_IS_FAILURE_AFTER))
    for treatment in facts.treatments:
        instants.update((treatment.at, treatment.known_from))
    instants.discard(FOREVER)
    return instants


def contact_days(facts: Facts, settings: RuleSettings) -> set[int]:
    """Every local day from which days without contact may count at some instant."""
    day = settings.calendar.day
    days = {day(a.starts_at) for a in facts.appointments if not a.missed}
    days.update(day(c.at) for c in facts.communications)
    days.update(day(r.at) for r in facts.reports if r.outcome in TWO_WAY)
    if facts.contact is not None:
        days.add(day(facts.contact.created_at))
    return days


def lasting_contact_days(facts: Facts, settings: RuleSettings) -> list[int]:
    """Local days of contacts that count at every instant after them, in order."""
    day, any_mark = settings.calendar.day, not settings.require_arrival_mark
    days = {
        day(a.starts_at)
        for a in facts.appointments
        if not a.missed
        and (any_mark or a.arrived)
        and a.cancelled_at == a.gone_at == FOREVER
        and a.created_at <= a.starts_at >= a.known_from
    }
    days.update(day(c.at) for c in facts.communications if c.known_from <= c.at)
    days.update(day(r.at) for r in facts.reports if r.outcome in TWO_WAY and r.known_from <= r.at)
    return sorted(days)


def state_instants(facts: Facts, settings: RuleSettings) -> frozenset[int]:
    """Instants at which the state or day figures can change, follow-up dates aside."""
    start, day = settings.calendar.start, settings.calendar.day
    instants = dated_instants(facts)
    thresholds = (*FIRST_DAYS[:-1], settings.active_window_days + 1)
    lasting = lasting_contact_days(facts, settings)
    for counted_from in contact_days(facts, settings):
        following = bisect_right(lasting, counted_from)
        until = lasting[following] if following < len(lasting) else FOREVER  # from then on another day counts
        instants.update(start(counted_from + days) for days in thresholds if counted_from + days <= until)
    for a in facts.appointments:
        on = day(a.starts_at)
        instants.add(start(on - COMING_DAYS))
        instants.add(start(on + RECENT_DAYS))
        if a.missed:
            instants.add(start(on + MISSED_RECENTLY_DAYS))
    for report in facts.reports:
        instants.add(start(day(report.at) + MESSAGED_RECENTLY_DAYS))
    return frozenset(instants)


def day_figure_instants(facts: Facts, settings: RuleSettings) -> set[int]:
    """Those of the instants at which day figures can change: facts, and a 14th day's begin."""
    start = settings.calendar.start
    instants = dated_instants(facts) if facts.reports else _contact_instants(facts)
    lasting = lasting_contact_days(facts, settings)
    for day in contact_days(facts, settings):
        following = bisect_right(lasting, day)
        # A contact on the 14th day itself comes after the day has begun.
        if following == len(lasting) or lasting[following] >= day + FOURTEENTH_DAY:
            instants.add(start(day + FOURTEENTH_DAY))
    return instants


def _contact_instants(facts: Facts) -> set[int]:
    """Instants at which the contacts of a patient without outreach can change: no booking counts for anything."""
    instants: set[int] = set()
    if facts.contact is not None:
        instants.update((facts.contact.created_at, facts.contact.gone_at, facts.contact.merged_at))
    for a in facts.appointments:
        if not a.missed:
            dates = (a.created_at, a.starts_at, a.cancelled_at, a.gone_at, a.known_from)
            instants.update(at for at in dates if at >= a.starts_at)
    for c in facts.communications:
        instants.update((c.at, c.known_from))
    return instants


def next_change(view: View, planned_action_day: int, instants: frozenset[int] | None = None) -> tuple[int, int]:
    """The interval around the view's instant in which an assessment stands, half open."""
    if instants is None:
        instants = state_instants(view.facts, view.settings)
    if view.in_scope:
        instants = instants.union(_row_instants(view, planned_action_day))
    as_of = view.as_of
    valid_from = max((i for i in instants if i <= as_of), default=BEGINNING)
    valid_until = min((i for i in instants if i > as_of), default=FOREVER)
    return valid_from, valid_until


def _row_instants(view: View, planned_action_day: int) -> Iterator[int]:
    start, day = view.calendar.start, view.calendar.day
    for first, _ in DAYS_WITHOUT_CONTACT:
        yield start(view.counted_from_day + first)
    for a in view.missed:
        yield start(day(a.starts_at) + MISSED_SHOWN_DAYS)
    yield from _followup_instants(view)
    if planned_action_day:
        yield start(planned_action_day)
    yield from _booking_eves(view)


def _booking_eves(view: View) -> Iterable[int]:
    start, day = view.calendar.start, view.calendar.day
    return (start(day(a.starts_at) - 1) for a in view.future)


def _followup_instants(view: View) -> Iterable[int]:
    return () if view.followup_day is None else (view.calendar.start(view.followup_day + 1),)


def followup_passes(view: View) -> int | None:
    """The instant at which the follow-up date of this view has passed, if it has one."""
    return None if view.followup_day is None else view.calendar.start(view.followup_day + 1)
