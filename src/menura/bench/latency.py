"""From publish to delivery at a steady rate that the broker can easily carry.

Messages fall due on a clock of their own, evenly spaced. Each carries the time it fell due, not the time it
left: if the broker holds the publisher back, the wait counts (else a stall would hide its own length).
Publisher and consumer share one process and one clock; the loop sleeps until the next message is due or a
delivery comes.
"""

import select
import struct
import time
from array import array
from collections.abc import Callable
from contextlib import ExitStack

from menura.bench import wire
from menura.bench.connection import Address, Connection
from menura.bench.errors import BenchError, BrokerClosedError
from menura.bench.flow import STALL_SECONDS, Consumer
from menura.bench.latencies import latency_metrics
from menura.bench.meter import Meter
from menura.bench.result import Metric, Result, Settings, measured
from menura.bench.round_trips import Readable
from menura.bench.topology import Topology

STAMP_BYTES = 8
_NEVER_NS = 1 << 63


class PacedPublisher:
    """Publishes `rate` messages a second from now on, each stamped with the time it fell due."""

    def __init__(self, connection: Connection, message: bytes, rate: int) -> None:
        stamp_at = len(message) - len(wire.END) - STAMP_BYTES
        self._before, self._after = message[:stamp_at], message[stamp_at + STAMP_BYTES :]
        self._sock = connection.sock
        self._sock.setblocking(False)
        self._unsent = b""
        self._interval_ns = 1_000_000_000 // rate
        self._due_ns = time.monotonic_ns()
        self.published = 0

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def wait_seconds(self) -> float:
        """How long until the next message is due."""
        return max(0.0, (self._due_ns - time.monotonic_ns()) / 1e9)

    def stop(self) -> int:
        """Let nothing more fall due; how many messages there have been in all."""
        self._due_ns = _NEVER_NS
        return self.published

    def publish_due(self) -> None:
        parts = [self._unsent]
        now_ns = time.monotonic_ns()
        while self._due_ns <= now_ns:
            parts += self._message(self._due_ns)
            self._due_ns += self._interval_ns
            self.published += 1
        data = b"".join(parts)
        try:
            self._unsent = data[self._sock.send(data) :] if data else data
        except BlockingIOError:
            self._unsent = data

    def _message(self, due_ns: int) -> tuple[bytes, ...]:
        """The parts of the message that falls due then."""
        return self._before, due_ns.to_bytes(STAMP_BYTES, "big"), self._after

    def on_readable(self) -> None:
        data = self._sock.recv(4096)
        raise BrokerClosedError(wire.close_reason(data) or "the broker closed the publisher's connection")


class StampReader:
    """Takes the time of arrival of each delivery against its stamp."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._layout: struct.Struct | None = None
        self.samples = array("q")

    def fileno(self) -> int:
        return self._consumer.fileno()

    def on_readable(self) -> None:
        count = self._consumer.on_readable()
        if not count:
            return
        now_ns = time.monotonic_ns()
        reader = self._consumer.reader
        if self._layout is None:
            before = reader.message_bytes - len(wire.END) - STAMP_BYTES
            self._layout = struct.Struct(f">{before}xq{len(wire.END)}x")
        whole = reader.view[: count * reader.message_bytes]
        self.samples.extend(now_ns - due_ns for (due_ns,) in self._layout.iter_unpack(whole))


def latency(settings: Settings) -> Result:
    address = Address.parse(settings.url)
    if settings.body_bytes < STAMP_BYTES:
        raise BenchError(f"a body of {settings.body_bytes} B has no room for a time stamp")
    with Topology(address, durable=settings.durable) as topology, ExitStack() as stack:
        queue = topology.queue()
        consumer = Consumer(stack.enter_context(Connection(address)), queue, body_bytes=settings.body_bytes)
        arrivals = StampReader(consumer)
        mode = wire.properties(delivery_mode=2 if settings.durable else 1)
        message = wire.publish("", queue, bytes(settings.body_bytes), mode)
        publisher = PacedPublisher(stack.enter_context(Connection(address)), message, settings.rate)
        exchange(publisher, arrivals, settings.warmup_seconds)
        first, begun = len(arrivals.samples), publisher.published
        meter = Meter(settings.broker_pid)
        exchange(publisher, arrivals, settings.seconds)
        meter.stop()
        published = publisher.published
        exchange(publisher, arrivals, STALL_SECONDS, lambda: len(arrivals.samples) >= published)
    samples = arrivals.samples[first:published]
    if len(arrivals.samples) < published or not samples:
        raise BenchError(f"{published} messages were published, {len(arrivals.samples)} arrived")
    rate = Metric("rate", (published - begun) / meter.seconds, "/s")
    return measured(settings, meter, rate, *latency_metrics(samples))


def exchange(
    publisher: PacedPublisher,
    arrivals: StampReader,
    seconds: float,
    done: Callable[[], bool] | None = None,
) -> None:
    """Publish what falls due and read what arrives, for so long or until it is `done`."""
    readers: list[Readable] = [arrivals, publisher]
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline and not (done and done()):
        writers = [publisher] if publisher.has_unsent else []
        wait = 0.1 if writers else min(0.1, publisher.wait_seconds())
        readable, _, _ = select.select(readers, writers, [], wait)
        for end in readable:
            end.on_readable()
        publisher.publish_due()
