"""A broker that is short of memory tells publishers so, and tells them when they may go on.

The broker is the test's own, since its limit is lowered: no other client should be blocked by it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pika.exceptions
import pytest

import menura

Wait = Callable[..., Any]


@pytest.fixture
def broker() -> Iterator[menura.Broker]:
    with menura.Broker() as broker:
        yield broker


def test_a_publisher_is_told_when_it_is_blocked_and_unblocked(broker: menura.Broker, wait_until: Wait) -> None:
    told: list[str] = []
    with pika.BlockingConnection(pika.URLParameters(broker.amqp_url)) as publisher:
        publisher.add_on_connection_blocked_callback(lambda _, frame: told.append(frame.method.reason))
        publisher.add_on_connection_unblocked_callback(lambda *_: told.append("unblocked"))
        channel = publisher.channel()
        queue = channel.queue_declare("", exclusive=False, auto_delete=True).method.queue
        broker.set_memory_watermark(1_000_000)
        for _ in range(20):
            channel.basic_publish("", queue, bytes(100_000))
        wait_until(lambda: publisher.process_data_events(time_limit=1) or told, "the publisher is told")
        assert told == ["low on memory"]
        with pika.BlockingConnection(pika.URLParameters(broker.amqp_url)) as consumer:
            # Draining the queue frees the memory; the consumer publishes nothing, so it is not blocked.
            deliveries = consumer.channel().consume(queue, auto_ack=True)
            assert len(list(itertools.islice(deliveries, 20))) == 20
        wait_until(lambda: publisher.process_data_events(time_limit=1) or len(told) == 2, "the publisher may go on")
        assert told == ["low on memory", "unblocked"]


def test_a_client_gives_up_on_a_broker_that_blocks_it_too_long(broker: menura.Broker) -> None:
    parameters = pika.URLParameters(broker.amqp_url)
    parameters.blocked_connection_timeout = 0.5
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    broker.set_memory_watermark(1_000_000)
    for _ in range(20):
        channel.basic_publish("", queue, bytes(100_000))
    with pytest.raises(pika.exceptions.ConnectionBlockedTimeout):
        connection.process_data_events(time_limit=20)
