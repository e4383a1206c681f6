"""One connection's socket, for any protocol, and the tick that writes for all of them.

Reads are handed to the session at once, and its answer is written at once. What sessions have to say because of what
others did (deliveries, mostly) is collected and written once per turn of the event loop, one write per connection,
after all reads of the turn; only the first read of a turn, often the only one, does not wait for the others.
Backpressure both ways: a peer that does not read makes its session congested, which stops its deliveries, and is itself
not read from once too much waits for it; a session that is not `reading` has its socket left alone, so that the peer's
own writes block.

The end of a connection is said, and then waited for: a socket that is closed while the peer still writes is reset, and
its last words may be lost with that. What comes meanwhile is not heard.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import cast

from menura.net.busy_polling import BusyPoll
from menura.net.port import Answering, Session

WRITE_BUFFER_BYTES = 256 * 1024
FLOOD_BYTES = 8 * 1024 * 1024
CLOCK_SECONDS = 0.5
LINGER_SECONDS = 5.0
_log = logging.getLogger("menura")


class Tick:
    """The end of each turn of the loop, and the clock for all connections.

    `at_end` is called before the writing: the place for the journal to start a sync; it returns whether a thread is at
    work for us. `on_clock` is called every `CLOCK_SECONDS` with the loop's time. `deserted` is set while there is no
    connection, but for those that linger: all has been said, and the peer has not hung up yet. With `busy_poll_seconds`
    the loop stays awake for so long after each turn.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        at_end: Callable[[], bool],
        on_clock: Callable[[float], None],
        busy_poll_seconds: float = 0.0,
    ) -> None:
        self.loop = loop
        self._poll = BusyPoll(busy_poll_seconds, loop.call_soon, time.perf_counter) if busy_poll_seconds else None
        self._on_clock = on_clock
        self.connections: set[Connection] = set()
        self._lingering: set[Connection] = set()
        self.handshakes: set[asyncio.Transport] = set()
        self.deserted = asyncio.Event()
        self.deserted.set()
        self._at_end = at_end
        self._marked: dict[Connection, None] = {}
        self._scheduled = False
        self._reads = 0  # in this turn of the loop
        self._timer = loop.call_later(CLOCK_SECONDS, self._clock)

    def stop(self) -> None:
        self._timer.cancel()
        for connection in list(self._lingering):
            connection.transport.abort()

    def add(self, connection: Connection) -> None:
        self.connections.add(connection)
        self.deserted.clear()

    def linger(self, connection: Connection) -> None:
        self.remove(connection)
        self._lingering.add(connection)

    def remove(self, connection: Connection) -> None:
        self._lingering.discard(connection)
        self.connections.discard(connection)
        if not self.connections:
            self.deserted.set()

    def mark(self, connection: Connection) -> None:
        """This connection may have something to write, or wants something of its socket."""
        self._marked[connection] = None
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_soon(self._run)

    def after_read(self) -> None:
        """A read has been handled. What the first of a turn has caused is written at once, as there may be no other."""
        if not self._reads:
            self.write_marked()
        self._reads += 1
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        self._reads = 0
        busy_elsewhere = True
        try:
            busy_elsewhere = self._at_end()
        finally:
            self.write_marked()
            if self._poll is not None:
                if busy_elsewhere:
                    self._poll.rest()
                else:
                    self._poll.stay()

    def write_marked(self) -> None:
        """Write for all connections that have been marked, without waiting for the end of the turn."""
        marked, self._marked = self._marked, {}
        for connection in marked:
            connection.write()

    def _clock(self) -> None:
        self._timer = self.loop.call_later(CLOCK_SECONDS, self._clock)
        now = self.loop.time()
        for connection in [*self.connections, *self._lingering]:
            connection.look(now)
        self._on_clock(now)


class Connection(asyncio.Protocol):
    """Carries one session, which `make` builds once the socket is there."""

    __slots__ = (
        "_abort_at", "_ended", "_flooded", "_make", "_reading", "_receiving", "_tick", "reads", "received_bytes",
        "sent_bytes", "session", "transport", "writes",
    )  # fmt: skip

    session: Session

    def __init__(self, tick: Tick, make: Callable[[Connection], Session]) -> None:
        self._tick = tick
        self._make = make
        self._reading = True
        self._flooded = False
        self._ended = False  # the peer has said all
        self._receiving = False
        self._abort_at: float | None = None
        self.received_bytes = self.reads = self.sent_bytes = self.writes = 0

    def counts(self) -> tuple[int, int, int, int, int, bool]:
        """Octets received, in how many reads; sent, in how many writes; waiting; and whether those are too many."""
        pending_bytes = self.transport.get_write_buffer_size()
        return self.received_bytes, self.reads, self.sent_bytes, self.writes, pending_bytes, self._flooded

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self.session = self._make(self)
        self._tick.add(self)

    def wake(self) -> None:
        """The session has something to write, or wants something of its socket."""
        if not self._receiving:
            self._tick.mark(self)

    def data_received(self, data: bytes) -> None:
        if self._abort_at is not None:
            return
        self.received_bytes += len(data)
        self.reads += 1
        # What a session says in answer is written at once; what it says because of others waits for the tick.
        self._receiving = True
        try:
            self.session.receive(data)
        finally:
            self._receiving = False
        self.write()
        self._tick.after_read()

    def eof_received(self) -> bool:
        """The peer says no more; whether it may still be answered. TLS has no end of one side."""
        session = self.session
        if self._abort_at is not None or not self.transport.can_write_eof() or not isinstance(session, Answering):
            return False
        self._ended = True
        session.input_ended()
        self.write()
        self._tick.after_read()
        return True

    def pause_writing(self) -> None:
        self.session.congested = True

    def resume_writing(self) -> None:
        self.session.congested = False
        self.session.resume()
        self._tick.mark(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._tick.remove(self)
        if self._abort_at is None:
            self.session.lost()

    def look(self, now: float) -> None:
        """Let the session look at the clock; cut off a peer that does not take its last words, or does not hang up.

        Never raises: the others want to look at it too.
        """
        if self._abort_at is None:
            try:
                self.session.tick(now)
            except Exception:
                self._drop()
        elif now >= self._abort_at:
            self.transport.abort()
        else:
            self._linger()

    def write(self) -> None:
        """Write what there is and follow the session's wishes about reading and closing. Never raises."""
        try:
            self._write()
        except Exception:
            self._drop()

    def _drop(self) -> None:
        _log.exception("connection dropped: defect in the broker", extra={"event": "defect"})
        self.transport.abort()

    def _hang_up(self) -> None:
        self._abort_at = self._tick.loop.time() + LINGER_SECONDS
        self.session.lost()
        if self.transport.is_closing():  # the peer went while its last words were written
            return
        if self._ended or not self.transport.can_write_eof():  # TLS has no end of one side
            self.transport.close()
            return
        try:
            self.transport.write_eof()
        except OSError:  # it has reset the connection
            self.transport.abort()
            return
        if not self._reading:
            self.transport.resume_reading()
        self._linger()

    def _linger(self) -> None:
        if not self.transport.is_closing() and not self.transport.get_write_buffer_size():
            self._tick.linger(self)

    def _write(self) -> None:
        if self._abort_at is not None or self.transport.is_closing():
            return
        session = self.session
        starved = not session.writable
        data = session.flush()
        if data:
            self.sent_bytes += len(data)
            self.writes += 1
            self.transport.write(data)
        if session.finished:
            self._hang_up()
            return
        # A peer that sends but never reads what it is sent must not make us hold all of it.
        self._flooded = self.transport.get_write_buffer_size() > FLOOD_BYTES
        reading = session.reading and not self._flooded
        if reading is not self._reading:
            self._reading = reading
            if self._reading:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()
        if starved and session.writable:
            session.resume()
            self._tick.mark(self)
