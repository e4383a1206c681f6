"""What two JSON values have in common: the shape of one must be found in the other."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

_KINDS = {bool: "truth", int: "number", float: "number", str: "text", list: "array", dict: "object", type(None): "null"}


def differences(expected: Any, actual: Any, allowed: Container[str] = (), at: str = "") -> list[str]:
    """Where the actual value lacks a key, or has another type; what it has besides does not count.

    `allowed` are places that may differ. Arrays are compared by their first elements.
    """
    if at in allowed:
        return []
    if _kind(expected) != _kind(actual):
        return [f"{at}: {_kind(expected)} there, {_kind(actual)} here"]
    if isinstance(expected, list):
        if not expected or not actual:
            return []
        return differences(expected[0], actual[0], allowed, f"{at}[]")
    found: list[str] = []
    if isinstance(expected, dict):
        for key, value in expected.items():
            place = f"{at}.{key}"
            if place in allowed:
                continue
            if key not in actual:
                found.append(f"{place}: missing")
            else:
                found += differences(value, actual[key], allowed, place)
    return found


def _kind(value: Any) -> str:
    return _KINDS[type(value)]
