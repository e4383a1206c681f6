"""Resident memory: of an idle broker, of each idle connection, of each queued message.

The figures are differences of the broker's resident set, so they are true only of a broker that has just
started: one that has freed memory before takes the new things' room from there. Each scenario therefore
wants a fresh broker.
"""

import os
import time
from contextlib import ExitStack
from dataclasses import replace

from menura.bench.backlog import backlog_count, enqueue_dequeue_durable, fill
from menura.bench.connection import Address, Connection
from menura.bench.errors import UnavailableError
from menura.bench.meter import Meter
from menura.bench.mqtt_connection import MqttConnection, address_of
from menura.bench.processes import open_files_max, raise_open_files_max, resident_bytes
from menura.bench.result import Metric, Result, Settings, measured
from menura.bench.topology import Topology

SETTLE_SECONDS = 1.0  # for a broker that allocates or frees in the background
SPARE_FILES = 500  # what a broker has open besides connections, and others' connections to it


def connections(settings: Settings) -> Result:
    """Connections that have finished the handshake and are silent; then a channel on each."""
    meter = Meter(settings.broker_pid)
    address = Address.parse(settings.url)
    idle = resident(settings)
    count = affordable(settings)
    with ExitStack() as stack:
        opened = [stack.enter_context(Connection(address, channel=False)) for _ in range(count)]
        connected = resident(settings)
        for connection in opened:
            connection.open_channel()
        with_channels = resident(settings)
    meter.stop()
    grown = {"connection": connected - idle, "channel": with_channels - connected}
    return _connections(settings, meter, idle, count, grown)


def mqtt_connections(settings: Settings) -> Result:
    """Clients that have connected and are silent; then a subscription of its own for each."""
    meter = Meter(settings.broker_pid)
    address = address_of(settings.url)
    idle = resident(settings)
    count = affordable(settings)
    with ExitStack() as stack:
        opened = [stack.enter_context(MqttConnection(address)) for _ in range(count)]
        connected = resident(settings)
        for connection in opened:
            connection.subscribe(f"{connection.client_id}/commands", 0)
        subscribed = resident(settings)
    meter.stop()
    grown = {"connection": connected - idle, "subscription": subscribed - connected}
    return _connections(settings, meter, idle, count, grown)


def _connections(settings: Settings, meter: Meter, idle: int, count: int, grown: dict[str, int]) -> Result:
    notes = [f"{count:,} connections", *shortfall(settings, count)]
    each = _each(grown, count, notes)
    return measured(settings, meter, Metric("idle", idle / 1e6, "MB"), *each, notes=tuple(notes))


def queued(settings: Settings) -> Result:
    """Messages that lie in a queue."""
    meter = Meter(settings.broker_pid)
    count = backlog_count(settings)
    with Topology(Address.parse(settings.url), durable=settings.durable) as topology:
        queue = topology.queue()
        before = resident(settings)
        fill(settings, queue, count)
        grown = resident(settings) - before
    meter.stop()
    notes = [f"{count:,} messages of {settings.body_bytes:,} B"]
    return measured(settings, meter, *_each({"message": grown}, count, notes), notes=tuple(notes))


def queued_on_disk(settings: Settings) -> Result:
    """Messages that lie in a durable queue, more than memory could hold; then their rates out and in."""
    idle = resident(settings)

    def weigh() -> tuple[Metric, ...]:
        full = resident(settings)
        each = _each({"message": full - idle}, settings.count, notes)
        return Metric("resident", full / 1e6, "MB"), *each

    notes: list[str] = []
    result = enqueue_dequeue_durable(settings, weigh)
    return replace(result, notes=(*result.notes, *notes))


def _each(grown: dict[str, int], count: int, notes: list[str]) -> list[Metric]:
    """The growth per thing; one that had room from before has no figure but a note."""
    notes += [f"no growth seen for a {name}: measure a fresh process" for name in grown if grown[name] <= 0]
    return [Metric(name, octets / count, "B") for name, octets in grown.items() if octets > 0]


def resident(settings: Settings) -> int:
    """What the broker's process has in memory, once it has come to rest."""
    time.sleep(SETTLE_SECONDS)
    octets = None if settings.broker_pid is None else resident_bytes(settings.broker_pid)
    if octets is None:
        raise UnavailableError("the broker's memory can't be read: name its process with --broker-pid")
    return octets


def shortfall(settings: Settings, count: int) -> list[str]:
    """What to say where not all connections could be made that were asked for."""
    if count == settings.connections:
        return []
    return [f"not {settings.connections:,}: the load's or the broker's process may not open so many files"]


def affordable(settings: Settings) -> int:
    """How many connections both ends may have open; with more, a broker's other clients would be shut out."""
    raise_open_files_max()
    limits = [open_files_max(pid) for pid in (settings.broker_pid, os.getpid()) if pid is not None]
    return max(1, min([settings.connections, *(limit - SPARE_FILES for limit in limits if limit is not None)]))
