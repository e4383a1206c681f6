"""A queue that grows first and is emptied afterwards.

Enqueueing is over when the broker has confirmed every message, dequeueing when a consumer without
acknowledgements has every one of them, so neither figure counts what merely lies in a socket.
"""

from contextlib import ExitStack

from menura.bench.connection import Address, Connection
from menura.bench.errors import BenchError
from menura.bench.flow import Consumer, Publisher, pump
from menura.bench.meter import Meter
from menura.bench.result import Metric, Result, Settings, measured
from menura.bench.streams import messages
from menura.bench.topology import Topology

CONFIRM_WINDOW = 10_000
BACKLOG_BYTES_MAX = 1 << 30  # of bodies; bounds what the broker must hold, so large bodies come in smaller numbers


def backlog_count(settings: Settings) -> int:
    return min(settings.count, max(1, BACKLOG_BYTES_MAX // settings.body_bytes))


def fill(settings: Settings, queue: str, count: int) -> None:
    """Publish `count` messages and wait until the broker has confirmed them all."""
    with Connection(Address.parse(settings.url)) as connection:
        prebuilt = messages(settings, "", [queue])
        publisher = Publisher(connection, prebuilt, confirm_window=CONFIRM_WINDOW, limit=count)
        pump(publisher, [], CONFIRM_WINDOW, lambda: publisher.confirmed >= count)


def enqueue_dequeue(settings: Settings) -> Result:
    count = backlog_count(settings)
    address = Address.parse(settings.url)
    both = Meter(settings.broker_pid)
    with Topology(address, durable=settings.durable) as topology, ExitStack() as stack:
        queue = topology.queue()
        both.start()
        fill(settings, queue, count)
        both.stop()
        enqueue_seconds = both.seconds
        if (held := topology.control.declare_queue(queue, durable=settings.durable)) != count:
            raise BenchError(f"{count} messages were confirmed, the queue holds {held}")
        connection = stack.enter_context(Connection(address))
        both.start()
        consumer = Consumer(connection, queue, body_bytes=settings.body_bytes)
        pump(None, [consumer], 0, lambda: consumer.received >= count)
        both.stop()
    return measured(
        settings,
        both,
        Metric("enqueue", count / enqueue_seconds, "/s"),
        Metric("dequeue", count / (both.seconds - enqueue_seconds), "/s"),
        notes=(f"{count:,} messages of {settings.body_bytes:,} B",),
    )
