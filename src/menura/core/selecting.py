"""Which of the messages that wait in a queue somebody means.

A `Selection` says it in plain values: places, the names a message was published under, headers, properties, what is in
its body. All that is said has to hold. `Matcher` is a selection that has been checked, and asks the cheap questions
first: properties and headers are decoded only for messages that are left over by then.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from menura.core import fields
from menura.core.content import body_of, properties_of
from menura.core.errors import PreconditionFailed
from menura.core.patterns import Pattern
from menura.core.properties import PROPERTIES, Properties, PropertiesError, headers_raw

if TYPE_CHECKING:
    from menura.core.routing import Route

# An expression is searched for in so much of a body, from its beginning: it can take a while, and others wait for it.
PATTERN_BODY_BYTES_MAX = 8 * 1024


class Choice(TypedDict, total=False):
    """A `Selection` as keyword arguments."""

    positions: Iterable[int] | None
    skip: int
    count: int | None
    exchange: str | None
    routing_key: str | None
    headers: Mapping[str, Any]
    properties: Mapping[str, Any]
    body_contains: bytes | None
    body_matches: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The messages at `positions`, if they are given; of those that fit, `skip` are passed over, then `count` meant.

    `routing_key` is one of the keys of a message; `headers` and `properties` are values by name, `...` for
    whatever value; `body_contains` are octets, `body_matches` a regular expression for the body read as UTF-8.
    """

    positions: Iterable[int] | None = None
    skip: int = 0
    count: int | None = None
    exchange: str | None = None
    routing_key: str | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    body_contains: bytes | None = None
    body_matches: str | None = None


EVERYTHING = Selection()


class Matcher:
    """Raises PreconditionFailed for a selection that makes no sense."""

    def __init__(self, selection: Selection) -> None:
        _check(selection)
        self._selection = selection
        self._positions = None if selection.positions is None else sorted(set(selection.positions))
        self._pattern = None if selection.body_matches is None else Pattern(selection.body_matches)

    def stretch(self, first: int, last: int) -> tuple[int, int] | None:
        """What of the positions first .. last may be meant, as far as positions tell."""
        positions = self._positions
        if positions is None:
            return first, last
        low, high = bisect_left(positions, first), bisect_left(positions, last + 1)
        return (positions[low], positions[high - 1]) if low < high else None

    def fits(self, position: int, route: Route, content: bytes) -> bool:
        selection = self._selection
        if self._positions is not None:
            at = bisect_left(self._positions, position)
            if at == len(self._positions) or self._positions[at] != position:
                return False
        if selection.exchange is not None and selection.exchange != route.exchange:
            return False
        if selection.routing_key is not None and selection.routing_key not in (route.key, *route.further_keys):
            return False
        return self._properties_fit(properties_of(content)) and self._body_fits(content)

    def _properties_fit(self, block: bytes) -> bool:
        selection = self._selection
        try:
            if selection.properties:
                present = Properties.decode(block).present()
                if not all(_fits(present, name, value) for name, value in selection.properties.items()):
                    return False
            if selection.headers:
                raw = headers_raw(block)
                headers = fields.decode_table(raw)[0] if raw else {}
                return all(_fits(headers, name, value) for name, value in selection.headers.items())
        except (PropertiesError, fields.FieldError):
            return False
        return True

    def _body_fits(self, content: bytes) -> bool:
        selection = self._selection
        if selection.body_contains is None and self._pattern is None:
            return True
        body = body_of(content)
        if selection.body_contains is not None and selection.body_contains not in body:
            return False
        return self._pattern is None or self._pattern.search(body[:PATTERN_BODY_BYTES_MAX].decode(errors="replace"))


def _fits(found: Mapping[str, Any], name: str, wanted: Any) -> bool:
    if name not in found:
        return False
    value = found[name]
    # True is not 1 here.
    return wanted is ... or (value == wanted and isinstance(value, bool) is isinstance(wanted, bool))


def _check(selection: Selection) -> None:
    if selection.skip < 0 or (selection.count is not None and selection.count < 0):
        raise PreconditionFailed("a number of messages is not below 0")
    for name in selection.properties:
        if name not in PROPERTIES or name == "headers":
            raise PreconditionFailed(f"no property '{name}'")
