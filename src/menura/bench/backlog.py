"""A queue that grows first and is emptied afterwards.

Enqueueing is over when the broker has confirmed every message. Dequeueing is over when a consumer has every one
of them and, where it acknowledges, when the broker has answered what was sent after the last acknowledgement.
So neither figure counts what merely lies in a socket.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from menura.bench.connection import TIMEOUT_SECONDS, Address, Connection
from menura.bench.errors import BenchError
from menura.bench.flow import Ack, Consumer, Publisher, pump
from menura.bench.meter import Meter
from menura.bench.result import Metric, Result, Settings, measured
from menura.bench.streams import CONFIRM_WINDOW as DURABLE_CONFIRM_WINDOW
from menura.bench.streams import messages
from menura.bench.topology import Topology
from menura.bench.wire import NO_ARGUMENTS, Value

CONFIRM_WINDOW = 10_000
PREFETCH = 2_000  # of a consumer that acknowledges
BACKLOG_BYTES_MAX = 1 << 30  # of bodies; bounds what the broker must hold, so large bodies come in smaller numbers


def backlog_count(settings: Settings) -> int:
    return min(settings.count, max(1, BACKLOG_BYTES_MAX // settings.body_bytes))


def fill(
    settings: Settings,
    queue: str,
    count: int,
    confirm_window: int = CONFIRM_WINDOW,
    prebuilt: Sequence[bytes] = (),
) -> None:
    """Publish `count` messages, in turn those prebuilt ones, and wait until the broker has confirmed them all."""
    with Connection(Address.parse(settings.url)) as connection:
        prebuilt = prebuilt or messages(settings, "", [queue])
        publisher = Publisher(connection, prebuilt, confirm_window=confirm_window, limit=count)
        pump(publisher, [], confirm_window, lambda: publisher.confirmed >= count)


def empty(
    settings: Settings,
    connection: Connection,
    queue: str,
    count: int,
    ack: Ack,
    arguments: Mapping[str, Value] = NO_ARGUMENTS,
) -> None:
    """Consume `count` messages, and wait until the broker has taken their acknowledgements if there are any."""
    prefetch = 0 if ack is Ack.NONE else PREFETCH
    consumer = Consumer(connection, queue, body_bytes=settings.body_bytes, ack=ack, prefetch=prefetch)
    pump(None, [consumer], 0, lambda: consumer.received >= count and not consumer.has_unsent)
    if ack is not Ack.NONE:
        connection.sock.settimeout(TIMEOUT_SECONDS)
        connection.declare_queue(queue, durable=settings.durable, arguments=arguments)


def enqueue_dequeue(settings: Settings) -> Result:
    return grow_and_empty(settings, backlog_count(settings), CONFIRM_WINDOW, Ack.NONE)


def enqueue_dequeue_durable(settings: Settings, weigh: Callable[[], tuple[Metric, ...]] = tuple) -> Result:
    """What lies on disk need not fit the memory, so nothing bounds the number of messages."""
    return grow_and_empty(settings, settings.count, DURABLE_CONFIRM_WINDOW, Ack.RANGES, weigh)


def grow_and_empty(
    settings: Settings,
    count: int,
    confirm_window: int,
    ack: Ack,
    weigh: Callable[[], tuple[Metric, ...]] = tuple,
    arguments: Mapping[str, Value] = NO_ARGUMENTS,
    prebuild: Callable[[str], Sequence[bytes]] = lambda queue: (),
) -> Result:
    """`weigh` is called, off the clock, when the queue is full, for further figures; `prebuild` makes messages of the
    queue's name, where plain ones won't do."""
    address = Address.parse(settings.url)
    both = Meter(settings.broker_pid)
    with Topology(address, durable=settings.durable) as topology, ExitStack() as stack:
        queue = topology.queue(arguments)
        prebuilt = prebuild(queue)
        both.start()
        fill(settings, queue, count, confirm_window, prebuilt)
        both.stop()
        enqueue_seconds = both.seconds
        if (held := topology.held(queue, arguments)) != count:
            raise BenchError(f"{count} messages were confirmed, the queue holds {held}")
        weighed = weigh()
        connection = stack.enter_context(Connection(address))
        both.start()
        empty(settings, connection, queue, count, ack, arguments)
        both.stop()
    return measured(
        settings,
        both,
        Metric("enqueue", count / enqueue_seconds, "/s"),
        Metric("dequeue", count / (both.seconds - enqueue_seconds), "/s"),
        *weighed,
        notes=(f"{count:,} messages of {settings.body_bytes:,} B",),
    )
