"""The hot loop out: runs to frames of one channel.

A delivery is a method frame that differs from the one before it only in eight octets of tag, and the message
as it was kept. Stored messages are frames of channel 1 in one body frame; for another channel their channel
octets are exchanged, and for a peer with smaller frames they are cut anew.
"""

from __future__ import annotations

import struct
from itertools import repeat
from typing import TYPE_CHECKING

from menura.core import content as packed

if TYPE_CHECKING:
    from menura.core.consumer import Consumer
    from menura.core.routing import Route
    from menura.core.run import Run
    from menura.protocols.amqp.session import Session

_DELIVER = b"\x00\x3c\x00\x3c"
_lead = struct.Struct(">BHI").pack
_FRAME_OVERHEAD = 8
# Layouts of deliver frames by the lengths of what stands before and behind the tag; both are below 600.
_layouts: dict[tuple[int, int], struct.Struct] = {}
_LAYOUTS_MAX = 1024
# Routes for which a consumer's frames are remembered.
_FRAMES_MAX = 512
_ack = struct.Struct(">BHIHHQBB").pack
_get_ok = struct.Struct(">HHQB").pack


class DeliverFrame:
    """The constant parts of a consumer's deliver frames for one route."""

    __slots__ = ("after", "before", "pack")

    def __init__(self, channel: int, tag: str, route: Route, redelivered: bool) -> None:
        name = tag.encode()
        payload_bytes = 4 + 1 + len(name) + 8 + 1 + len(route.address)
        self.before = b"".join((_lead(1, channel, payload_bytes), _DELIVER, bytes((len(name),)), name))
        self.after = b"".join((b"\x01" if redelivered else b"\x00", route.address, b"\xce"))
        self.pack = _layout(len(self.before), len(self.after)).pack


def _layout(before: int, after: int) -> struct.Struct:
    layout = _layouts.get((before, after))
    if layout is None:
        if len(_layouts) >= _LAYOUTS_MAX:
            _layouts.clear()
        layout = _layouts[before, after] = struct.Struct(f">{before}sQ{after}s")
    return layout


def send_deliveries(
    session: Session, channel: int, consumer: Consumer, first: int, run: Run, redelivered: bool
) -> None:
    """Queue basic.deliver for every message of a run, under tags from `first`."""
    frames: dict[tuple[Route, bool], DeliverFrame] = consumer.scratch
    frame = frames.get((run.route, redelivered))
    if frame is None:
        if len(frames) >= _FRAMES_MAX:
            frames.clear()
        frame = frames[run.route, redelivered] = DeliverFrame(channel, consumer.tag, run.route, redelivered)
    contents = run.contents
    count = len(contents)
    if channel != 1 or run.longest_bytes > session.frame_bytes_max:
        frame_bytes_max = session.frame_bytes_max
        contents = [content_frames(content, channel, frame_bytes_max) for content in contents]
    out = session.out
    if not out:
        session.wake()
    if count == 1:
        out.append(frame.pack(frame.before, first, frame.after))
        out.append(contents[0])
    else:
        pairs = [b""] * (2 * count)
        pairs[0::2] = map(frame.pack, repeat(frame.before), range(first, first + count), repeat(frame.after))
        pairs[1::2] = contents
        out += pairs
    session.output_bytes += run.size_bytes + count * (len(frame.before) + 8 + len(frame.after))


def ack_frame(channel: int, tag: int, multiple: bool) -> bytes:
    """basic.ack, here a publisher confirm."""
    return _ack(1, channel, 13, 60, 80, tag, multiple, 0xCE)


def get_ok_frame(channel: int, tag: int, redelivered: bool, route: Route, remaining: int) -> bytes:
    """basic.get-ok, to be followed by the message."""
    payload = b"".join((_get_ok(60, 71, tag, redelivered), route.address, remaining.to_bytes(4, "big")))
    return b"".join((_lead(1, channel, len(payload)), payload, b"\xce"))


def content_frames(content: bytes, channel: int, frame_bytes_max: int) -> bytes:
    """A stored message as frames of `channel`, none longer than `frame_bytes_max`."""
    number = channel.to_bytes(2, "big")
    body = packed.properties_end(content) + 1
    length = packed.body_length(content)
    if not length:
        return b"".join((b"\x02", number, content[3:]))
    if length + _FRAME_OVERHEAD <= frame_bytes_max:
        return b"".join((b"\x02", number, content[3:body], b"\x03", number, content[body + 3 :]))
    parts = [b"\x02", number, content[3:body]]
    step = frame_bytes_max - _FRAME_OVERHEAD
    end = len(content) - 1
    for at in range(body + 7, end, step):
        piece = content[at : min(at + step, end)]
        parts += (_lead(3, channel, len(piece)), piece, packed.END)
    return b"".join(parts)
