"""Matching of message headers against a binding's arguments.

`x-match` is `all` (default), `any`, `all-with-x` or `any-with-x`; without `-with-x` arguments that begin with
"x-" do not take part. An argument without a value (void) asks only for the header's presence. Otherwise type
and value must be equal; numbers compare by value whatever their width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from menura.core import fields
from menura.core.errors import PreconditionFailed
from menura.core.terms import raw_term

X_MATCH_KINDS = ("all", "any", "all-with-x", "any-with-x")


class HeaderMatch:
    """One binding's condition on headers."""

    __slots__ = ("any", "wanted")

    def __init__(self, arguments: Mapping[str, bytes]) -> None:
        kind = x_match(arguments)
        self.any = kind.startswith("any")
        with_x = kind.endswith("-with-x")
        self.wanted = {
            key: fields.decode_value(raw)
            for key, raw in arguments.items()
            if key != "x-match" and (with_x or not key.startswith("x-"))
        }

    def __call__(self, headers: Mapping[str, Any]) -> bool:
        if self.any:
            return any(_matches(headers, key, value) for key, value in self.wanted.items())
        return all(_matches(headers, key, value) for key, value in self.wanted.items())


def x_match(arguments: Mapping[str, bytes]) -> str:
    """The binding's kind of match; refuses an unknown one."""
    raw = arguments.get("x-match")
    if raw is None:
        return "all"
    value = fields.decode_value(raw)
    if not isinstance(value, str):
        raise PreconditionFailed(
            f"Invalid x-match field type {fields.type_name(raw)} (value {raw_term(raw)}); expected longstr"
        )
    if value not in X_MATCH_KINDS:
        raise PreconditionFailed(
            f"Invalid x-match field value {raw_term(raw)}; expected all, any, all-with-x, or any-with-x"
        )
    return value


def _matches(headers: Mapping[str, Any], key: str, wanted: Any) -> bool:
    if key not in headers:
        return False
    if wanted is None:
        return True
    return _equal(headers[key], wanted)


def _equal(one: Any, other: Any) -> bool:
    """As Python has it, but truth is no number, however deep inside."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    return bool(one == other)
