"""Figures as they are shown: one decimal, worked out exactly."""

from fractions import Fraction
from math import floor


def exact(number: float) -> Fraction:
    """The decimal number that was written, not its binary neighbour."""
    return Fraction(str(number))


def one_decimal(value: Fraction) -> float:
    """ "one decimal, half up"; below zero halves go away from zero."""
    tenths = floor(abs(value) * 10 + Fraction(1, 2))
    return (tenths if value >= 0 else -tenths) / 10


def percent(part: int, whole: int) -> float | None:
    """ "a rate over zero is null, not 0 and not an error"."""
    return one_decimal(Fraction(100 * part, whole)) if whole else None


def mean(values: list[int]) -> float | None:
    return one_decimal(Fraction(sum(values), len(values))) if values else None
