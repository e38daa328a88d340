"""How figures are rounded: decimal places half up, a rate over zero is no number."""


def one_decimal(numerator: int, denominator: int) -> float | None:
    """The quotient to one decimal, halves away from zero; None over zero."""
    if denominator == 0:
        return None
    sign = -1 if (numerator < 0) != (denominator < 0) else 1
    tenths = (abs(numerator) * 20 + abs(denominator)) // (abs(denominator) * 2)
    return sign * tenths / 10


def percentage(part: int, whole: int) -> float | None:
    """`part` of `whole` in percent to one decimal, half up; None over zero."""
    return one_decimal(part * 100, whole)
