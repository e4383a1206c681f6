"""basic.get, one message after the other: a program that polls.

The queue is filled outside the clock, a batch at a time, and the measured stretch is the sum of the
emptyings.
"""

import struct
from array import array
from contextlib import ExitStack
from time import perf_counter_ns

from menura.bench import wire
from menura.bench.backlog import fill
from menura.bench.connection import Address, Connection
from menura.bench.errors import BenchError, BrokerClosedError
from menura.bench.latencies import latency_metrics
from menura.bench.meter import Meter
from menura.bench.result import Metric, Result, Settings, measured
from menura.bench.topology import Topology

READ_BYTES = 256 * 1024
_NO_ACK = b"\x01"
_GET_EMPTY = struct.pack(">HH", *wire.BASIC_GET_EMPTY)


class Getter:
    """Gets messages of one size, without acknowledgement, on a connection of its own."""

    def __init__(self, connection: Connection, queue: str) -> None:
        self._sock = connection.sock
        self._request = wire.method(wire.BASIC_GET, b"\x00\x00" + wire.short_string(queue) + _NO_ACK)
        self._message_bytes = 0

    def get(self) -> None:
        self._sock.sendall(self._request)
        data = self._sock.recv(READ_BYTES)
        while len(data) != self._message_bytes:
            data = self._look_closer(data)

    def _look_closer(self, data: bytes) -> bytes:
        """Data not of the known size: the first message, a part of one, or the reason why there is none."""
        if not self._message_bytes and (end := wire.message_end(data)):
            self._message_bytes = end
            return data
        if reason := wire.close_reason(data):
            raise BrokerClosedError(reason)
        if data[7:11] == _GET_EMPTY:
            raise BenchError("the queue is empty before all its messages were got")
        if len(data) > self._message_bytes > 0:
            raise BenchError("the answers to basic.get are not all of one size")
        part = self._sock.recv(READ_BYTES)
        if not part:
            raise BrokerClosedError("the broker closed the connection without a reason")
        return data + part


def get_loop(settings: Settings) -> Result:
    address = Address.parse(settings.url)
    samples = array("q")
    with Topology(address, durable=settings.durable) as topology, ExitStack() as stack:
        queue = topology.queue()
        getter = Getter(stack.enter_context(Connection(address)), queue)
        warmup, meter = Meter(settings.broker_pid), Meter(settings.broker_pid)
        while warmup.seconds < settings.warmup_seconds:
            _empty(settings, queue, getter, warmup)
        while meter.seconds < settings.seconds:
            samples += _empty(settings, queue, getter, meter)
    rate = Metric("rate", len(samples) / meter.seconds, "/s")
    return measured(settings, meter, rate, *latency_metrics(samples))


def _empty(settings: Settings, queue: str, getter: Getter, meter: Meter) -> "array[int]":
    """Fill the queue, then get all its messages on the clock; what each get took in nanoseconds."""
    fill(settings, queue, settings.count)
    samples = array("q")
    meter.start()
    for _ in range(settings.count):
        begun = perf_counter_ns()
        getter.get()
        samples.append(perf_counter_ns() - begun)
    meter.stop()
    return samples
