"""Deliveries that are not acknowledged in time cost their channel: in the time of the queue, or else of the broker."""

from __future__ import annotations

import pytest
from tests.net.peer import Peer
from tests.protocols.amqp.memory import Answer, Basic, Client, Queue, ack, bodies, method, names, publish

from menura import Broker
from menura.protocols.amqp.limits import AmqpLimits


def with_deliveries(broker_ms: int, queue_ms: int | None = None) -> Client:
    """A client that has been given two messages, in a broker and of a queue with these timeouts."""
    client = Client(limits=AmqpLimits(consumer_timeout_ms=broker_ms)).connect()
    arguments = {} if queue_ms is None else {"x-consumer-timeout": queue_ms}
    client.call(Queue.Declare(0, "q", arguments=arguments))
    client.consume("q")
    assert bodies(client.send(publish("q", b"1") + publish("q", b"2"))) == [b"1", b"2"]
    assert client.tick(0.5) == [], "time begins to count"
    return client


def refusal(answers: list[Answer]) -> str:
    (close,) = answers
    assert (close.name, close.channel, close.reply_code) == ("Channel.Close", 1, 406)
    return str(close.reply_text)


@pytest.mark.parametrize(
    ("broker_ms", "queue_ms", "expected_ms"), [(2000, None, 2000), (0, 2000, 2000), (9000, 2000, 2000), (1, 2000, 2000)]
)
def test_the_time_of_the_queue_counts_or_else_that_of_the_broker(
    broker_ms: int, queue_ms: int | None, expected_ms: int
) -> None:
    client = with_deliveries(broker_ms, queue_ms)
    assert client.tick(expected_ms / 1000) == []
    assert refusal(client.tick(0.5)) == (
        "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: "
        f"{expected_ms} ms. This timeout value can be configured, see consumers doc guide to learn more"
    )
    assert client.node.vhosts["/"].queues["q"].ready_count == 2


def test_each_oldest_delivery_has_the_whole_time() -> None:
    client = with_deliveries(2000)
    client.tick(1.5)
    client.send(ack(1))
    assert client.tick(0.5) == []
    assert client.tick(2.0) == []
    assert names(client.tick(0.5)) == ["Channel.Close"]


def test_without_a_timeout_there_is_none() -> None:
    assert with_deliveries(0).tick(1e6) == []


def test_a_message_that_was_asked_for_counts_as_well() -> None:
    client = Client(limits=AmqpLimits(consumer_timeout_ms=1000)).connect().declare("q")
    client.send(publish("q"))
    assert names(client.send(method(Basic.Get(0, "q")))) == ["Basic.GetOk"]
    client.tick(0.5)
    assert names(client.tick(1.5)) == ["Channel.Close"]


def test_the_setting_reaches_the_connections() -> None:
    with Broker(consumer_timeout_seconds=0.001) as broker, Peer(broker.amqp_port) as peer:
        peer.connect().call(Queue.Declare(0, "q"))
        peer.send(publish("q") + method(Basic.Get(0, "q")))
        peer.expect("Basic.GetOk")
        assert "Timeout value used: 1 ms." in peer.expect("Channel.Close").reply_text
