"""Confirms are counted whatever way a broker chooses to send them."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from menura.bench import wire
from menura.bench.confirms import Confirms
from menura.bench.errors import BenchError, BrokerClosedError

acks = st.lists(st.tuples(st.integers(1, 30), st.booleans()), max_size=40)


@given(acks=acks, chunk=st.integers(1, 50))
def test_singles_and_ranges_in_any_order_and_chunking_count_like_a_set(
    acks: list[tuple[int, bool]], chunk: int
) -> None:
    confirmed: set[int] = set()
    stream = b""
    for tag, multiple in acks:
        confirmed |= set(range(1, tag + 1)) if multiple else {tag}
        stream += wire.ack_range(tag) if multiple else wire.ack_each(tag, 1)
    confirms = Confirms()
    for at in range(0, len(stream), chunk):
        confirms.feed(stream[at : at + chunk])
    assert confirms.count == len(confirmed)


def test_a_refused_message_is_an_error() -> None:
    nack = wire.method((60, 120), struct.pack(">QB", 1, 0))
    with pytest.raises(BenchError, match="refused"):
        Confirms().feed(wire.ack_each(1, 1) + nack)


def test_a_close_is_raised_with_its_reason() -> None:
    close = wire.method(wire.CHANNEL_CLOSE, struct.pack(">H", 404) + wire.short_string("NOT_FOUND") + bytes(4))
    with pytest.raises(BrokerClosedError, match="404 NOT_FOUND"):
        Confirms().feed(wire.ack_each(1, 3) + close)
