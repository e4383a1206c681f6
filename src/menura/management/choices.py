"""Which messages of a queue somebody means, as it is said in JSON: a `Selection` (`core.selecting`).

{"exchange": "orders", "headers": {"tenant": 7}, "has_headers": ["x-death"], "body_contains": "urgent", "count": 10}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from menura.core.selecting import Selection
from menura.management import bodies
from menura.management.bodies import Body
from menura.management.http.messages import bad_request
from menura.management.naming import exchange_name

POSITIONS_MAX = 10_000
_NUMBER_MAX = (1 << 63) - 1

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0, "maximum": _NUMBER_MAX}
PROPERTIES: dict[str, Any] = {
    "positions": {
        "type": "array",
        "items": _COUNT,
        "maxItems": POSITIONS_MAX,
        "description": "only the messages at these positions",
    },
    "skip": {**_COUNT, "description": "pass over so many of those that fit"},
    "count": {**_COUNT, "minimum": 1, "description": "at most so many"},
    "exchange": {**_TEXT, "description": "published to this exchange"},
    "routing_key": {**_TEXT, "description": "with this routing key"},
    "headers": {"type": "object", "description": "with these values of headers"},
    "has_headers": {"type": "array", "items": _TEXT, "description": "with these headers, whatever their values"},
    "properties": {"type": "object", "description": "with these values of properties"},
    "body_contains": {**_TEXT, "description": "with this text in the body"},
    "body_matches": {**_TEXT, "description": "with a body that fits this regular expression"},
}
"""The schema of a choice."""


def selection(body: Body, count: int | None = None) -> Selection:
    """What a body says; `count` where it does not."""
    headers: dict[str, Any] = dict(bodies.table(body, "headers"))
    if body.get("has_headers") is not None:
        headers.update(dict.fromkeys(bodies.names(body, "has_headers"), ...))
    contains = _maybe_text(body, "body_contains")
    return Selection(
        positions=_positions(body),
        skip=number(body, "skip", 0),
        count=count if body.get("count") is None else number(body, "count", 1, least=1),
        exchange=_exchange(body),
        routing_key=_maybe_text(body, "routing_key"),
        headers=headers,
        properties=bodies.table(body, "properties"),
        body_contains=None if contains is None else contains.encode(),
        body_matches=_maybe_text(body, "body_matches"),
    )


def number(body: Mapping[str, Any], key: str, default: int, least: int = 0, most: int = _NUMBER_MAX) -> int:
    """A whole number between two."""
    value = body.get(key)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool):
        raise bodies.wrong_type(key, value, int)
    if not least <= value <= most:
        raise bad_request(f"{key} must be {least} or more" + ("" if most == _NUMBER_MAX else f", up to {most}"))
    return value


def _exchange(body: Body) -> str | None:
    name = _maybe_text(body, "exchange")
    return None if name is None else exchange_name(name)


def _maybe_text(body: Body, key: str) -> str | None:
    return None if body.get(key) is None else bodies.text(body, key)


def _positions(body: Body) -> list[int] | None:
    found = body.get("positions")
    if found is None:
        return None
    if not isinstance(found, list):
        raise bodies.wrong_type("positions", found, list)
    if len(found) > POSITIONS_MAX:
        raise bad_request(f"positions must be at most {POSITIONS_MAX}, not {len(found)}")
    return [number({"position": position}, "position", 0) for position in found if position is not None]
