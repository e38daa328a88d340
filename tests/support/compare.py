"""How a body is compared with what it must be: every expected field, wherever they differ."""

from typing import Any


def differences(actual: Any, expected: Any, where: str = "") -> list[str]:
    """Every place where `actual` lacks or contradicts `expected`; more fields are welcome."""
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            return [f"{where}: {actual!r} is no object"]
        found = [f"{where}.{name}: missing" for name in expected if name not in actual]
        for name in expected.keys() & actual.keys():
            found += differences(actual[name], expected[name], f"{where}.{name}")
        return found
    if isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            return [f"{where}: {actual!r} instead of {expected!r}"]
        return [
            difference
            for n, (a, e) in enumerate(zip(actual, expected, strict=True))
            for difference in differences(a, e, f"{where}[{n}]")
        ]
    return [] if actual == expected and type(actual) is type(expected) else [f"{where}: {actual!r}, not {expected!r}"]
