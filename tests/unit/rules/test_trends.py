"""Rows of trends made of changes say what the state of each day would."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rules.answers import risk_levels, risk_levels_by_day
from rules.figures import CLASSES, class_counter

FIRST, LAST = 739_000, 739_006
COUNTERS = [*(class_counter(number) for number in CLASSES), "o0", "a1"]
CHANGES = st.lists(
    st.tuples(
        st.integers(FIRST, LAST),
        st.dictionaries(st.sampled_from(COUNTERS), st.integers(-3, 3).filter(bool), max_size=4),
    ),
    max_size=20,
)


@given(changes=CHANGES)
def test_levels_by_day_are_those_of_all_changes_up_to_each_day(changes: list[tuple[int, dict[str, int]]]) -> None:
    by_day = risk_levels_by_day(iter(changes), FIRST, LAST)
    assert list(by_day) == list(range(FIRST, LAST + 1))
    for day, levels in by_day.items():
        state: Counter[str] = Counter()
        for known_on, change in changes:
            if known_on <= day:
                state.update(change)
        assert levels == risk_levels(state)
