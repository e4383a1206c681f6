"""Queues declared, each with one binding, and deleted again, on one connection.

One by one, every method awaits its answer. Pipelined, all methods are on their way at once, and the answers are
counted: a broker that works through them in order has answered all when it has answered so many.
"""

import select
import socket
import struct
from collections.abc import Callable, Iterable, Iterator

from menura.bench import wire
from menura.bench.connection import TIMEOUT_SECONDS, Address, Connection
from menura.bench.errors import BenchError, BrokerClosedError
from menura.bench.meter import Meter
from menura.bench.result import Metric, Result, Settings, measured
from menura.bench.topology import Topology

Request = tuple[wire.Index, bytes, wire.Index]
"""A method, its arguments, and the answer to it."""
_READ_BYTES = 256 * 1024


def one_by_one(settings: Settings) -> Result:
    def each(connection: Connection, requests: list[Request]) -> None:
        for request in requests:
            connection.call(*request)

    return _declare_delete(settings, each)


def pipelined(settings: Settings) -> Result:
    return _declare_delete(settings, send_all)


def _declare_delete(settings: Settings, carry_out: Callable[[Connection, list[Request]], None]) -> Result:
    address = Address.parse(settings.url)
    both = Meter(settings.broker_pid)
    with Topology(address, durable=settings.durable) as topology, Connection(address) as connection:
        exchange = topology.exchange("direct")
        names = [f"{topology.prefix}.d{number:06d}" for number in range(settings.count)]
        making = [request for name in names for request in _making(name, exchange, durable=settings.durable)]
        deleting: list[Request] = [(wire.QUEUE_DELETE, wire.queue_delete(name), wire.QUEUE_DELETE_OK) for name in names]
        try:
            both.start()
            carry_out(connection, making)
            both.stop()
            declare_seconds = both.seconds
            both.start()
            carry_out(connection, deleting)
            both.stop()
        except BaseException:
            topology.adopt(names)
            raise
    return measured(
        settings,
        both,
        Metric("declare", settings.count / declare_seconds, "/s"),
        Metric("delete", settings.count / (both.seconds - declare_seconds), "/s"),
        notes=(f"{settings.count:,} queues with a binding each",),
    )


def _making(name: str, exchange: str, *, durable: bool) -> Iterable[Request]:
    yield wire.QUEUE_DECLARE, wire.queue_declare(name, durable=durable), wire.QUEUE_DECLARE_OK
    yield wire.QUEUE_BIND, wire.queue_bind(name, exchange, name), wire.QUEUE_BIND_OK


def send_all(connection: Connection, requests: list[Request]) -> None:
    """Send all methods and read as many answers, which must be those expected."""
    unsent = memoryview(b"".join(wire.method(index, arguments) for index, arguments, _ in requests))
    expected = iter([struct.pack(">HH", *answer) for *_, answer in requests])
    left = len(requests)
    rest = b""
    sock = connection.sock
    sock.setblocking(False)
    try:
        while left:
            readable, writable, _ = select.select([sock], [sock] if unsent else [], [], TIMEOUT_SECONDS)
            if not readable and not writable:
                raise BenchError(f"{left} methods were not answered in {TIMEOUT_SECONDS:.0f} s")
            if readable:
                count, rest = _answers(rest + _received(sock), expected)
                left -= count
            if writable:
                unsent = unsent[sock.send(unsent[:_READ_BYTES]) :]
    finally:
        sock.settimeout(TIMEOUT_SECONDS)


def _received(sock: socket.socket) -> bytes:
    data = sock.recv(_READ_BYTES)
    if not data:
        raise BrokerClosedError("the broker closed the connection without a reason")
    return data


def _answers(data: bytes, expected: Iterator[bytes]) -> tuple[int, bytes]:
    """How many whole frames there are, each of them the answer that is expected next, and what is left."""
    count = at = 0
    while len(data) - at >= 7:
        end = at + 8 + int.from_bytes(data[at + 3 : at + 7], "big")
        if end > len(data):
            break
        if reason := wire.close_reason(data[at:]):
            raise BrokerClosedError(reason)
        if data[at + 7 : at + 11] != next(expected):
            raise BenchError("a method was answered by another one than it calls for")
        count += 1
        at = end
    return count, data[at:]
