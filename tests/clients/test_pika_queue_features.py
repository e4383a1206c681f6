"""pika and what a queue can be told at its declaration: limits, priorities, one active consumer, an end of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pika
import pika.exceptions
import pytest
from pika.adapters.blocking_connection import BlockingChannel

Connect = Callable[..., pika.BlockingConnection]
Wait = Callable[..., Any]


class Consumer:
    """A consumer on a connection of its own; `bodies` is what it got, `cancelled` whether the broker ended it."""

    def __init__(self, connection: pika.BlockingConnection, queue: str, prefetch: int = 0, priority: int = 0) -> None:
        self.bodies: list[bytes] = []
        self.redelivered: list[bool] = []
        self.tags: list[int] = []
        self.cancelled = False
        self.connection = connection
        self.channel = connection.channel()
        self.channel.basic_qos(prefetch_count=prefetch)
        self.channel.add_on_cancel_callback(self._cancelled)
        self.consumer_tag = self.channel.basic_consume(queue, self._message, arguments={"x-priority": priority})

    def look(self) -> None:
        """Give the connection a moment to read what has come."""
        self.connection.process_data_events(time_limit=0.05)

    def _message(self, _: Any, method: Any, __: Any, body: bytes) -> None:
        self.bodies.append(body)
        self.redelivered.append(method.redelivered)
        self.tags.append(method.delivery_tag)

    def _cancelled(self, _: Any) -> None:
        self.cancelled = True


@pytest.fixture
def channel(connect: Connect) -> BlockingChannel:
    channel = connect().channel()
    channel.confirm_delivery()
    return channel


@pytest.fixture
def queue(channel: BlockingChannel, name: str) -> Iterator[Callable[..., str]]:
    """Declares the test's durable queue with arguments; deletes it after the test."""

    def declare(**arguments: str | int | bool) -> str:
        words = {f"x-{key.replace('_', '-')}": value for key, value in arguments.items()}
        channel.queue_declare(name, durable=True, arguments=words)
        return name

    yield declare
    channel.queue_delete(name)


@pytest.fixture
def consume(connect: Connect) -> Callable[..., Consumer]:
    return lambda *arguments, **options: Consumer(connect(), *arguments, **options)


def ready(channel: BlockingChannel, queue: str) -> list[bytes]:
    found = []
    while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
        found.append(got[2])
    return found


@pytest.mark.parametrize("limit", [{"max_length": 2}, {"max_length_bytes": 2}])
def test_a_full_queue_that_rejects_is_a_nack_error(
    channel: BlockingChannel, queue: Callable[..., str], limit: dict[str, int]
) -> None:
    name = queue(overflow="reject-publish", **limit)
    channel.basic_publish("", name, b"1")
    channel.basic_publish("", name, b"2")
    with pytest.raises(pika.exceptions.NackError):
        channel.basic_publish("", name, b"3")
    assert channel.basic_get(name, auto_ack=True)[2] == b"1"
    channel.basic_publish("", name, b"4")
    assert ready(channel, name) == [b"2", b"4"]


def test_a_full_queue_that_drops_keeps_the_newest(channel: BlockingChannel, queue: Callable[..., str]) -> None:
    name = queue(max_length=3)
    for number in range(10):
        channel.basic_publish("", name, str(number).encode())
    assert ready(channel, name) == [b"7", b"8", b"9"]


def test_messages_come_out_by_priority_and_by_age_within_one(
    channel: BlockingChannel, queue: Callable[..., str]
) -> None:
    name = queue(max_priority=5)
    for number, priority in enumerate((1, 5, None, 9, 3, 1)):
        channel.basic_publish("", name, str(number).encode(), pika.BasicProperties(priority=priority))
    assert ready(channel, name) == [b"1", b"3", b"4", b"0", b"5", b"2"]


def test_the_consumer_of_the_higher_priority_gets_the_message_of_the_higher_priority(
    channel: BlockingChannel, queue: Callable[..., str], consume: Callable[..., Consumer], wait_until: Wait
) -> None:
    name = queue(max_priority=5)
    for body, priority in ((b"low", 1), (b"high", 5), (b"middle", 3)):
        channel.basic_publish("", name, body, pika.BasicProperties(priority=priority))
    first = consume(name, prefetch=1, priority=10)
    wait_until(lambda: first.look() or first.bodies, "a message for the first consumer")
    second = consume(name, prefetch=1, priority=1)
    wait_until(lambda: second.look() or second.bodies, "a message for the second consumer")
    first.channel.basic_ack(first.tags[0])
    wait_until(lambda: first.look() or len(first.bodies) == 2, "the next message for the first consumer")
    assert (first.bodies, second.bodies) == ([b"high", b"low"], [b"middle"])
    second.channel.basic_ack(second.tags[0])
    first.channel.basic_cancel(first.consumer_tag)
    first.channel.basic_nack(first.tags[1])
    wait_until(lambda: second.look() or len(second.bodies) == 2, "what the first consumer gave back")
    assert second.bodies == [b"middle", b"low"]


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_the_next_consumer_takes_over_from_the_single_active_one_that_is_gone(
    channel: BlockingChannel,
    queue: Callable[..., str],
    consume: Callable[..., Consumer],
    wait_until: Wait,
    kind: str,
) -> None:
    name = queue(single_active_consumer=True, queue_type=kind)
    active, standby = consume(name), consume(name)
    for number in range(4):
        channel.basic_publish("", name, str(number).encode(), pika.BasicProperties(delivery_mode=2))
    wait_until(lambda: active.look() or len(active.bodies) == 4, "all messages for the active consumer")
    active.channel.basic_ack(active.tags[0])
    standby.look()
    assert (active.bodies, standby.bodies) == ([b"0", b"1", b"2", b"3"], [])
    active.connection.close()
    wait_until(lambda: standby.look() or len(standby.bodies) == 3, "the rest for the consumer that stood by")
    assert standby.bodies == [b"1", b"2", b"3"]
    assert all(standby.redelivered)


def test_every_consumer_of_a_deleted_queue_is_told(
    channel: BlockingChannel, queue: Callable[..., str], consume: Callable[..., Consumer], wait_until: Wait
) -> None:
    name = queue(single_active_consumer=True)
    consumers = [consume(name), consume(name)]
    channel.queue_delete(name)
    for consumer in consumers:
        wait_until(lambda consumer=consumer: consumer.look() or consumer.cancelled, "basic.cancel from the broker")


def test_a_queue_expires_when_its_last_consumer_has_left_and_not_before(
    channel: BlockingChannel, queue: Callable[..., str], consume: Callable[..., Consumer], wait_until: Wait
) -> None:
    """A message that waits five times as long in another queue is the clock."""
    name = queue(expires=200)
    consumer = consume(name)
    clock = channel.queue_declare(
        "", exclusive=True, arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": name}
    ).method.queue
    channel.basic_publish("", clock, b"it is time", pika.BasicProperties(expiration="1000"))
    wait_until(lambda: consumer.look() or consumer.bodies, "the message that waited")
    assert (consumer.bodies, consumer.cancelled) == ([b"it is time"], False)
    consumer.connection.close()

    def is_gone() -> bool:
        channel.connection.process_data_events(time_limit=0.05)
        try:
            channel.basic_publish("", name, b"anybody?", mandatory=True)
        except pika.exceptions.UnroutableError:
            return True
        return False

    wait_until(is_gone, "the queue expires")
