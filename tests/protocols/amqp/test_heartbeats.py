"""Heartbeats, both ways, against a clock that tests move by hand."""

from __future__ import annotations

import pytest
from tests.protocols.amqp.memory import HEARTBEAT, Client, Confirm, ack, names, publish

STEP = 0.5


def heard_in(client: Client, seconds: float, said: bytes = b"") -> list[str]:
    """What the broker says in that time to a client that says `said` again and again."""
    heard = []
    for _ in range(int(seconds / STEP)):
        if said:
            heard += names(client.send(said))
        heard += names(client.tick(STEP))
    return heard


def test_a_silent_broker_sends_one_heartbeat_every_half_interval() -> None:
    client = Client().connect(seconds=10)
    assert heard_in(client, 60, HEARTBEAT) == ["Heartbeat"] * 12


@pytest.mark.parametrize("said", [publish("nobody"), HEARTBEAT])
def test_a_client_that_only_sends_hears_heartbeats(said: bytes) -> None:
    client = Client().connect(seconds=2)
    heard = heard_in(client, 20, said)
    assert set(heard) == {"Heartbeat"}
    assert len(heard) >= 10


def test_a_client_that_only_acknowledges_hears_heartbeats() -> None:
    client = Client().connect((1, 2)).declare("q")
    client = Client(client.node).connect((1, 2), seconds=2)
    client.consume("q")
    client.send(publish("q", channel=2) * 100)
    client.take()
    heard = []
    for tag in range(1, 41):
        heard += names(client.send(ack(tag)))
        heard += names(client.tick(STEP))
    assert heard.count("Heartbeat") >= 10


def test_a_broker_that_has_something_to_say_sends_no_heartbeat() -> None:
    client = Client().connect(seconds=10)
    client.call(Confirm.Select())
    assert set(heard_in(client, 60, publish("nobody"))) == {"Basic.Ack"}


def test_a_client_silent_for_two_intervals_is_cut_off() -> None:
    client = Client().connect(seconds=10)
    client.tick(20)
    assert not client.session.closing
    client.tick(0.1)
    assert client.session.closing
    assert client.take() == []


def test_every_octet_counts_as_a_sign_of_life() -> None:
    client = Client().connect(seconds=10)
    for octet in publish("nobody", b"x" * 100):
        client.send(bytes((octet,)))
        client.tick(1)
        assert not client.session.closing


def test_without_an_interval_there_are_no_heartbeats() -> None:
    client = Client().connect(seconds=0)
    assert heard_in(client, 600) == []
    assert not client.session.closing


def test_a_publisher_that_is_not_read_from_is_not_taken_for_dead() -> None:
    client = Client().connect(seconds=10).declare("q")
    client.node.memory.set_watermark(10)
    client.send(publish("q"))
    assert not client.session.reading
    client.tick(100)
    assert not client.session.closing
    client.session.unblock()
    client.tick(15)
    assert not client.session.closing
    client.tick(15)
    assert client.session.closing
