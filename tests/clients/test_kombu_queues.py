"""kombu and what its queues can be told: times to live, limits, priorities, delays in the broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.common import itermessages
from kombu.transport import native_delayed_delivery as native

SECONDS = 30
Wait = Callable[..., Any]
TRANSIENT = {"durable": False, "auto_delete": True}
DEFAULT = Exchange("")


@pytest.fixture
def connection(amqp_url: str) -> Iterator[Connection]:
    with Connection(amqp_url, connect_timeout=SECONDS, transport_options={"confirm_publish": True}) as connection:
        yield connection


def take(connection: Connection, queue: Queue, count: int) -> list[Any]:
    """So many messages of a queue, as they are delivered."""
    messages = itermessages(connection, connection.channel(), queue, limit=count, timeout=SECONDS, no_ack=True)
    return [message for _, message in messages]


def test_a_queue_forgets_messages_and_itself_in_seconds(connection: Connection, name: str, wait_until: Wait) -> None:
    """kombu counts in seconds, the broker in milliseconds; the queue is asked by publishing, which is no use of it."""
    queue = Queue(name, durable=True, message_ttl=0.05, expires=0.5)(connection.default_channel)
    queue.declare()
    returned: list[int] = []
    producer = Producer(connection, on_return=lambda error, *_: returned.append(error.reply_code))
    producer.publish("short-lived", name, mandatory=True)
    assert returned == []

    def is_gone() -> list[int]:
        producer.publish("anybody?", name, mandatory=True)
        try:
            connection.drain_events(timeout=0.05)
        except TimeoutError:
            pass
        return returned

    wait_until(is_gone, "the queue expires")
    assert returned == [312]
    assert queue.queue_declare().message_count == 0
    queue.delete()


def test_a_message_dies_at_its_own_expiration_into_the_dead_letter_exchange(connection: Connection, name: str) -> None:
    dead = Queue(f"{name}-dead", Exchange(name, "topic", **TRANSIENT), "#", exclusive=True)(connection.default_channel)
    dead.declare()
    arguments = {"x-dead-letter-exchange": name}
    queue = Queue(f"{name}-queue", exclusive=True, queue_arguments=arguments)(connection.default_channel)
    queue.declare()
    started = time.monotonic()
    Producer(connection).publish({"n": 1}, queue.name, expiration=0.3)
    (message,) = take(connection, dead, 1)
    assert time.monotonic() - started >= 0.299
    (death,) = message.headers["x-death"]
    assert (message.payload, death["reason"], death["original-expiration"]) == ({"n": 1}, "expired", "300")
    assert (message.delivery_info["routing_key"], "expiration" in message.properties) == (queue.name, False)


def test_a_limited_queue_keeps_the_newest_messages(connection: Connection, name: str) -> None:
    queue = Queue(name, exclusive=True, max_length=2)(connection.default_channel)
    queue.declare()
    for number in range(5):
        Producer(connection).publish(number, name)
    assert [message.payload for message in take(connection, queue, 2)] == [3, 4]


def test_messages_come_by_priority_and_a_requeued_one_again_in_its_place(connection: Connection, name: str) -> None:
    queue = Queue(name, exclusive=True, max_priority=9)(connection.default_channel)
    queue.declare()
    for number, priority in enumerate((0, 9, 5, 9)):
        Producer(connection).publish(number, name, priority=priority)
    first = queue.get()
    first.requeue()
    found = [(message.payload, message.properties["priority"]) for message in take(connection, queue, 4)]
    assert found == [(1, 9), (3, 9), (2, 5), (0, 0)]


def test_consumers_of_a_higher_priority_are_served_first(connection: Connection, name: str) -> None:
    queue = Queue(name, exclusive=True)(connection.default_channel)
    queue.declare()
    low = Queue(name, no_declare=True, consumer_arguments={"x-priority": 1})
    high = Queue(name, no_declare=True, consumer_arguments={"x-priority": 5})
    got: list[tuple[str, Any]] = []
    with (
        Consumer(connection.channel(), low, no_ack=True, on_message=lambda m: got.append(("low", m.payload))),
        Consumer(connection.channel(), high, no_ack=True, on_message=lambda m: got.append(("high", m.payload))),
    ):
        for number in range(3):
            Producer(connection).publish(number, name)
        while len(got) < 3:
            connection.drain_events(timeout=SECONDS)
    assert got == [("high", 0), ("high", 1), ("high", 2)]


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_a_native_delay_goes_down_the_levels_to_the_queue(connection: Connection, name: str, kind: str) -> None:
    """Twenty-eight queues, each with a time to live twice that of the next; one second is the last one alone."""
    native.declare_native_delayed_delivery_exchanges_and_queues(connection, kind, prefix=name)
    exchange = Exchange(name, "topic")
    queue = Queue(name, exchange, "task", queue_arguments={"x-queue-type": kind})
    queue(connection.default_channel).declare()
    native.bind_queue_to_native_delayed_delivery_exchange(connection, queue, prefix=name)
    started = time.monotonic()
    key = native.calculate_routing_key(1, "task")
    Producer(connection).publish("later", key, exchange=native.level_name(27, name))
    Producer(connection).publish("now", "task", exchange=exchange)
    now, later = take(connection, queue(connection.default_channel), 2)
    assert (now.payload, later.payload) == ("now", "later")
    assert time.monotonic() - started >= 0.999
    assert [death["queue"] for death in later.headers["x-death"]] == [native.level_name(0, name)]
    channel = connection.default_channel
    for doomed in (name, *(native.level_name(level, name) for level in range(28))):
        channel.queue_delete(doomed)
        channel.exchange_delete(doomed)
    channel.exchange_delete(f"{name}_celery_delayed_delivery")
