"""The hot loop in: octets of one connection to runs of messages, and single frames.

Publishers repeat themselves: the octets of a SEND frame up to its body are a key of `session.heads`, and the head of
the next frame is compared with that of the one before it first. SEND frames in a row that go to the same target become
one run, whatever the lengths of their bodies and the names of their receipts.

A frame that has not wholly arrived stays in `Unread`, which knows what must come before another look is worth it: so
many octets, or one of a few marks, each octet searched once. Between frames, line ends are heart-beats and NULs are
skipped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from menura.core import content as packed
from menura.core.content import END
from menura.protocols.stomp.errors import FAULTS, StompError
from menura.protocols.stomp.frames import Frame, content_length, malformed, parse_head
from menura.protocols.stomp.handshake import COMMANDS as CONNECTS
from menura.protocols.stomp.publishing import Head, learn, take, too_large

if TYPE_CHECKING:
    from menura.protocols.stomp.session import Session

_SEND = b"SEND\n"
_SENDS = (_SEND, b"SEND\r\n")
# An ACK with other headers (receipt, transaction, content-length) is read by itself.
_ACK_HEADERS = frozenset(("id", "message-id", "subscription"))
_HEAD_ENDS = (b"\n\n", b"\n\r\n", b"\x00")
_BODY_END = (b"\x00",)
_SEPARATOR = b"@@"
_digits = re.compile(rb"[1-9][0-9]{0,17}").match
_noise = re.compile(rb"[\r\n\x00]*").match


class Unread:
    """What is left of earlier reads, from the beginning of a frame on."""

    __slots__ = ("_data", "_marks", "_needed_bytes", "_searched_bytes")

    def __init__(self) -> None:
        self._data = bytearray()
        self._marks: tuple[bytes, ...] = ()
        self._needed_bytes = 0
        self._searched_bytes = 0

    def __len__(self) -> int:
        return len(self._data)

    def expect(self, needed_bytes: int, marks: tuple[bytes, ...] = (), searched_bytes: int = 0) -> None:
        """Another look is worth it with one of the marks, not to be found before `searched_bytes`; without marks or
        otherwise, with `needed_bytes`."""
        self._needed_bytes = needed_bytes
        self._marks = marks
        self._searched_bytes = searched_bytes

    def keep(self, data: bytes) -> None:
        self._data += data

    def clear(self) -> None:
        self._data.clear()
        self.expect(0)

    def add(self, data: bytes) -> bytes | None:
        """What there is now, for another look; None if that is not worth it yet."""
        unread = self._data
        if not unread:
            return data
        unread += data
        if len(unread) < self._needed_bytes:
            start = max(self._searched_bytes - 2, 0)  # marks have three octets at most
            if not any(unread.find(mark, start) >= 0 for mark in self._marks):
                self._searched_bytes = len(unread)
                return None
        whole = bytes(unread)
        self.clear()
        return whole


def receive_frames(session: Session, data: bytes) -> int:
    """Carry out the whole frames at the start of `data`; the number of octets used up."""
    heads = session.heads
    unread = session.unread
    end = len(data)
    position = 0
    while not session.closing:
        noise = _noise(data, position)
        assert noise is not None
        position = noise.end()
        if position == end:
            unread.expect(0)
            return end
        if not session.writable and session.output.size_bytes:
            # It asks faster than it can be answered: leave the rest for when this has been written.
            session.stalled = True
            return position
        body = _head_end(session, data, position)
        if body < 0:
            return position
        lead = data[position:body]
        if session.opened and lead.startswith(_SENDS):
            head = heads.get(lead)
            if head is None or not head.target.holds():
                head = learn(session, lead)
            used = _sends(session, head, data, position, end)
            if used == position:
                return position
            position = used
            continue
        carried_out = _frame(session, lead, data, position)
        if carried_out is None:
            return position
        frame, position = carried_out
        if frame.command == "ACK":
            position = _acks(session, frame, lead, data, position)
    return end


def _head_end(session: Session, data: bytes, position: int) -> int:
    """Where the body of the frame at `position` begins; -1 if that has not arrived yet."""
    limits = session.limits
    bytes_max = limits.head_bytes_max if session.opened else limits.connect_bytes_max
    limit = position + bytes_max
    stop = data.find(b"\n\n", position, limit)
    found = stop + 2
    with_return = data.find(b"\n\r\n", position, stop if stop >= 0 else limit)
    if with_return >= 0:
        stop = with_return
        found = stop + 3
    if data.find(b"\x00", position, stop if stop >= 0 else limit) >= 0:
        raise malformed("no blank line before the NUL")
    if stop >= 0:
        return found
    if len(data) - position >= bytes_max:
        raise malformed(f"command and headers are longer than {bytes_max} octets")
    session.unread.expect(bytes_max, _HEAD_ENDS, len(data) - position)
    return -1


def _body_end(session: Session, data: bytes, position: int, body: int, body_bytes: int | None) -> int:
    """Where the body that begins at `body` ends; -1 if it has not wholly arrived, NUL included."""
    bytes_max = session.limits.frame_bytes_max
    if body_bytes is None:
        stop = data.find(b"\x00", body, position + bytes_max + 1)
        if stop < 0:
            if len(data) - position > bytes_max:
                raise too_large(session)
            session.unread.expect(bytes_max + 1, _BODY_END, len(data) - position)
        return stop
    stop = body + body_bytes
    if stop - position > bytes_max:
        raise too_large(session)
    if stop >= len(data):
        session.unread.expect(stop + 1 - position)
        return -1
    if data[stop]:
        raise malformed(f"no NUL behind a body of {body_bytes} octets")
    return stop


def _frame(session: Session, lead: bytes, data: bytes, position: int) -> tuple[Frame, int] | None:
    """Carry out a frame of any other kind than SEND: the frame and where it ends; None if it has not wholly arrived."""
    command, headers = parse_head(lead.rstrip(b"\r\n"), session.dialect, session.limits)
    if not session.opened and command not in CONNECTS:
        raise StompError("Illegal command", "You must log in using CONNECT first")
    try:
        stop = _body_end(session, data, position, position + len(lead), content_length(headers))
    except StompError as error:
        error.receipt = headers.get("receipt")
        raise
    if stop < 0:
        return None
    frame = Frame(command, headers, data[position + len(lead) : stop])
    session.frame(frame)
    return frame, stop + 1


def _acks(session: Session, frame: Frame, lead: bytes, data: bytes, position: int) -> int:
    """Read ACK frames in a row, from `position` on, that differ from `frame` in the number only; where they end.

    Consecutive numbers are settled at once.
    """
    before, named, after = lead.partition(session.id.encode() + _SEPARATOR)
    digits = _digits(after)
    if not named or named in after or digits is None or frame.body or not frame.headers.keys() <= _ACK_HEADERS:
        return position
    tag, _ = session.subscriptions.named("ACK", frame.headers)
    before += named
    behind = after[digits.end() :] + b"\x00"
    first = last = 0
    while True:
        noise = _noise(data, position)
        assert noise is not None
        start = noise.end()
        if not data.startswith(before, start):
            break
        digits = _digits(data, start + len(before))
        if digits is None or not data.startswith(behind, digits.end()):
            break
        number = int(digits.group())
        if not first:
            first = number
        elif number != last + 1:
            session.subscriptions.accept(tag, first, last)
            first = number
        last = number
        position = digits.end() + len(behind)
    if first:
        session.subscriptions.accept(tag, first, last)
    return position


def _sends(session: Session, head: Head, data: bytes, position: int, end: int) -> int:
    """Read SEND frames in a row, the first of which begins at `position` with `head`; where the last of them ends."""
    target = head.target
    contents: list[bytes] = []
    receipts: list[str] = []
    startswith = data.startswith
    try:
        while True:
            body = position + len(head.lead)
            body_bytes = head.body_bytes
            stop = _body_end(session, data, position, body, body_bytes)
            if stop < 0:
                break
            if head.prefix:
                contents.append(b"".join((head.prefix, data[body:stop], END)))
            else:
                contents.append(packed.pack(target.block, data[body:stop]))
            if head.receipt is not None:
                receipts.append(head.receipt)
            position = stop + 1
            if startswith(head.lead, position):
                continue
            noise = _noise(data, position)
            assert noise is not None
            position = noise.end()
            if startswith(head.lead, position):
                continue
            following = _following(session, data, position)
            if following is None or following.target is not target:
                break
            head = following
    except FAULTS:
        if contents:
            take(session, target, contents, receipts)
        raise
    if contents:
        take(session, target, contents, receipts)
    return position


def _following(session: Session, data: bytes, position: int) -> Head | None:
    """The head of the SEND frame at `position`, if it is one, has arrived and is in order."""
    if not data.startswith(_SEND, position):
        return None
    body = data.find(b"\n\n", position, position + session.limits.head_bytes_max) + 2
    if body < 2:
        return None
    lead = data[position:body]
    if b"\r" in lead or b"\x00" in lead:
        return None
    head = session.heads.get(lead)
    if head is None or not head.target.holds():
        head = learn(session, lead)
    return head
