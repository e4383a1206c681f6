"""A client's end of one connection, as a machine: octets in, octets out, and callbacks for what they say.

It implements the transport's port (`net.port.Session`), so that the transport that serves clients drives it as well.
The handshake goes by itself; then `request` sends a method and has its answer handed to whoever asked. What nobody
asked for (a channel or consumer that ends, connection.blocked) goes to `on_method`. Deliveries are read in runs
(`deliveries`), confirms in rows; both have their own callbacks and never pass through the slow path.

`on_end` is called once, whatever the reason: the server's words, a silent peer, a lost socket, or `close`.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import Any

from menura.client.deliveries import DELIVER, Deliveries, DeliveryError, take_deliveries
from menura.client.login import FRAME_BYTES_MAX, Login, greeting, tuned
from menura.protocols.amqp import wire
from menura.protocols.amqp.spec import (
    FRAME_BYTES_MIN,
    FRAME_END,
    FRAME_METHOD,
    FRAME_OVERHEAD_BYTES,
    PROTOCOL_HEADER,
)

CLOSE_SECONDS_MAX = 3.0
OUTPUT_BYTES_MAX = 1024 * 1024
_log = logging.getLogger("menura.client")
_lead = Struct(">BHI").unpack_from
_confirm = Struct(">11xQBx").unpack_from
_ACK = b"\x00\x00\x00\x0d\x00\x3c\x00\x50"
_NACK = b"\x00\x00\x00\x0d\x00\x3c\x00\x78"
Confirmed = Callable[[int, bool, bool], None]
"""Takes a tag, whether all below it are meant too, and whether the server has taken the message."""


class ClosedError(Exception):
    """The connection, or a channel of it, has ended; `code` is 0 where the server did not say why."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


def _ignore(*_: Any) -> None:
    pass


class ClientSession:
    """`wake` says that there is something to write, or something wanted of the socket."""

    def __init__(self, login: Login, wake: Callable[[], None], now: float) -> None:
        self.login = login
        self.wake = wake
        self.on_open: Callable[[], None] = _ignore
        self.on_end: Callable[[ClosedError], None] = _ignore
        self.on_method: Callable[[int, Any], None] = _ignore
        self.on_deliveries: Callable[[Deliveries], None] = _ignore
        self.on_confirm: Confirmed = _ignore
        self.on_read: Callable[[], None] = _ignore  # all that a read brought has been handed over
        self.on_flow: Callable[[], None] = _ignore  # congested, or not any more
        self.frame_bytes_max = FRAME_BYTES_MAX
        self.server: dict[str, Any] = {}
        self.open = False
        self.paused = False
        """Set where nothing more should be read for now; `wake` tells the transport."""
        self._congested = False
        self._pieces: list[bytes] = [PROTOCOL_HEADER]
        self._size_bytes = 0
        self._unread: list[bytes] = []
        self._unread_bytes = 0
        self._needed_bytes = 8
        self._waiting: dict[int, deque[Callable[[Any], None]]] = {}
        self._ended = False
        self._closing = False
        self._close_sent = False
        self._deadline: float | None = None
        self._heartbeat_seconds = 0
        self._now = self._received = self._sent = now

    # -- what the transport asks -----------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        return self._closing

    @property
    def reading(self) -> bool:
        return not self.paused

    @property
    def writable(self) -> bool:
        return self._size_bytes < OUTPUT_BYTES_MAX and not self._congested

    @property
    def congested(self) -> bool:
        return self._congested

    @congested.setter
    def congested(self, congested: bool) -> None:
        self._congested = congested
        self.on_flow()

    def flush(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._size_bytes = 0
        if data:
            self._sent = self._now
        return data

    def resume(self) -> None:
        self.on_flow()

    def unblock(self) -> None:
        """It publishes to others."""

    def abandon(self) -> None:
        self.hang_up("the broker cannot write to its disk")

    def stop(self) -> None:
        self.close()

    def lost(self) -> None:
        self._end(ClosedError("the connection was lost"))
        self._closing = True

    def tick(self, now: float) -> None:
        self._now = now
        if self._deadline is not None and now >= self._deadline:
            self.hang_up("no answer")
            return
        interval = self._heartbeat_seconds
        if not interval or self._closing:
            return
        if not self.reading:
            self._received = now
        elif now - self._received > 2 * interval:
            self.hang_up(f"no heartbeat for {2 * interval} s")
            return
        if now - self._sent >= interval / 2 and not self._pieces:
            self.send(wire.HEARTBEAT)

    # -- what its owner asks -----------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        if not self._pieces:
            self.wake()
        self._pieces.append(data)
        self._size_bytes += len(data)

    def request(self, channel: int, method: str, on_answer: Callable[[Any], None], /, **arguments: Any) -> None:
        """Send a method; `on_answer` gets the next answer of the channel that nobody before waits for.

        That may be a channel.close.
        """
        self._waiting.setdefault(channel, deque()).append(on_answer)
        self.send(wire.frame(channel, method, **arguments))

    def close(self) -> None:
        """Say goodbye, and end when the server has answered."""
        if self._closing or self._close_sent:
            return
        if not self.open:
            self.hang_up("closed")
            return
        self._close_sent = True
        self.paused = False
        self._deadline = self._now + CLOSE_SECONDS_MAX
        self.send(wire.frame(0, "connection.close", reply_code=200, reply_text="Goodbye"))
        self.wake()

    def hang_up(self, reason: str) -> None:
        """Close the socket without another word."""
        self._pieces.clear()
        self._closing = True
        self._end(ClosedError(reason))
        self.wake()

    def _end(self, reason: ClosedError) -> None:
        self.open = False
        if not self._ended:
            self._ended = True
            self.on_end(reason)

    # -- what the server says ----------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        self._received = self._now
        if self._closing:
            return
        try:
            self._receive(data)
        except (wire.WireError, DeliveryError) as error:
            self.hang_up(f"the server sent something that is not AMQP 0-9-1: {error}")
        except Exception:
            _log.exception("connection '%s' dropped: defect in the client", self.login.name)
            self.hang_up("defect in the client")

    def _receive(self, data: bytes) -> None:
        if self._unread:
            self._unread.append(data)
            self._unread_bytes += len(data)
            if self._unread_bytes < self._needed_bytes:
                return
            data = b"".join(self._unread)
            self._unread.clear()
        position = self._frames(data)
        self._unread_bytes = len(data) - position
        if self._unread_bytes:
            self._unread.append(data[position:])
        self.on_read()

    def _frames(self, data: bytes) -> int:
        """Read the whole frames at the start; where they end."""
        position, end = 0, len(data)
        if not self.open and data.startswith(b"AMQP"):
            raise wire.WireError("trailing", "the server speaks another version")
        while end - position >= 8:
            kind, channel, size = _lead(data, position)
            if kind == FRAME_METHOD and end - position >= 11 and data.startswith(DELIVER, position + 7):
                position, needed = take_deliveries(data, position, end, self.on_deliveries)
                if needed:
                    self._needed_bytes = needed
                    return position
                continue
            if size > self.frame_bytes_max + FRAME_OVERHEAD_BYTES:
                raise wire.WireError("truncated", f"a frame of {size} octets")
            stop = position + size + 8
            if stop > end:
                self._needed_bytes = size + 8
                return position
            if data[stop - 1] != FRAME_END:
                raise wire.WireError("truncated", "a frame that does not end where it should")
            if kind == FRAME_METHOD:
                if data.startswith(_ACK, position + 3) or data.startswith(_NACK, position + 3):
                    tag, flags = _confirm(data, position)
                    self.on_confirm(tag, bool(flags & 1), data[position + 10] == _ACK[7])
                else:
                    self._method(channel, wire.decode_method(data[position + 7 : stop - 1])[1])
                    if self._closing:
                        return end
            position = stop
        self._needed_bytes = 8
        return position

    def _method(self, channel: int, method: Any) -> None:
        name = method.name
        if channel == 0:
            self._connection_method(name, method)
            return
        if name == "channel.close":
            self.send(wire.frame(channel, "channel.close-ok"))
            waiting = self._waiting.pop(channel, None)
            for answer in waiting or ():
                answer(method)
            if not waiting:
                self.on_method(channel, method)
        elif name in ("basic.cancel", "channel.flow") or not self._waiting.get(channel):
            self.on_method(channel, method)
        else:
            self._waiting[channel].popleft()(method)

    def _connection_method(self, name: str, method: Any) -> None:
        if name == "connection.close":
            self.send(wire.frame(0, "connection.close-ok"))
            self._closing = True
            self._end(ClosedError(method.reply_text, method.reply_code))
        elif name == "connection.close-ok":
            self._closing = True
            self._end(ClosedError("closed"))
        elif name == "connection.start":
            self.server = dict(method.server_properties.decode())
            self.send(greeting(self.login))
        elif name == "connection.tune":
            self._tune(method)
        elif name == "connection.open-ok":
            self.open = True
            self.on_open()
        else:
            self.on_method(0, method)

    def _tune(self, method: Any) -> None:
        frames, frame_bytes_max, self._heartbeat_seconds = tuned(self.login, method)
        if frame_bytes_max < FRAME_BYTES_MIN:  # a message would be cut into very many
            raise wire.WireError("truncated", f"no frames of more than {frame_bytes_max} octets")
        self.frame_bytes_max = frame_bytes_max
        self.send(frames)
