"""Counting deliveries by their bytes: right for any cut of the stream, and never silent when it can't be."""

import itertools
import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from menura.bench import wire
from menura.bench.deliveries import READ_BYTES, DeliveryReader
from menura.bench.errors import BenchError, BrokerClosedError

BODY_BYTES = 50


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def delivery(tag: int, body: bytes = b"x" * BODY_BYTES) -> bytes:
    arguments = b"\x01c" + struct.pack(">Q", tag) + b"\x00\x00\x03key"
    return wire.method(wire.BASIC_DELIVER, arguments) + wire.content(body, b"\x00\x00")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(0, 40), cuts=st.sets(st.integers(1, 4_000)))
def test_every_cut_of_the_stream_gives_the_same_count(count: int, cuts: set[int]) -> None:
    stream = b"".join(delivery(tag) for tag in range(1, count + 1))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        reader = DeliveryReader(ours, BODY_BYTES)
        seen = []
        edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
        for start, end in itertools.pairwise(edges):
            theirs.sendall(stream[start:end])
            complete = reader.read()
            whole = reader.view[: complete * reader.message_bytes]
            tags = [struct.unpack_from(">Q", whole, at + 13)[0] for at in range(0, len(whole), len(delivery(1)))]
            seen += tags
        assert seen == list(range(1, count + 1))


@given(
    lengths=st.lists(st.integers(0, 300), min_size=1, max_size=5),
    count=st.integers(0, 30),
    chunk=st.integers(1, 5_000),
)
def test_sizes_that_repeat_are_counted_like_parsed_messages(lengths: list[int], count: int, chunk: int) -> None:
    bodies = [b"x" * lengths[number % len(lengths)] for number in range(count)]
    stream = b"".join(delivery(number, body) for number, body in enumerate(bodies))
    sizes = [len(wire.content(b"x" * length, b"\x00\x00")) for length in lengths]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        reader = DeliveryReader(ours, max(lengths), sizes)
        for at in range(0, len(stream), chunk):
            theirs.sendall(stream[at : at + chunk])
            reader.read()
            assert reader.received == parsed(stream[: at + chunk])
        assert reader.received == count


def parsed(stream: bytes) -> int:
    count = at = 0
    while (end := wire.message_end(stream, at)) is not None:
        count, at = count + 1, end
    return count


def test_a_body_larger_than_a_read_is_counted_once(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    body = b"x" * (READ_BYTES + 1_000)
    reader = DeliveryReader(ours, len(body))
    stream = memoryview(delivery(1, body) * 2)
    received = 0
    while stream:
        stream = stream[theirs.send(stream[:100_000]) :]
        received += reader.read()
    while reader_count := reader.read():
        received += reader_count
    assert received == 2


def test_nothing_to_read_is_no_message(ends: tuple[socket.socket, socket.socket]) -> None:
    assert DeliveryReader(ends[0], BODY_BYTES).read() == 0


@pytest.mark.parametrize("before", [0, 3])
def test_a_close_among_the_deliveries_is_raised_with_its_reason(
    ends: tuple[socket.socket, socket.socket], before: int
) -> None:
    ours, theirs = ends
    close = wire.method(wire.CHANNEL_CLOSE, struct.pack(">H", 406) + wire.short_string("PRECONDITION") + bytes(4))
    theirs.sendall(b"".join(delivery(tag) for tag in range(before)) + close)
    with pytest.raises(BrokerClosedError, match="406 PRECONDITION"):
        DeliveryReader(ours, BODY_BYTES).read()


def test_a_message_of_another_size_is_not_counted(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(delivery(1) + delivery(2, b"longer" * BODY_BYTES))
    with pytest.raises(BenchError, match="not the sizes"):
        DeliveryReader(ours, BODY_BYTES).read()


def test_what_is_no_delivery_is_not_learned(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(wire.ack_range(1) * 5)
    with pytest.raises(BenchError, match="no delivery"):
        DeliveryReader(ours, BODY_BYTES).read()


def test_the_end_of_the_stream_is_raised(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.close()
    with pytest.raises(BrokerClosedError):
        DeliveryReader(ours, BODY_BYTES).read()
