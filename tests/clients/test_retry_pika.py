"""pika: the retry patterns of work queues, made of dead-letter exchanges and of queues in which messages wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

SECONDS = 30
Connect = Callable[..., pika.BlockingConnection]
PERSISTENT = pika.BasicProperties(delivery_mode=2)


@pytest.fixture
def channel(connect: Connect) -> BlockingChannel:
    channel = connect().channel()
    channel.confirm_delivery()
    return channel


@pytest.fixture
def declare(channel: BlockingChannel) -> Iterator[Callable[..., str]]:
    """Declares durable queues, deleted after the test; `dead_to` names the queue that takes what dies."""
    declared: list[str] = []

    def declare(queue: str, dead_to: str | None = None, **arguments: str | int) -> str:
        words: dict[str, str | int] = {f"x-{key.replace('_', '-')}": value for key, value in arguments.items()}
        if dead_to is not None:
            words |= {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead_to}
        channel.queue_declare(queue, durable=True, arguments=words)
        declared.append(queue)
        return queue

    yield declare
    for queue in declared:
        channel.queue_delete(queue)


def deliveries(channel: BlockingChannel, queue: str) -> Iterator[tuple[int, pika.BasicProperties, bytes]]:
    """What the queue delivers, until nothing has come for the whole deadline."""
    for method, properties, body in channel.consume(queue, inactivity_timeout=SECONDS):
        assert method is not None, f"nothing from {queue} within {SECONDS} s"
        yield method.delivery_tag, properties, body


def deaths(properties: pika.BasicProperties) -> list[tuple[str, str, int]]:
    return [(each["queue"], each["reason"], each["count"]) for each in (properties.headers or {}).get("x-death", [])]


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_a_rejected_message_goes_round_through_a_waiting_queue_until_its_deaths_are_enough(
    channel: BlockingChannel, declare: Callable[..., str], name: str, kind: str
) -> None:
    work = declare(name, dead_to=f"{name}-wait", queue_type=kind)
    wait = declare(f"{name}-wait", dead_to=name, queue_type=kind, message_ttl=50)
    parked = declare(f"{name}-parked", queue_type=kind)
    channel.basic_publish("", work, b"task", PERSISTENT)
    seen: list[list[tuple[str, str, int]]] = []
    for tag, properties, body in deliveries(channel, work):
        seen.append(deaths(properties))
        if len(seen) == 4:
            channel.basic_publish("", parked, body, properties)
            channel.basic_ack(tag)
            break
        channel.basic_reject(tag, requeue=False)
    channel.cancel()
    assert seen == [[], *([(wait, "expired", n), (work, "rejected", n)] for n in range(1, 4))]
    _, properties, body = next(deliveries(channel, parked))
    assert (body, deaths(properties)) == (b"task", seen[-1])
    assert properties.headers["x-first-death-reason"] == "rejected"
    assert properties.headers["x-first-death-queue"] == work


def test_a_back_off_by_message_expiration_comes_back_without_it(
    channel: BlockingChannel, declare: Callable[..., str], name: str
) -> None:
    """The consumer itself sends each message to the waiting queue, with an expiration that grows."""
    work, wait = declare(name), declare(f"{name}-wait", dead_to=name)
    channel.basic_publish("", work, b"task", PERSISTENT)
    delays = ["20", "40", "80"]
    for attempt, (tag, properties, body) in enumerate(deliveries(channel, work)):
        assert properties.expiration is None
        if attempt:
            latest = properties.headers["x-death"][0]
            assert (latest["original-expiration"], latest["reason"]) == (delays[0], "expired")  # the first one's stays
        if attempt < len(delays):
            again = pika.BasicProperties(expiration=delays[attempt], headers=properties.headers, delivery_mode=2)
            channel.basic_publish("", wait, body, again)
        channel.basic_ack(tag)
        if attempt == len(delays):
            break
    assert deaths(properties) == [(wait, "expired", 3)]


def test_waiting_queues_that_go_with_their_last_message_make_a_delay_of_any_length(
    channel: BlockingChannel, declare: Callable[..., str], name: str
) -> None:
    """One queue for each delay, which expires some time after the last use: nobody has to delete it."""
    work = declare(name)
    delays = {f"{name}-{delay}": delay for delay in (200, 50, 100)}
    for queue, delay in delays.items():
        arguments = {
            "x-dead-letter-exchange": "", "x-dead-letter-routing-key": work,
            "x-message-ttl": delay, "x-expires": delay + 2_000,
        }  # fmt: skip
        channel.queue_declare(queue, durable=True, arguments=arguments)
        channel.basic_publish("", queue, str(delay).encode(), PERSISTENT)
    arrived = deliveries(channel, work)
    assert {next(arrived)[2] for _ in delays} == {b"50", b"100", b"200"}


def test_a_poisonous_message_leaves_a_quorum_queue_at_its_delivery_limit(
    channel: BlockingChannel, declare: Callable[..., str], name: str
) -> None:
    work = declare(name, dead_to=f"{name}-poison", queue_type="quorum", delivery_limit=3)
    poison = declare(f"{name}-poison", queue_type="quorum")
    channel.basic_publish("", work, b"task", PERSISTENT)
    counts = []
    for tag, properties, _ in deliveries(channel, work):
        counts.append((properties.headers or {}).get("x-delivery-count", 0))
        channel.basic_nack(tag, requeue=True)
        if len(counts) == 4:
            break
    channel.cancel()
    assert counts == [0, 1, 2, 3]
    _, properties, body = next(deliveries(channel, poison))
    assert (body, deaths(properties)) == (b"task", [(work, "delivery_limit", 1)])


def test_a_queue_with_delays_of_its_own_needs_no_waiting_queue(
    channel: BlockingChannel, declare: Callable[..., str], name: str
) -> None:
    """The delay grows with each return, up to the longest; after the limit the message is dead."""
    work = declare(
        name, dead_to=f"{name}-dead", queue_type="quorum", delivery_limit=3,
        delayed_retry_type="all", delayed_retry_min=100, delayed_retry_max=250,
    )  # fmt: skip
    dead = declare(f"{name}-dead", queue_type="quorum")
    channel.basic_publish("", work, b"task", PERSISTENT)
    returned: list[float] = []
    for tag, properties, _ in deliveries(channel, work):
        assert (properties.headers or {}).get("x-delivery-count", 0) == len(returned)
        if returned:
            delay = (0.1, 0.2, 0.25)[len(returned) - 1]
            assert time.monotonic() - returned[-1] >= delay - 0.001  # the broker counts in milliseconds
        returned.append(time.monotonic())
        channel.basic_nack(tag, requeue=True)
        if len(returned) == 4:
            break
    channel.cancel()
    _, properties, _ = next(deliveries(channel, dead))
    assert deaths(properties) == [(work, "delivery_limit", 1)]


def test_a_consumer_that_dies_counts_as_a_delivery(
    connect: Connect, channel: BlockingChannel, declare: Callable[..., str], name: str
) -> None:
    work = declare(name, queue_type="quorum")
    channel.basic_publish("", work, b"task", PERSISTENT)
    dying = connect()
    next(deliveries(dying.channel(), work))
    dying.close()
    tag, properties, _ = next(deliveries(channel, work))
    assert properties.headers["x-delivery-count"] == 1
    channel.basic_ack(tag)
