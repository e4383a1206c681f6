"""Delivery counts over real starts: of brokers that were stopped, and of such that died with the message in hand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pika
import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel
from tests.durability.serving import Serve

import menura

LIMIT = 3
SECONDS = 30
PERSISTENT = pika.BasicProperties(delivery_mode=2, headers={"h": "1"})


@contextmanager
def connected(url: str) -> Iterator[BlockingChannel]:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    try:
        yield channel
    finally:
        # The broker may have been killed.
        with suppress(pika.exceptions.AMQPError):
            connection.close()


def declare(channel: BlockingChannel, limit: int = LIMIT, **more: Any) -> None:
    """The queue "work", whose dead go to "dead", and "other" beside it."""
    words = {"x-queue-type": "quorum", "x-delivery-limit": limit, **more}
    channel.queue_declare("dead", durable=True)
    channel.queue_declare("other", durable=True)
    dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    channel.queue_declare("work", durable=True, arguments={**words, **dead})


def next_of(channel: BlockingChannel, queue: str) -> tuple[int, pika.BasicProperties, bytes]:
    """One message; there is no consumer any more to get it once more."""
    method, properties, body = next(channel.consume(queue, inactivity_timeout=SECONDS))
    assert method is not None, f"nothing from {queue} within {SECONDS} s"
    assert not channel.cancel(), "there was another one"
    return method.delivery_tag, properties, body


def count_of(properties: pika.BasicProperties) -> int:
    assert properties.headers["h"] == "1"
    return properties.headers.get("x-delivery-count", 0)


def assert_dead(channel: BlockingChannel) -> None:
    _, properties, body = next_of(channel, "dead")
    deaths = [(each["queue"], each["reason"], each["count"]) for each in properties.headers["x-death"]]
    assert (body, deaths) == (b"poison", [("work", "delivery_limit", 1)])
    assert "x-delivery-count" not in properties.headers


def test_a_message_that_is_rejected_once_in_each_life_of_the_broker_dies_at_the_limit(tmp_path: Path) -> None:
    counts = []
    for life in range(LIMIT + 1):
        with menura.Broker(data=str(tmp_path)) as broker, connected(broker.amqp_url) as channel:
            declare(channel)
            if not life:
                channel.basic_publish("", "work", b"poison", PERSISTENT)
            tag, properties, _ = next_of(channel, "work")
            counts.append(count_of(properties))
            channel.basic_nack(tag, requeue=True)
    assert counts == [0, 1, 2, 3]
    with menura.Broker(data=str(tmp_path)) as broker, connected(broker.amqp_url) as channel:
        assert_dead(channel)
        assert channel.queue_declare("work", passive=True).method.message_count == 0


def test_a_message_that_takes_the_broker_with_it_each_time_dies_at_the_limit(serve: Serve, tmp_path: Path) -> None:
    counts = []
    for life in range(2):
        process = serve(tmp_path)
        with connected(f"amqp://guest:guest@127.0.0.1:{process.port()}/") as channel:
            declare(channel, limit=1)
            if not life:
                channel.basic_publish("", "work", b"poison", PERSISTENT)
            counts.append(count_of(next_of(channel, "work")[1]))
            # What is confirmed next has taken along to the disk that the message was handed out.
            channel.basic_publish("", "other", b"", PERSISTENT)
            process.kill()
    assert counts == [0, 1]
    with connected(f"amqp://guest:guest@127.0.0.1:{serve(tmp_path).port()}/") as channel:
        assert_dead(channel)


def test_a_message_that_waits_for_another_try_does_so_over_a_restart(tmp_path: Path) -> None:
    wait_seconds = 1.5
    with menura.Broker(data=str(tmp_path)) as broker, connected(broker.amqp_url) as channel:
        declare(channel, **{"x-delayed-retry-type": "failed", "x-delayed-retry-min": int(1000 * wait_seconds)})
        channel.basic_publish("", "work", b"poison", PERSISTENT)
        tag, _, _ = next_of(channel, "work")
        begun = time.time()
        channel.basic_nack(tag, requeue=True)
    with menura.Broker(data=str(tmp_path)) as broker, connected(broker.amqp_url) as channel:
        _, properties, _ = next_of(channel, "work")
        assert time.time() - begun >= wait_seconds - 0.01  # clocks are read in milliseconds
        assert count_of(properties) == 1
