"""The hot loop out: runs to frames of one channel.

A delivery is a method frame that differs from the one before it only in eight octets of tag, and the message
as it was kept. Stored messages are frames of channel 1 in one body frame; for another channel their channel
octets are exchanged, and for a peer with smaller frames they are cut anew.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
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
_tag = struct.Struct(">Q").pack
Layout = tuple[bytes, bytes, Callable[[bytes, int, bytes], bytes]]
# Routes for which a consumer's layouts are remembered.
_ROUTES_MAX = 512
_ack = struct.Struct(">BHIHHQBB").pack
_get_ok = struct.Struct(">HHQB").pack


class DeliverFrames:
    """One consumer's deliver frames; kept in the consumer's `scratch`."""

    __slots__ = ("channel", "frame_bytes_max", "layouts", "tag")

    def __init__(self, channel: int, tag: str, frame_bytes_max: int) -> None:
        self.channel = channel
        self.frame_bytes_max = frame_bytes_max
        name = tag.encode()
        self.tag = b"".join((_DELIVER, bytes((len(name),)), name))
        # What stands before and behind the delivery tag for a route, and how to join the three.
        self.layouts: dict[tuple[Route, bool], Layout] = {}

    def one(self, tag: int, route: Route, redelivered: bool) -> bytes:
        """The frame of a single delivery."""
        flag = b"\x01" if redelivered else b"\x00"
        payload_bytes = len(self.tag) + 9 + len(route.address)
        return b"".join((_lead(1, self.channel, payload_bytes), self.tag, _tag(tag), flag, route.address, b"\xce"))

    def many(self, first: int, count: int, route: Route, redelivered: bool) -> Iterable[bytes]:
        """The frames of consecutive deliveries."""
        layout = self.layouts.get((route, redelivered))
        if layout is None:
            if len(self.layouts) >= _ROUTES_MAX:
                self.layouts.clear()
            frame = self.one(0, route, redelivered)
            at = 7 + len(self.tag)
            before, after = frame[:at], frame[at + 8 :]
            layout = before, after, struct.Struct(f">{len(before)}sQ{len(after)}s").pack
            self.layouts[route, redelivered] = layout
        before, after, pack = layout
        return map(pack, repeat(before), range(first, first + count), repeat(after))


def send_deliveries(session: Session, consumer: Consumer, first: int, run: Run, redelivered: bool) -> None:
    """Queue basic.deliver for every message of a run, under tags from `first`."""
    frames: DeliverFrames = consumer.scratch
    contents = run.contents
    count = len(contents)
    if frames.channel != 1 or run.longest_bytes > frames.frame_bytes_max:
        contents = [content_frames(content, frames.channel, frames.frame_bytes_max) for content in contents]
    output = session.output
    out = output.pieces
    if not out:
        output.wake()
    if count == 1:
        out += (frames.one(first, run.route, redelivered), contents[0])
    else:
        pairs = [b""] * (2 * count)
        pairs[0::2] = frames.many(first, count, run.route, redelivered)
        pairs[1::2] = contents
        out += pairs
    output.size_bytes += run.size_bytes + count * (len(frames.tag) + 17 + len(run.route.address))


def ack_frame(channel: int, tag: int, multiple: bool) -> bytes:
    """basic.ack, here a publisher confirm."""
    return _ack(1, channel, 13, 60, 80, tag, multiple, 0xCE)


def nack_frame(channel: int, tag: int, multiple: bool) -> bytes:
    """basic.nack, here of publishes that could not be kept."""
    return _ack(1, channel, 13, 60, 120, tag, multiple, 0xCE)


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
