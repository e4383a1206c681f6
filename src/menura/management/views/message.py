"""A message that waits in a queue, in JSON. Many, or large ones, are written to one place: joining them takes long."""

from __future__ import annotations

import base64
import json
from codecs import getincrementaldecoder
from collections.abc import Iterable, Mapping
from typing import Any

from menura.core.browsing import Seen
from menura.core.dead_letters import DEATHS
from menura.core.properties import Properties
from menura.core.steps import Steps
from menura.management.views.arguments import as_json

AUTO, BASE64 = "auto", "base64"
ENCODINGS = (AUTO, BASE64)
# Threefold, so that pieces in base64 stand behind one another.
_PIECE_BYTES = 3 * 32 * 1024
_AT_ONCE = 10
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def array(out: bytearray, messages: Iterable[Steps]) -> Steps:
    """Messages, each being written to the same place, as an array."""
    out += b"["
    for at, message in enumerate(messages):
        if at % _AT_ONCE == 0:
            yield
        if at:
            out += b","
        yield from message
    out += b"]"


def written(out: bytearray, about: Mapping[str, Any], body: bytes | memoryview, cut: bool, encoding: str) -> Steps:
    """A message as a JSON object: what there is to say about it, and its body, or the beginning where it was `cut`.

    The body is text where it is some and may be, otherwise in base64. A long one is written piece by piece.
    """
    start = len(out)
    if encoding == AUTO:
        out += _head(about, "string")
        try:
            yield from _add_text(out, body, cut)
        except UnicodeDecodeError:
            del out[start:]
        else:
            out += b'"}'
            return
    out += _head(about, "base64")
    for at in range(0, len(body), _PIECE_BYTES):
        out += base64.b64encode(body[at : at + _PIECE_BYTES])
        if len(body) > _PIECE_BYTES:
            yield
    out += b'"}'


def _head(about: Mapping[str, Any], kind: str) -> bytes:
    return f'{_encode(about)[:-1]},"payload_encoding":"{kind}","payload":"'.encode(errors="replace")


def _add_text(out: bytearray, body: bytes | memoryview, cut: bool) -> Steps:
    """What stands between the quotation marks. It may have been cut within a character."""
    decoder = getincrementaldecoder("utf-8")()
    for at in range(0, len(body), _PIECE_BYTES):
        text = decoder.decode(bytes(body[at : at + _PIECE_BYTES]), final=not cut and at + _PIECE_BYTES >= len(body))
        out += _encode(text)[1:-1].encode()
        if len(body) > _PIECE_BYTES:
            yield


def properties_json(properties: Properties) -> dict[str, Any]:
    return {name: as_json(value) for name, value in properties.present().items()}


def seen_message(out: bytearray, seen: Seen, encoding: str) -> Steps:
    """What a peek has found."""
    about = {
        "position": seen.position,
        "redelivered": seen.redelivered,
        "priority": seen.rank,
        "exchange": seen.exchange,
        "routing_key": seen.routing_keys[0],
        "routing_keys": list(seen.routing_keys),
        "properties": properties_json(seen.properties),
        "payload_bytes": seen.body_bytes,
        "payload_truncated": len(seen.body) < seen.body_bytes,
        "expires_at_ms": seen.due_ms or None,
        "deaths": _deaths(seen.properties),
    }
    return written(out, about, seen.body, len(seen.body) < seen.body_bytes, encoding)


def _deaths(properties: Properties) -> list[dict[str, Any]]:
    """The history of a dead letter, the latest death first; whoever sent it may have written anything there."""
    found = (properties.headers or {}).get(DEATHS)
    return [_death(entry) for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []


def _death(entry: Mapping[str, Any]) -> dict[str, Any]:
    time = as_json(entry.get("time"))
    return {
        "queue": as_json(entry.get("queue")),
        "reason": as_json(entry.get("reason")),
        "exchange": as_json(entry.get("exchange")),
        "routing_keys": as_json(entry.get("routing-keys")),
        "count": as_json(entry.get("count")),
        "time_ms": time * 1000 if isinstance(time, int) else None,
    }
