"""Runs of deliveries, cut out of octets in any chunking."""

from __future__ import annotations

import random

import pytest
from tests.seeds import first_seed

from menura.client.deliveries import Deliveries, DeliveryError, take_deliveries
from menura.core import content as packed
from menura.protocols.amqp import wire
from menura.protocols.amqp.delivery import content_frames

Message = tuple[str, str, bytes, bytes]
"""Exchange, routing key, properties and body."""


def delivery(tag: int, message: Message, frame_bytes_max: int = 4096) -> bytes:
    exchange, key, properties, body = message
    method = wire.frame(1, "basic.deliver", consumer_tag="ctag", delivery_tag=tag, exchange=exchange, routing_key=key)
    return method + content_frames(packed.pack(properties, body), 1, frame_bytes_max)


def read(runs: list[Deliveries]) -> list[tuple[int, bytes, bytes]]:
    """Tag, address and frames of each message."""
    return [(run.first_tag + at, run.address, content) for run in runs for at, content in enumerate(run.contents())]


def take(data: bytes) -> tuple[list[Deliveries], int, int]:
    runs: list[Deliveries] = []
    position, needed = take_deliveries(data, 0, len(data), runs.append)
    return runs, position, needed


def test_messages_that_differ_in_their_bodies_alone_are_one_run() -> None:
    data = b"".join([delivery(tag, ("x", "k", b"\x10\0\x02", b"%03d" % tag)) for tag in range(1, 101)])
    (run,), position, needed = take(data)
    assert (run.count, run.first_tag, run.last_tag) == (100, 1, 100)
    assert (position, needed) == (len(data), 0)
    assert run.address == b"\x01x\x01k"
    assert run.properties() == b"\x10\0\x02"
    assert [packed.body_of(content) for content in run.contents()] == [b"%03d" % tag for tag in range(1, 101)]
    assert run.bodies()[41] == wire.body_frame(1, b"042")
    run.cut(3)
    assert (run.last_tag, len(run.contents())) == (3, 3)


def test_a_message_without_body_has_no_body_frame() -> None:
    (run,), _, _ = take(delivery(1, ("", "q", b"\0\0", b"")) + delivery(2, ("", "q", b"\0\0", b"")))
    assert run.count == 2
    assert run.bodies() == [b"", b""]
    assert (run.longest_frame_bytes, run.body_bytes) == (0, 0)


def test_what_follows_the_deliveries_is_left_alone() -> None:
    data = delivery(1, ("", "q", b"\0\0", b"x")) + wire.frame(1, "basic.cancel", consumer_tag="ctag")
    runs, position, needed = take(data)
    assert len(runs) == 1
    assert needed == 0
    assert data[position:] == wire.frame(1, "basic.cancel", consumer_tag="ctag")


@pytest.mark.parametrize("at", [-1, 30])
def test_a_frame_that_does_not_end_where_it_should_is_an_error(at: int) -> None:
    data = bytearray(delivery(1, ("", "q", b"\0\0", b"abc")))
    data[data.index(0xCE) if at > 0 else at] ^= 0xFF
    with pytest.raises(DeliveryError):
        take(bytes(data))


def test_a_body_longer_than_announced_is_an_error() -> None:
    method = wire.frame(1, "basic.deliver", consumer_tag="c", delivery_tag=1, exchange="", routing_key="q")
    with pytest.raises(DeliveryError):
        take(method + wire.header_frame(1, 2) + wire.body_frame(1, b"abc"))


@pytest.mark.parametrize("seed", range(first_seed(), first_seed() + 30))
def test_any_messages_in_any_chunks(seed: int) -> None:
    chance = random.Random(seed)
    kinds: list[Message] = [
        ("x" * chance.randrange(3), "k" * chance.randrange(4), chance.choice([b"\0\0", b"\x10\0\x02"]), b"")
        for _ in range(3)
    ]
    expected, data = [], b""
    for tag in range(1, 60):
        exchange, key, properties, _ = chance.choice(kinds)
        body = bytes([chance.choice([0xCE, 1, 0])]) * chance.choice([0, 1, 5, 5, 5, 5000, 12000])
        data += (frames := delivery(tag, (exchange, key, properties, body)))
        header = 8 + int.from_bytes(frames[3:7], "big")
        address = bytes((len(exchange),)) + exchange.encode() + bytes((len(key),)) + key.encode()
        expected.append((tag, address, frames[header:]))
    found: list[tuple[int, bytes, bytes]] = []
    unread, at = b"", 0
    while at < len(data):
        step = chance.choice([1, 7, 100, 4096, 50000])
        unread, at = unread + data[at : at + step], at + step
        runs, position, needed = take(unread)
        assert not needed or needed > len(unread) - position
        found += read(runs)
        unread = unread[position:]
    assert found == expected, f"seed {seed}"
    assert unread == b""
