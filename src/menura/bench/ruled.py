"""Queues that do more than keep messages in order: with priorities, a time to live, a limit, a place for dead letters.

Each has what it is asked for at work on every message. Priorities come in turn, from lowest to highest. What has a
time to live gets it set, but is consumed before it is over; what expires, and what is rejected, does so to the last
message, and is counted where it arrives as a dead letter. A queue that drops its oldest messages is full, and its
publisher's confirms are the figure; one that rejects publishes is never so full as to reject one.
"""

from contextlib import ExitStack

from menura.bench import wire
from menura.bench.backlog import CONFIRM_WINDOW as FILL_WINDOW
from menura.bench.backlog import backlog_count, fill, grow_and_empty
from menura.bench.connection import Address, Connection
from menura.bench.errors import BenchError
from menura.bench.flow import Ack, Consumer, Publisher, passed, pump
from menura.bench.meter import Meter
from menura.bench.result import Metric, Result, Settings, measured
from menura.bench.streams import CONFIRM_WINDOW, delivery_mode, measure_stream, messages, stream
from menura.bench.topology import Topology

PRIORITIES = 10
TTL_MS = 60_000  # never over while a scenario runs
TTL_SHORT_MS = 20
LIMIT = 10_000  # of a queue that drops what is over it
LIMIT_ABOVE = 1_000_000  # what a publisher never gets to
REJECT_PREFETCH = 500


def priority(settings: Settings) -> Result:
    with _topology(settings) as topology:
        queue = topology.queue({"x-max-priority": PRIORITIES - 1})
        return stream(settings, _by_priority(settings, queue), [queue])


def priority_backlog(settings: Settings) -> Result:
    """All levels are filled at once, and emptied one after the other."""
    return grow_and_empty(
        settings,
        backlog_count(settings),
        FILL_WINDOW,
        Ack.NONE,
        arguments={"x-max-priority": PRIORITIES - 1},
        prebuild=lambda queue: _by_priority(settings, queue),
    )


def _by_priority(settings: Settings, queue: str) -> list[bytes]:
    body, mode = b"x" * settings.body_bytes, delivery_mode(settings)
    return [
        wire.publish("", queue, body, wire.properties(delivery_mode=mode, priority=level))
        for level in range(PRIORITIES)
    ]


def ttl(settings: Settings) -> Result:
    with _topology(settings) as topology:
        queue = topology.queue({"x-message-ttl": TTL_MS})
        return stream(settings, messages(settings, "", [queue]), [queue])


def expiration(settings: Settings) -> Result:
    """The time to live is each message's own."""
    with _topology(settings) as topology:
        queue = topology.queue()
        props = wire.properties(delivery_mode=delivery_mode(settings), expiration=str(TTL_MS))
        return stream(settings, [wire.publish("", queue, b"x" * settings.body_bytes, props)], [queue])


def drop_head(settings: Settings) -> Result:
    """For each message that comes, one goes."""
    arguments = {"x-max-length": LIMIT}
    meter = Meter(settings.broker_pid)
    with _topology(settings) as topology, Connection(Address.parse(settings.url)) as connection:
        queue = topology.queue(arguments)
        fill(settings, queue, LIMIT)
        publisher = Publisher(connection, messages(settings, "", [queue]), confirm_window=CONFIRM_WINDOW)
        pump(publisher, [], settings.window, passed(settings.warmup_seconds))
        before = publisher.confirmed
        meter.start()
        pump(publisher, [], settings.window, passed(settings.seconds))
        meter.stop()
        count = publisher.confirmed - before
        published = publisher.stop()
        pump(publisher, [], settings.window, lambda: publisher.confirmed >= published)
        if (held := topology.held(queue, arguments)) != LIMIT:
            raise BenchError(f"the queue holds {held} messages, not {LIMIT}")
    return measured(settings, meter, Metric("rate", count / meter.seconds, "/s"))


def reject_publish(settings: Settings) -> Result:
    with _topology(settings) as topology:
        queue = topology.queue({"x-max-length": LIMIT_ABOVE, "x-overflow": "reject-publish"})
        return stream(settings, messages(settings, "", [queue]), [queue], confirm_window=CONFIRM_WINDOW)


def dead_letters_rejected(settings: Settings) -> Result:
    """A consumer rejects every message; another one gets them all."""
    with _topology(settings) as topology, ExitStack() as stack:
        dead = topology.queue()
        queue = topology.queue({"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
        rejecting = _consumer(settings, stack, queue, Ack.REJECT, REJECT_PREFETCH)
        return _dead_letters(settings, stack, queue, _consumer(settings, stack, dead), rejecting)


def dead_letters_expired(settings: Settings) -> Result:
    """Nobody consumes, so every message expires."""
    arguments: dict[str, wire.Value] = {"x-message-ttl": TTL_SHORT_MS, "x-dead-letter-exchange": ""}
    with _topology(settings) as topology, ExitStack() as stack:
        dead = topology.queue()
        queue = topology.queue({**arguments, "x-dead-letter-routing-key": dead})
        return _dead_letters(settings, stack, queue, _consumer(settings, stack, dead))


def _dead_letters(settings: Settings, stack: ExitStack, queue: str, dead: Consumer, *others: Consumer) -> Result:
    connection = stack.enter_context(Connection(Address.parse(settings.url)))
    publisher = Publisher(connection, messages(settings, "", [queue]))
    return measure_stream(settings, publisher, [dead, *others], counted=[dead])


def _consumer(settings: Settings, stack: ExitStack, queue: str, ack: Ack = Ack.NONE, prefetch: int = 0) -> Consumer:
    connection = stack.enter_context(Connection(Address.parse(settings.url)))
    return Consumer(connection, queue, body_bytes=settings.body_bytes, ack=ack, prefetch=prefetch)


def _topology(settings: Settings) -> Topology:
    return Topology(Address.parse(settings.url), durable=settings.durable)
