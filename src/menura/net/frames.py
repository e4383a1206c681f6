"""Frames of a WebSocket (RFC 6455, section 5), as a server reads and writes them.

What travels in the messages is a stream of octets, so `FrameReader` hands on a frame's payload as it arrives: nothing
is gathered, frame and message boundaries mean nothing to whoever reads the stream, and a peer that announces a long
frame is held to the limits of the protocol inside. Only the headers of frames and whole control frames wait for their
last octet. All payload of one read comes out as one piece.

A violation ends the reading: what came before it counts, what comes behind it does not, and `ending` is the close
frame that says why. A close frame of the peer is answered in the same way.
"""

from __future__ import annotations

import codecs
import struct

from websockets.exceptions import ProtocolError
from websockets.frames import Close

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

NORMAL, GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED, INVALID, TOO_BIG, INTERNAL = 1000, 1001, 1002, 1003, 1007, 1009, 1011
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_FINAL, _RESERVED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F
_CONTROL_BYTES_MAX = 125
_Utf8 = codecs.getincrementaldecoder("utf-8")


def encode(opcode: int, payload: bytes) -> bytes:
    """A whole message, or a control frame."""
    return header(opcode, len(payload)) + payload


def header(opcode: int, length: int) -> bytes:
    """What stands before the payload of a frame that is a whole message."""
    if length <= 125:
        return bytes((_FINAL | opcode, length))
    if length <= 0xFFFF:
        return struct.pack(">BBH", _FINAL | opcode, 126, length)
    return struct.pack(">BBQ", _FINAL | opcode, 127, length)


def closing(code: int, reason: str = "") -> bytes:
    """A close frame."""
    return encode(CLOSE, Close(code, reason).serialize())


class _Violation(Exception):
    """The peer broke a rule: the code of the close frame and its reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class FrameReader:
    """Frames of a client. With `text`, text messages are taken as well as binary ones."""

    __slots__ = (
        "_final",
        "_left",
        "_mask",
        "_opcode",
        "_rest",
        "_utf8",
        "complaint",
        "ending",
        "frame_bytes_max",
        "pongs",
        "text",
    )

    def __init__(self, *, text: bool, frame_bytes_max: int) -> None:
        self.text = text
        self.frame_bytes_max = frame_bytes_max
        self.pongs: list[bytes] = []
        """Frames that answer the peer's pings."""
        self.ending = b""
        """The close frame that ends the connection, once there is one."""
        self.complaint = ""
        """What the peer did wrong."""
        self._rest = b""  # a frame's header, or control frame, that has not arrived in full
        self._left = 0  # octets of the current data frame still to come
        self._mask = b""  # for the next octet of the current data frame
        self._final = True  # whether the current data frame is the last of its message
        self._opcode = CONTINUATION  # of the current message; CONTINUATION between messages
        self._utf8: codecs.IncrementalDecoder | None = None  # of the current message, if it is text

    def take(self, data: bytes) -> bytes:
        """The payload that a read brought, of all its frames together."""
        pieces: list[bytes] = []
        if self.ending:
            return b""
        if self._rest:
            data, self._rest = self._rest + data, b""
        at, end = 0, len(data)
        try:
            while at < end:
                if not self._left:
                    at = self._frame(data, at, end)
                    if at < 0 or self.ending:
                        break
                if self._left:
                    until = min(at + self._left, end)
                    pieces.append(self._payload(data[at:until]))
                    at = until
        except _Violation as violation:
            self.complaint = str(violation)
            self.ending = closing(violation.code, self.complaint)
        return b"".join(pieces)

    def _frame(self, data: bytes, at: int, end: int) -> int:
        """Read a frame's header, and all of a control frame. Where it ends; -1 if it has not arrived in full."""
        start = at
        if end - at < 2:
            return self._wait(data, start)
        first, second = data[at], data[at + 1]
        opcode = first & _OPCODE
        self._check(first, second, opcode)
        length = second & _LENGTH
        at += 2
        if length > 125:
            size = 2 if length == 126 else 8
            if end - at < size:
                return self._wait(data, start)
            least = 126 if length == 126 else 0x10000
            length = int.from_bytes(data[at : at + size])
            at += size
            if length < least or length >> 63:
                raise _Violation(PROTOCOL_ERROR, "length of a frame not in its shortest form")
            if length > self.frame_bytes_max:
                raise _Violation(TOO_BIG, f"frame of {length} octets; {self.frame_bytes_max} are allowed")
        if end - at < 4 or (opcode >= CLOSE and end - at < 4 + length):
            return self._wait(data, start)
        mask = data[at : at + 4]
        at += 4
        if opcode >= CLOSE:
            self._control(opcode, apply_mask(data[at : at + length], mask))
            return at + length
        self._begin(opcode, bool(first & _FINAL), length, mask)
        return at

    def _wait(self, data: bytes, start: int) -> int:
        self._rest = data[start:]
        return -1

    def _check(self, first: int, second: int, opcode: int) -> None:
        """What the first two octets of a frame may be."""
        if first & _RESERVED:
            raise _Violation(PROTOCOL_ERROR, "reserved bit set")
        if not second & _MASKED:
            raise _Violation(PROTOCOL_ERROR, "frame without a mask")
        if opcode >= CLOSE:
            if opcode > PONG:
                raise _Violation(PROTOCOL_ERROR, f"unknown opcode {opcode}")
            if not first & _FINAL or second & _LENGTH > _CONTROL_BYTES_MAX:
                raise _Violation(PROTOCOL_ERROR, "control frame in fragments or too long")
        elif opcode > BINARY:
            raise _Violation(PROTOCOL_ERROR, f"unknown opcode {opcode}")
        elif (opcode == CONTINUATION) is (self._opcode == CONTINUATION):
            raise _Violation(PROTOCOL_ERROR, "message in a message" if opcode else "continuation of nothing")
        elif opcode == TEXT and not self.text:
            raise _Violation(UNSUPPORTED, "text message; only binary ones are taken")

    def _begin(self, opcode: int, final: bool, length: int, mask: bytes) -> None:
        """A data frame begins."""
        if opcode != CONTINUATION:
            self._opcode = opcode
            self._utf8 = _Utf8() if opcode == TEXT else None
        self._final, self._left, self._mask = final, length, mask
        if not length:
            self._payload(b"")

    def _payload(self, masked: bytes) -> bytes:
        """The next octets of the current data frame."""
        payload = apply_mask(masked, self._mask)
        self._left -= len(payload)
        if self._left:
            turn = len(payload) & 3
            self._mask = self._mask[turn:] + self._mask[:turn]
        over = self._final and not self._left
        if self._utf8 is not None:
            try:
                self._utf8.decode(payload, over)
            except UnicodeDecodeError:
                raise _Violation(INVALID, "text message that is not UTF-8") from None
        if over:
            self._opcode = CONTINUATION
        return payload

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self.pongs.append(encode(PONG, payload))
        elif opcode == CLOSE:
            try:
                Close.parse(payload)
            except ProtocolError as error:
                raise _Violation(PROTOCOL_ERROR, str(error)) from None
            except UnicodeDecodeError:
                raise _Violation(INVALID, "close reason that is not UTF-8") from None
            self.ending = encode(CLOSE, payload)
