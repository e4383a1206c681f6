"""A session behind a WebSocket: frames outside, the octets of any protocol inside.

`WebSocket` is a session to the transport, and the transport to the session it carries, which does not know. What the
session says in one turn goes out as one binary message, or, where the rules have `cut`, as one message for each piece,
text if it is UTF-8.

When the session is finished, a close frame follows its last words, and the socket stays open until the peer has
answered, at most `CLOSE_SECONDS_MAX`. A peer that closes, or breaks a rule of RFC 6455, gets what is due to it, then
the close frame; the session learns of the end from the transport, as it does of any other.
"""

from __future__ import annotations

from collections.abc import Callable

from menura.net.frames import BINARY, GOING_AWAY, INTERNAL, NORMAL, TEXT, FrameReader, closing, encode, header
from menura.net.port import Session, WebSocketRules

CLOSE_SECONDS_MAX = 2.0
FRAME_ROOM_BYTES = 64 * 1024
"""How much longer than a message's body the frame around it may be."""


class WebSocket:
    """An open WebSocket. `greeting` is written first."""

    __slots__ = (
        "_close_at",
        "_closing",
        "_code",
        "_complain",
        "_cut",
        "_greeting",
        "_reader",
        "_wake",
        "finished",
        "session",
    )

    def __init__(
        self,
        session: Session,
        rules: WebSocketRules,
        greeting: bytes,
        wake: Callable[[], None],
        complain: Callable[[str], None],
        message_bytes_max: int,
    ) -> None:
        self.session = session
        self.finished = False
        self._cut = rules.cut
        self._greeting = greeting
        self._wake = wake
        self._complain = complain
        self._reader = FrameReader(text=rules.cut is not None, frame_bytes_max=message_bytes_max + FRAME_ROOM_BYTES)
        self._code = NORMAL
        self._closing = False  # our close frame has been written
        self._close_at: float | None = None

    @property
    def congested(self) -> bool:
        return self.session.congested

    @congested.setter
    def congested(self, congested: bool) -> None:
        self.session.congested = congested

    @property
    def reading(self) -> bool:
        return self._closing or self.session.reading

    @property
    def writable(self) -> bool:
        return self._closing or self.session.writable

    def receive(self, data: bytes) -> None:
        payload = self._reader.take(data)
        if self._reader.complaint:
            self._complain(self._reader.complaint)
            self._reader.complaint = ""
        if payload and not self._closing and not self.session.finished:
            self.session.receive(payload)

    def flush(self) -> bytes:
        out = [self._greeting, *self._reader.pongs]
        self._greeting = b""
        self._reader.pongs.clear()
        if not self._closing:
            self._say(out, self.session.flush())
            if self._reader.ending:
                self._closing = True
                out.append(self._reader.ending)
            elif self.session.finished:
                self._closing = True
                out.append(closing(self._code))
        self.finished = self.finished or bool(self._reader.ending)
        return b"".join(out)

    def _say(self, out: list[bytes], data: bytes) -> None:
        if not data:
            return
        if self._cut is None:
            out.append(header(BINARY, len(data)))
            out.append(data)
        else:
            out += [encode(TEXT if _is_text(piece) else BINARY, piece) for piece in self._cut(data)]

    def resume(self) -> None:
        self.session.resume()

    def tick(self, now: float) -> None:
        if not self._closing:
            self.session.tick(now)
        elif self._close_at is None:
            self._close_at = now + CLOSE_SECONDS_MAX
        elif now >= self._close_at:
            self.finished = True
            self._wake()

    def unblock(self) -> None:
        self.session.unblock()

    def abandon(self) -> None:
        self._code = INTERNAL
        self.session.abandon()

    def stop(self) -> None:
        self._code = GOING_AWAY
        self.session.stop()

    def lost(self) -> None:
        self.session.lost()


def _is_text(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True
