"""A publisher and consumers in one loop, moving prebuilt bytes.

One process carries both ends, since that costs the machine least: the broker shall be what is busy. A
publisher sends a buffer of many messages over and over and is held back at two windows, the same for every
broker: how far it is ahead of the slowest consumer (or a broker that likes to publish first would be
measured filling its queues) and, with confirms, how many messages are unconfirmed. A consumer reads large
pieces and counts by bytes; acknowledgements are packed many at a time.
"""

import enum
import select
import time
from collections.abc import Callable, Sequence

from menura.bench import wire
from menura.bench.confirms import Confirms
from menura.bench.connection import Connection
from menura.bench.deliveries import DeliveryReader
from menura.bench.errors import BenchError, BrokerClosedError

BATCH_BYTES = 64 * 1024
STALL_SECONDS = 30.0


class Ack(enum.Enum):
    NONE = "none"  # the broker forgets a message when it has sent it
    EACH = "each"  # one acknowledgement a message
    RANGES = "ranges"  # one acknowledgement for everything that a read brought


class Publisher:
    """Sends `messages`, all of one size, round and round, `limit` messages in all if given."""

    def __init__(
        self,
        connection: Connection,
        messages: Sequence[bytes],
        *,
        confirm_window: int = 0,
        limit: int | None = None,
    ) -> None:
        self._message_bytes = len(messages[0])
        if any(len(message) != self._message_bytes for message in messages):
            raise ValueError("messages of different sizes can't be counted by their bytes")
        self.confirms = Confirms() if confirm_window else None
        self._confirm_window = confirm_window
        if confirm_window:
            connection.select_confirms()
        self._count = max(1, BATCH_BYTES // self._message_bytes)
        if confirm_window:
            self._count = min(self._count, max(1, confirm_window // 8))
        self._count = max(self._count, len(messages))
        self._batch = memoryview(b"".join(messages[n % len(messages)] for n in range(self._count)))
        self._limit_bytes = None if limit is None else limit * self._message_bytes
        self._sent_bytes = 0
        self._sock = connection.sock
        self._sock.setblocking(False)

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def published(self) -> int:
        return self._sent_bytes // self._message_bytes

    @property
    def confirmed(self) -> int:
        return self.confirms.count if self.confirms else self.published

    def stop(self) -> int:
        """Send no more than the rest of a message that is half out; how many it will have been in all."""
        total = -(-self._sent_bytes // self._message_bytes)
        self._limit_bytes = total * self._message_bytes
        return total

    def may_send(self, consumed: int, window: int) -> bool:
        if self._limit_bytes is not None and self._sent_bytes >= self._limit_bytes:
            return False
        if self._confirm_window and self.published + self._count - self.confirmed > self._confirm_window:
            return False
        return self.published + self._count - consumed <= max(window, self._count)

    def on_writable(self) -> None:
        at = self._sent_bytes % len(self._batch)
        end = len(self._batch)
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
            raise BrokerClosedError(wire.close_reason(data) or "the broker closed the publisher's connection")


class Consumer:
    """Consumes one queue and settles what comes; `received` messages so far."""

    def __init__(
        self, connection: Connection, queue: str, *, body_bytes: int, ack: Ack = Ack.NONE, prefetch: int = 0
    ) -> None:
        self._sock = connection.sock
        self.reader = DeliveryReader(self._sock, body_bytes)
        self.received = 0
        self._ack = ack
        self._unsent = b""
        if prefetch:
            connection.prefetch(prefetch)
        connection.consume(queue, no_ack=ack is Ack.NONE)
        self._sock.setblocking(False)

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def on_readable(self) -> int:
        count = self.reader.read()
        if count:
            if self._ack is Ack.EACH:
                self._unsent += wire.ack_each(self.received + 1, count)
            elif self._ack is Ack.RANGES:
                self._unsent += wire.ack_range(self.received + count)
            self.received += count
            if self._unsent:
                self.on_writable()
        return count

    def on_writable(self) -> None:
        try:
            self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except BlockingIOError:
            pass


def pump(publisher: Publisher | None, consumers: Sequence[Consumer], window: int, finished: Callable[[], bool]) -> None:
    """Move bytes until `finished()`; BenchError when nothing at all moves for STALL_SECONDS."""
    readers: list[Publisher | Consumer] = [*consumers] if publisher is None else [*consumers, publisher]
    moved_at = time.monotonic()
    while not finished():
        writers: list[Publisher | Consumer] = [consumer for consumer in consumers if consumer.has_unsent]
        if publisher:
            consumed = min((consumer.received for consumer in consumers), default=publisher.confirmed)
            if publisher.may_send(consumed, window):
                writers.append(publisher)
        readable, writable, _ = select.select(readers, writers, [], 0.1)
        for end in readable:
            end.on_readable()
        for end in writable:
            end.on_writable()
        if readable or writable:
            moved_at = time.monotonic()
        elif time.monotonic() - moved_at > STALL_SECONDS:
            raise BenchError(f"nothing moved for {STALL_SECONDS:.0f} s")
