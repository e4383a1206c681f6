"""The hot loop in: octets of one connection to runs of messages and ranges of acknowledgements.

Publishers repeat themselves, and this file lives on it:

- the octets of a basic.publish frame are a key of `session.publishes`; a known frame is not parsed again;
- a message whose publish frame, header frame and body length are those of the message before it differs from it only
  in the body: such messages stand in the buffer at equal distances, and one comparison of the constant part tells
  that the next has come;
- header and body frames are kept as the slice of the buffer they are (see `core.content`);
- basic.ack frames of single tags in a row become ranges, and basic.reject frames that want nothing back.

While something is short, no publish frame is known (see `core.access.Users`), and the first one that comes stays in the
buffer with all that follows it.

What does not fit falls through to the slow path, `session.method` and `publishing.Content`, which accepts whatever the
specification allows. A message that has not wholly arrived is left in the buffer while it must fit one body frame;
longer ones are assembled by the channel.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from menura.core.run import Run
from menura.protocols.amqp.dispatching import take_content, take_method
from menura.protocols.amqp.errors import unknown
from menura.protocols.amqp.limits import FRAME_BYTES_TOLERANCE
from menura.protocols.amqp.publishing import Timed, learn, treatment
from menura.protocols.amqp.spec import FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_METHOD, FRAME_OVERHEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from menura.protocols.amqp.channel import Channel
    from menura.protocols.amqp.publishing import Target, Treatment
    from menura.protocols.amqp.session import Session

_lead = struct.Struct(">BHI").unpack_from
_header_lead = struct.Struct(">BHIHHQ").unpack_from
_ack_tags = struct.Struct(">11xQ2x").iter_unpack
_ACK = b"\x00\x00\x00\x0d\x00\x3c\x00\x50"
_REJECT = b"\x00\x00\x00\x0d\x00\x3c\x00\x5a"
_ACK_BYTES = 21
_SINGLE_END = b"\x00\xce"
_PUBLISH = b"\x00\x3c\x00\x28"
_CHANNEL_1 = b"\x00\x01"
_READ_AHEAD = 22  # header frame up to and including its first property flags


def receive_frames(session: Session, data: bytes) -> int:
    """Carry out the whole frames at the start of `data`; the number of octets used up.

    Raises AmqpError with `session.position` set to the octets used up until then.
    """
    publishes = session.publishes
    payload_bytes_max = session.frame_bytes_max - FRAME_OVERHEAD_BYTES
    position: int = 0
    end = len(data)
    while end - position >= 8:
        kind, number, size = _lead(data, position)
        if size > payload_bytes_max + FRAME_BYTES_TOLERANCE:
            session.position = end
            raise unknown(kind, b"", f"{{frame_too_large,{size},{payload_bytes_max}}}")
        stop = position + size + 8
        if stop > end:
            session.needed_bytes = size + 8
            session.position = position
            return position
        if data[stop - 1] != FRAME_END:
            session.position = end
            payload = data[position + 7 : stop - 1]
            raise unknown(kind, payload, f"{{invalid_frame_end_marker,{data[stop - 1]}}}")
        if kind == FRAME_METHOD:
            target = publishes.get(data[position:stop])
            if target is not None and target.holds():
                used = _publishes(session, target, data, position, stop, end)
                if used == position:
                    session.position = position
                    return position
                position = used
                continue
            if data.startswith(_ACK, position + 3) and data[stop - 2] == 0:
                channel = session.channels.get(number)
                if channel is not None and not channel.closing and channel.content is None:
                    position = _settlements(session, channel.settle, data, position, end)
                    continue
            elif data.startswith(_REJECT, position + 3) and data[stop - 2] == 0:
                channel = session.channels.get(number)
                if channel is not None and not channel.closing and channel.content is None:
                    position = _settlements(session, channel.refuse, data, position, end)
                    continue
            if data.startswith(_PUBLISH, position + 7):
                session.position = position
                if session.node.alarms.blocked and _has_to_wait(session, number):
                    session.needed_bytes = 0
                    return position
                if learn(session, number, data[position:stop]):
                    continue
            position = stop
            session.position = stop
            take_method(session, number, data[stop - size - 1 : stop - 1])
            if session.closing:
                return end
            payload_bytes_max = session.frame_bytes_max - FRAME_OVERHEAD_BYTES
            if not session.writable and session.output.size_bytes:
                # It asks faster than it can be answered: leave the rest for when this has been written.
                session.stalled = True
                session.needed_bytes = 0
                return position
        else:
            position = stop
            session.position = stop
            take_content(session, kind, number, data[stop - size - 1 : stop - 1])
    session.needed_bytes = 8
    session.position = position
    return position


def _has_to_wait(session: Session, number: int) -> bool:
    """Whether nothing is to be heard from a publish on, as something is short."""
    channel = session.channels.get(number)
    if channel is None or channel.closing or channel.content is not None:
        return False  # it is not to be published, or wrong
    session.throttle.block()
    return True


def _publishes(session: Session, target: Target, data: bytes, position: int, stop: int, end: int) -> int:
    """Read the messages that begin at `position` with the known publish frame data[position:stop].

    The number of octets up to which data is used; `position` itself if the first message has not wholly
    arrived.
    """
    channel = target.channel
    number = channel.number
    method = data[position:stop]
    method_bytes = stop - position
    body_bytes_max = session.single_body_bytes_max
    startswith = data.startswith
    contents: list[bytes] = []
    size_bytes = longest_bytes = 0
    common: Treatment = False
    while True:
        header = position + method_bytes
        if end - header < _READ_AHEAD:
            session.needed_bytes = _needed_for_header(data, header, end, number) - position
            if session.needed_bytes < 0:
                position = _expect_content(channel, target, header)
            break
        kind, of, header_bytes, class_id, _, body_bytes = _header_lead(data, header)
        if (
            kind != FRAME_HEADER
            or of != number
            or class_id != 60
            or not 14 <= header_bytes <= session.frame_bytes_max
            or body_bytes > body_bytes_max
        ):
            # Not what follows a publish, or a message too long for one body frame: the channel takes its frames one
            # by one, and says what is wrong.
            position = _expect_content(channel, target, header)
            break
        body = header + header_bytes + 8
        if not body_bytes:
            stop = body
        elif end < body + 7:
            session.needed_bytes = body + 7 - position
            break
        elif _lead(data, body) != (FRAME_BODY, number, body_bytes):
            position = _expect_content(channel, target, header)
            break
        else:
            stop = body + body_bytes + 8
        if stop > end:
            session.needed_bytes = stop - position
            break
        if data[body - 1] != FRAME_END or data[stop - 1] != FRAME_END:
            position = _expect_content(channel, target, header)
            break
        traits: Treatment | None = target.traits(data[header + 19 : body - 1])
        if traits is None and (traits := treatment(data[header + 19 : body - 1])) is None:
            # Something in the properties asks for more than queueing.
            session.position = position
            _publish(channel, target, contents, size_bytes, longest_bytes, common)
            contents = []
            size_bytes = longest_bytes = 0
            session.position = position = stop
            channel.publish_special(target, _normal(data[header:stop], body - header))
        else:
            if traits is not common:
                if contents:
                    session.position = position
                    _publish(channel, target, contents, size_bytes, longest_bytes, common)
                    contents = []
                    size_bytes = longest_bytes = 0
                common = traits
            # The messages that repeat this one but for the body.
            length = stop - position
            content_bytes = length - method_bytes
            if content_bytes > longest_bytes:
                longest_bytes = content_bytes
            if stop == end and number == 1:
                contents.append(data[header:stop])
                size_bytes += content_bytes
                position = stop
                break
            lead = body + 7 if body_bytes else body - 1
            repeated = b"\xce" + data[position:lead]
            last = end - length
            first = position
            position = stop
            while position <= last and startswith(repeated, position - 1):
                position += length
            if data[position - 1] != FRAME_END:
                position -= length
            if number == 1:
                contents += [data[at : at + content_bytes] for at in range(first + method_bytes, position, length)]
            else:
                constant = _normal(data[header:lead], body - header)
                offset = lead - first
                contents += [constant + data[at + offset : at + length] for at in range(first, position, length)]
            size_bytes += content_bytes * ((position - first) // length)
        if not startswith(method, position):
            break
    session.position = position
    if contents:
        _publish(channel, target, contents, size_bytes, longest_bytes, common)
    return position


def _needed_for_header(data: bytes, header: int, end: int, number: int) -> int:
    """Up to where a content header that begins at `header` must have arrived to be looked at; -1 if it is none."""
    if end - header < 7:
        return header + 7
    kind, of, size = _lead(data, header)
    return header + _READ_AHEAD if kind == FRAME_HEADER and of == number and size >= 14 else -1


def _publish(
    channel: Channel,
    target: Target,
    contents: list[bytes],
    size_bytes: int,
    longest_bytes: int,
    common: Treatment,
) -> None:
    if contents:
        if isinstance(common, Timed):
            deadline_ms = channel.session.node.agenda.wall_ms + common.ttl_ms
            run = Run(target.route, contents, size_bytes, longest_bytes, common.persistent, None, deadline_ms)
        else:
            run = Run(target.route, contents, size_bytes, longest_bytes, common)
        channel.publish(target, run)


def _expect_content(channel: Channel, target: Target, header: int) -> int:
    """Let the channel read the content, frame by frame, of a publish whose method frame ends at `header`."""
    channel.expect_content(target)
    return header


def _normal(frames: bytes, body: int) -> bytes:
    """Header and body frames, whole or cut off within the body, as of channel 1; the body frame begins at
    `body`."""
    parts = [frames[:1], _CHANNEL_1, frames[3:body]]
    if len(frames) > body:
        parts += (frames[body : body + 1], _CHANNEL_1, frames[body + 3 :])
    return b"".join(parts)


def _settlements(session: Session, settle: Callable[[int, int], None], data: bytes, position: int, end: int) -> int:
    """Read single acknowledgements, or rejections, in a row, the first of them at `position`; where they end."""
    following = _SINGLE_END + data[position : position + 11]
    startswith = data.startswith
    stop = position + _ACK_BYTES
    last = end - _ACK_BYTES
    while stop <= last and startswith(following, stop - 2):
        stop += _ACK_BYTES
    if data[stop - 2 : stop] != _SINGLE_END:
        stop -= _ACK_BYTES
    session.position = stop
    tags = [tag for (tag,) in _ack_tags(data[position:stop])]
    first = tags[0]
    last_tag = tags[-1]
    if last_tag - first == len(tags) - 1 and tags == list(range(first, last_tag + 1)):
        settle(first, last_tag)
    else:
        for low, high in _ranges(tags):
            settle(low, high)
    return stop


def _ranges(tags: list[int]) -> list[tuple[int, int]]:
    """Consecutive tags as (first, last), in the order given."""
    found: list[tuple[int, int]] = []
    low = high = tags[0]
    for tag in tags[1:]:
        if tag != high + 1:
            found.append((low, high))
            low = tag
        high = tag
    found.append((low, high))
    return found
