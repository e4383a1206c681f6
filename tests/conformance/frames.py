"""Frames as bytes, right ones and wrong ones, built by pamqp or by hand.

pamqp shares no code with the broker under test. Its own checks are switched off, since what no honest client
says must be sayable; what it cannot build at all, `raw_frame`, `raw_method` and `raw_header` can.
"""

from __future__ import annotations

import struct
from typing import Any

from pamqp import base, body, commands, exceptions, frame, header
from pamqp.commands import Basic

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_END = b"\xce"
FRAME_OVERHEAD = 8

for _method in (*commands.INDEX_MAPPING.values(), Basic.Properties):
    _method.validate = base.Frame.validate


def raw_frame(kind: int, channel: int, payload: bytes, end: bytes = FRAME_END, size: int | None = None) -> bytes:
    """A frame with any kind, channel, end octet and announced size."""
    return struct.pack(">BHI", kind, channel, len(payload) if size is None else size) + payload + end


def raw_method(class_id: int, method_id: int, arguments: bytes = b"", channel: int = 1) -> bytes:
    return raw_frame(METHOD, channel, struct.pack(">HH", class_id, method_id) + arguments)


def raw_header(size: int, channel: int = 1, class_id: int = 60, flags: int = 0, properties: bytes = b"") -> bytes:
    """A content header; the property flags need not fit the properties."""
    return raw_frame(HEADER, channel, struct.pack(">HHQH", class_id, 0, size, flags) + properties)


def short(value: bytes | str) -> bytes:
    """A short string."""
    data = value.encode() if isinstance(value, str) else value
    return bytes([len(data)]) + data


def long(value: bytes) -> bytes:
    """A long string, or a table given by its entries."""
    return struct.pack(">I", len(value)) + value


def on(channel: int, method: base.Frame) -> bytes:
    return frame.marshal(method, channel)


def content(payload: bytes, channel: int = 1, frame_max: int = 131072, **properties: Any) -> bytes:
    """The header frame and the body frames of a message."""
    values = Basic.Properties(**properties)
    if not values.cluster_id:
        values.cluster_id = None  # pamqp would send an empty one
    frames = frame.marshal(header.ContentHeader(body_size=len(payload), properties=values), channel)
    step = frame_max - FRAME_OVERHEAD
    for start in range(0, len(payload), step):
        frames += frame.marshal(body.ContentBody(payload[start : start + step]), channel)
    return frames


def qos(count: int, *, size: int = 0, shared: bool = False) -> bytes:
    """basic.qos; `shared` is its bit `global`."""
    return raw_method(60, 10, struct.pack(">IHB", size, count, shared))


def plain(user: str, password: str) -> str:
    """The response of the PLAIN mechanism."""
    return f"\0{user}\0{password}"


def decode(data: bytes) -> tuple[int, Any]:
    """The channel and value of one whole frame; the bytes themselves if pamqp cannot read them."""
    try:
        _, channel, value = frame.unmarshal(data)
    except (exceptions.UnmarshalingException, UnicodeDecodeError):
        return 0, data
    return channel, value
