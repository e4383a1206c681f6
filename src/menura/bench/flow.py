"""A publisher and consumers in one loop, moving prebuilt bytes.

One process carries both ends, since that costs the machine least: the broker shall be what is busy. A
publisher sends a buffer of many messages over and over and is held back at two windows, the same for every
broker: how far it is ahead of the slowest consumer (or a broker that likes to publish first would be
measured filling its queues) and, with confirms, how many messages are unconfirmed. A consumer reads large
pieces and counts by bytes; acknowledgements are packed many at a time.
"""

import enum
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from menura.bench import wire
from menura.bench.connection import Connection
from menura.bench.cycle import Cycle
from menura.bench.deliveries import DeliveryReader
from menura.bench.errors import BenchError

BATCH_BYTES = 64 * 1024
STALL_SECONDS = 30.0
# A broker that writes every message by itself would wake the load for each, and pay for that with its own time where
# processors are few. So after a read that brought little, where there is nothing to send, the load waits a moment.
LITTLE_BYTES = 16 * 1024
REST_SECONDS = 0.0005


class Ack(enum.Enum):
    NONE = "none"  # the broker forgets a message when it has sent it
    EACH = "each"  # one acknowledgement a message
    REJECT = "reject"  # one refusal a message, for good
    RANGES = "ranges"  # one acknowledgement for everything that a read brought


class Confirmations(Protocol):
    """Fed with what the broker answers to a publisher; `count` messages are confirmed so far."""

    @property
    def count(self) -> int: ...
    def feed(self, data: bytes) -> None: ...


class Line(Protocol):
    """A connection that has been opened, of any protocol."""

    sock: socket.socket

    def select_confirms(self) -> Confirmations: ...
    def unasked(self, data: bytes) -> None:
        """Raise BrokerClosedError for what a publisher gets that awaits nothing, unless it means nothing."""


class Receiver(Protocol):
    """The other end: `received` messages so far; `has_unsent` acknowledgements; `little` came with the last read."""

    @property
    def little(self) -> bool: ...
    def fileno(self) -> int: ...
    @property
    def received(self) -> int: ...
    @property
    def has_unsent(self) -> bool: ...
    def on_readable(self) -> object: ...
    def on_writable(self) -> None: ...


class Publisher:
    """Sends `messages` round and round, `limit` of them in all if given, at most `batch` at once if given."""

    def __init__(
        self,
        connection: Line,
        messages: Sequence[bytes],
        *,
        confirm_window: int = 0,
        limit: int | None = None,
        batch: int | None = None,
    ) -> None:
        self._confirm_window = confirm_window
        self.confirms = connection.select_confirms() if confirm_window else None
        self._unasked = connection.unasked
        self._cycle = Cycle(map(len, messages))
        turn = b"".join(messages)
        turns = max(1, BATCH_BYTES // len(turn))
        self._count = turns * len(messages)  # that one send takes at most
        if confirm_window:  # several sends must fit the window, or the broker would idle between them
            turns = max(1, min(turns, confirm_window // (8 * len(messages))))
            self._count = min(turns * len(messages), max(1, confirm_window // 8))
        if batch is not None:
            self._count = min(self._count, batch)
        self._batch = memoryview(turn * turns)
        self._limit_bytes = None if limit is None else self._cycle.end(limit)
        self._sent_bytes = 0
        self._sock = connection.sock
        self._sock.setblocking(False)

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def published(self) -> int:
        return self._cycle.whole(self._sent_bytes)

    @property
    def confirmed(self) -> int:
        return self.confirms.count if self.confirms else self.published

    def stop(self) -> int:
        """Send no more than the rest of a message that is half out; how many it will have been in all."""
        total = self.published
        if self._cycle.end(total) < self._sent_bytes:
            total += 1
        self._limit_bytes = self._cycle.end(total)
        return total

    def may_send(self, consumed: int, window: int) -> bool:
        if self._limit_bytes is not None and self._sent_bytes >= self._limit_bytes:
            return False
        if self._confirm_window and self.published + self._count - self.confirmed > self._confirm_window:
            return False
        return self.published + self._count - consumed <= max(window, self._count)

    def on_writable(self) -> None:
        at = self._sent_bytes % len(self._batch)
        end = min(len(self._batch), at + self._cycle.end(self.published + self._count) - self._sent_bytes)
        if self._limit_bytes is not None:
            end = min(end, at + self._limit_bytes - self._sent_bytes)
        try:
            self._sent_bytes += self._sock.send(self._batch[at:end])
        except BlockingIOError:
            pass
        except ConnectionError:
            self.on_readable()  # the reason may be waiting there

    def on_readable(self) -> None:
        data = self._sock.recv(64 * 1024)
        if self.confirms and data:
            self.confirms.feed(data)
        else:
            self._unasked(data)


class Consumer:
    """Consumes one queue and settles what comes; `received` messages so far.

    `content_bytes` are the sizes of the messages in turn when they differ; see `deliveries`.
    """

    little = False

    def __init__(
        self,
        connection: Connection,
        queue: str,
        *,
        body_bytes: int,
        ack: Ack = Ack.NONE,
        prefetch: int = 0,
        content_bytes: Sequence[int] = (),
    ) -> None:
        self._sock = connection.sock
        self.reader = DeliveryReader(self._sock, body_bytes, content_bytes)
        self._ack = ack
        self._unsent = b""
        if prefetch:
            connection.prefetch(prefetch)
        connection.consume(queue, no_ack=ack is Ack.NONE)
        self._sock.setblocking(False)

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def received(self) -> int:
        return self.reader.received

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def on_readable(self) -> int:
        count = self.reader.read()
        if count:
            if self._ack is Ack.EACH:
                self._unsent += wire.ack_each(self.received - count + 1, count)
            elif self._ack is Ack.REJECT:
                self._unsent += wire.reject_each(self.received - count + 1, count)
            elif self._ack is Ack.RANGES:
                self._unsent += wire.ack_range(self.received)
            if self._unsent:
                self.on_writable()
        return count

    def on_writable(self) -> None:
        try:
            self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except BlockingIOError:
            pass


def passed(seconds: float) -> Callable[[], bool]:
    """True from so many seconds from now on."""
    deadline = time.perf_counter() + seconds
    return lambda: time.perf_counter() >= deadline


def pump(publisher: Publisher | None, consumers: Sequence[Receiver], window: int, finished: Callable[[], bool]) -> None:
    """Move bytes until `finished()`; BenchError when nothing at all moves for STALL_SECONDS."""
    readers: list[Publisher | Receiver] = [*consumers] if publisher is None else [*consumers, publisher]
    moved_at = time.monotonic()
    while not finished():
        writers: list[Publisher | Receiver] = [consumer for consumer in consumers if consumer.has_unsent]
        if publisher:
            consumed = min((consumer.received for consumer in consumers), default=publisher.confirmed)
            if publisher.may_send(consumed, window):
                writers.append(publisher)
        readable, writable, _ = select.select(readers, writers, [], 0.1)
        for end in readable:
            end.on_readable()
        for end in writable:
            end.on_writable()
        if readable and not writable and consumers and all(consumer.little for consumer in consumers):
            time.sleep(REST_SECONDS)
        if readable or writable:
            moved_at = time.monotonic()
        elif time.monotonic() - moved_at > STALL_SECONDS:
            raise BenchError(f"nothing moved for {STALL_SECONDS:.0f} s")
