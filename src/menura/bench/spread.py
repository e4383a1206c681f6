"""Confirmed messages to one queue, or to a hundred in turn: what does it cost a broker to have many?

Both send the same number of prebuilt messages round and round within the same window of unconfirmed ones and
differ in nothing but routing keys. Nothing is consumed, since a hundred consumers would be another load than
one; in the end the queues must hold exactly what was confirmed.
"""

from menura.bench.connection import Address, Connection
from menura.bench.errors import BenchError
from menura.bench.flow import Publisher, passed, pump
from menura.bench.meter import Meter
from menura.bench.result import Metric, Result, Settings, measured
from menura.bench.streams import messages
from menura.bench.topology import Topology

SPREAD_QUEUES = 100


def one_queue(settings: Settings) -> Result:
    return _confirmed(settings, 1)


def spread(settings: Settings) -> Result:
    return _confirmed(settings, SPREAD_QUEUES)


def _confirmed(settings: Settings, queue_count: int) -> Result:
    """`settings.window` messages are unconfirmed at a time."""
    address = Address.parse(settings.url)
    with Topology(address, durable=settings.durable) as topology, Connection(address) as connection:
        queues = [topology.queue() for _ in range(queue_count)]
        keys = queues * (SPREAD_QUEUES // queue_count)
        publisher = Publisher(connection, messages(settings, "", keys), confirm_window=settings.window)
        meter = Meter(settings.broker_pid)
        pump(publisher, [], settings.window, passed(settings.warmup_seconds))
        before = publisher.confirmed
        meter.start()
        pump(publisher, [], settings.window, passed(settings.seconds))
        meter.stop()
        confirmed = publisher.confirmed - before
        expected = publisher.stop()
        pump(publisher, [], settings.window, lambda: publisher.confirmed >= expected)
        held = sum(topology.control.declare_queue(queue, durable=settings.durable) for queue in queues)
    if held != expected:
        raise BenchError(f"{expected} messages were confirmed, the queues hold {held}")
    return measured(settings, meter, Metric("rate", confirmed / meter.seconds, "/s"))
