"""A message that waits in a queue, in JSON."""

from __future__ import annotations

import base64
import json
from codecs import getincrementaldecoder
from collections.abc import Generator, Iterable, Mapping
from typing import Any

from menura.core.browsing import Seen
from menura.core.dead_letters import DEATHS
from menura.core.properties import Properties
from menura.management.views.arguments import as_json

AUTO, BASE64 = "auto", "base64"
ENCODINGS = (AUTO, BASE64)
# Threefold, so that pieces in base64 stand behind one another.
_PIECE_BYTES = 3 * 32 * 1024
_AT_ONCE = 10
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def array(messages: Iterable[Generator[None, None, bytes]]) -> Generator[None, None, bytes]:
    """Messages, each being written, as an array."""
    found = []
    for at, message in enumerate(messages):
        if at % _AT_ONCE == 0:
            yield
        found.append((yield from message))
    return b"".join((b"[", b",".join(found), b"]"))


def written(about: Mapping[str, Any], body: bytes, whole_bytes: int, encoding: str) -> Generator[None, None, bytes]:
    """A message as a JSON object: what there is to say about it, and its body or the beginning of that.

    The body is text where it is some and may be, otherwise in base64. A long one is written piece by piece.
    """
    kind, pieces = "string", None
    if encoding == AUTO:
        pieces = yield from _as_text(body, len(body) < whole_bytes)
    if pieces is None:
        kind, pieces = "base64", (yield from _as_base64(body))
    head = f'{_encode(about)[:-1]},"payload_encoding":"{kind}","payload":"'
    return b"".join((head.encode(errors="replace"), *pieces, b'"}'))


def _as_text(body: bytes, cut: bool) -> Generator[None, None, list[bytes] | None]:
    """What stands between the quotation marks; None if it is no text. It may have been cut within a character."""
    decoder = getincrementaldecoder("utf-8")()
    pieces = []
    try:
        for at in range(0, len(body), _PIECE_BYTES):
            text = decoder.decode(body[at : at + _PIECE_BYTES], final=not cut and at + _PIECE_BYTES >= len(body))
            pieces.append(_encode(text)[1:-1].encode())
            if len(body) > _PIECE_BYTES:
                yield
    except UnicodeDecodeError:
        return None
    return pieces


def _as_base64(body: bytes) -> Generator[None, None, list[bytes]]:
    pieces = []
    for at in range(0, len(body), _PIECE_BYTES):
        pieces.append(base64.b64encode(body[at : at + _PIECE_BYTES]))
        if len(body) > _PIECE_BYTES:
            yield
    return pieces


def properties_json(properties: Properties) -> dict[str, Any]:
    return {name: as_json(value) for name, value in properties.present().items()}


def seen_message(seen: Seen, encoding: str) -> Generator[None, None, bytes]:
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
    return written(about, seen.body, seen.body_bytes, encoding)


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
