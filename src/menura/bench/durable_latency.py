"""One durable message at a time: from publish to confirm, beside a bare append and sync of as many octets.

Blocks of both take turns, so that a disk whose syncs slow down or speed up within seconds does so to both, and
their quotient is the broker's own share. Nothing is consumed: nothing else asks for the disk. Only publishing
is on the meter.
"""

from array import array
from contextlib import ExitStack
from time import perf_counter_ns

from menura.bench.confirms import Confirms
from menura.bench.connection import Address, Connection
from menura.bench.disk import BLOCK_SYNCS, SyncedFile
from menura.bench.errors import BrokerClosedError
from menura.bench.latencies import latency_metrics, percentile
from menura.bench.meter import Meter
from menura.bench.result import QUOTIENT, Metric, Result, Settings, measured
from menura.bench.streams import messages
from menura.bench.topology import Topology


class ConfirmedPublisher:
    """Awaits the confirm of each message on a connection of its own."""

    def __init__(self, connection: Connection, message: bytes) -> None:
        connection.select_confirms()
        self._sock = connection.sock
        self._message = message
        self._confirms = Confirms()

    def publish(self, times: int) -> "array[int]":
        """Publish so often; what each message took to be confirmed in nanoseconds."""
        samples, confirms = array("q"), self._confirms
        for expected in range(confirms.count + 1, confirms.count + times + 1):
            begun = perf_counter_ns()
            self._sock.sendall(self._message)
            while confirms.count < expected:
                if not (data := self._sock.recv(4096)):
                    raise BrokerClosedError("the broker closed the connection without a reason")
                confirms.feed(data)
            samples.append(perf_counter_ns() - begun)
        return samples


def durable_latency(settings: Settings) -> Result:
    address = Address.parse(settings.url)
    with Topology(address, durable=settings.durable) as topology, ExitStack() as stack:
        (message,) = messages(settings, "", [topology.queue()])
        publisher = ConfirmedPublisher(stack.enter_context(Connection(address)), message)
        file = stack.enter_context(SyncedFile(settings))
        warmup, meter = Meter(settings.broker_pid), Meter(settings.broker_pid)
        _alternate(publisher, file, message, warmup, settings.warmup_seconds)
        published, synced = _alternate(publisher, file, message, meter, settings.seconds)
    over_sync = percentile(sorted(published), 50) / percentile(sorted(synced), 50)
    return measured(
        settings,
        meter,
        *latency_metrics(published),
        *(Metric(f"sync {metric.name}", metric.value, metric.unit) for metric in latency_metrics(synced)),
        Metric("p50 / sync p50", over_sync, QUOTIENT),
        notes=(f"{len(published):,} messages, and as many syncs of {len(message):,} B in {file.folder}",),
    )


def _alternate(
    publisher: ConfirmedPublisher, file: SyncedFile, message: bytes, meter: Meter, seconds: float
) -> tuple["array[int]", "array[int]"]:
    """Blocks of both until publishing has taken `seconds`; nanoseconds of publishes and of syncs."""
    published, synced = array("q"), array("q")
    while meter.seconds < seconds:
        synced += file.append(message, BLOCK_SYNCS)
        meter.start()
        published += publisher.publish(BLOCK_SYNCS)
        meter.stop()
    return published, synced
