"""Delayed messages: what a million of them take, and how late they come when so many are due in every second.

First many messages with delays of an hour and more are published, which stay until the end; then, at a steady rate,
such with delays of some seconds, in turn of different length, so that they do not fall due in the order in which they
came. Each carries the time at which it was to be published plus its delay, and is late by what has passed since. Once
the longest delay is over, as many fall due as are published at the same time: the warm-up lasts until then.
"""

import random
import struct
from array import array
from collections.abc import Sequence
from contextlib import ExitStack

from menura.bench import wire
from menura.bench.backlog import fill
from menura.bench.connection import Address, Connection
from menura.bench.errors import BenchError
from menura.bench.flow import STALL_SECONDS, Consumer
from menura.bench.footprint import resident
from menura.bench.latencies import percentile
from menura.bench.latency import STAMP_BYTES, PacedPublisher, StampReader, exchange
from menura.bench.meter import Meter
from menura.bench.result import Metric, Result, Settings, measured
from menura.bench.streams import CONFIRM_WINDOW, delivery_mode
from menura.bench.topology import Topology

PENDING_MS = (3_600_000, 7_200_000)
PENDING_MESSAGES = 256
DUE_MS = range(500, 1_501, 67)
PENDING, DUE = "pending", "due"


class DelayedPublisher(PacedPublisher):
    """Publishes with the delays in turn; the stamps are of the time when a message is to be delivered."""

    def __init__(self, connection: Connection, prebuilt: Sequence[bytes], delays_ms: Sequence[int], rate: int) -> None:
        super().__init__(connection, prebuilt[0], rate)
        end = len(wire.END)
        self._prebuilt = [
            (message[: -end - STAMP_BYTES], delay_ms * 1_000_000)
            for message, delay_ms in zip(prebuilt, delays_ms, strict=True)
        ]

    def _message(self, due_ns: int) -> tuple[bytes, ...]:
        before, delay_ns = self._prebuilt[self.published % len(self._prebuilt)]
        return before, (due_ns + delay_ns).to_bytes(STAMP_BYTES, "big"), wire.END


def delayed(settings: Settings) -> Result:
    if settings.body_bytes < STAMP_BYTES:
        raise BenchError(f"a body of {settings.body_bytes} B has no room for a time stamp")
    with Topology(Address.parse(settings.url), durable=settings.durable) as topology, ExitStack() as stack:
        name = topology.exchange("x-delayed-message", {"x-delayed-type": "direct"})
        queue = topology.queue()
        topology.bind(queue, name, PENDING)
        topology.bind(queue, name, DUE)
        pending = _pending(settings, name)
        late_ns, meter = _due(settings, stack, name, queue)
    late = {"late, p50": percentile(late_ns, 50), "late, p99": percentile(late_ns, 99), "late, most": late_ns[-1]}
    return measured(
        settings,
        meter,
        *pending,
        Metric("due", len(late_ns) / meter.seconds, "/s"),
        *(Metric(figure, value_ns / 1e6, "ms") for figure, value_ns in late.items()),
        notes=(f"{settings.count:,} messages of {settings.body_bytes:,} B pending",),
    )


def _pending(settings: Settings, name: str) -> list[Metric]:
    """Publish those that stay: how fast that went, and what they take."""
    draw = random.Random(settings.count)
    prebuilt = [_prebuilt(settings, name, PENDING, draw.randint(*PENDING_MS)) for _ in range(PENDING_MESSAGES)]
    before = resident(settings)
    meter = Meter(settings.broker_pid)
    fill(settings, name, settings.count, CONFIRM_WINDOW, prebuilt)
    meter.stop()
    grown = resident(settings) - before
    return [Metric("publish", settings.count / meter.seconds, "/s"), Metric("message", grown / settings.count, "B")]


def _due(settings: Settings, stack: ExitStack, name: str, queue: str) -> tuple["array[int]", Meter]:
    """By how many nanoseconds the messages were late that came in the measured stretch, in order of that."""
    address = Address.parse(settings.url)
    consumer = Consumer(stack.enter_context(Connection(address)), queue, body_bytes=settings.body_bytes)
    arrivals = StampReader(consumer)
    prebuilt = [_prebuilt(settings, name, DUE, delay_ms) for delay_ms in DUE_MS]
    publisher = DelayedPublisher(stack.enter_context(Connection(address)), prebuilt, DUE_MS, settings.rate)
    exchange(publisher, arrivals, DUE_MS[-1] / 1000 + settings.warmup_seconds)
    first = len(arrivals.samples)
    meter = Meter(settings.broker_pid)
    exchange(publisher, arrivals, settings.seconds)
    meter.stop()
    last, published = len(arrivals.samples), publisher.stop()
    exchange(publisher, arrivals, STALL_SECONDS, lambda: len(arrivals.samples) >= published)
    if len(arrivals.samples) != published or first == last:
        raise BenchError(f"{published} messages were published, {len(arrivals.samples)} arrived")
    return array("q", sorted(arrivals.samples[first:last])), meter


def _prebuilt(settings: Settings, name: str, key: str, delay_ms: int) -> bytes:
    headers = wire.long_string(wire.short_string("x-delay") + b"I" + struct.pack(">i", delay_ms))
    props = wire.properties(headers=headers, delivery_mode=delivery_mode(settings))
    return wire.publish(name, key, bytes(settings.body_bytes), props)
