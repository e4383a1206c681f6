"""faststream: subscribers and publishers, acknowledgement policies, dead letters, headers exchanges, requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aio_pika
import aio_pika.exceptions
import pytest
from faststream import AckPolicy
from faststream.exceptions import NackMessage, RejectMessage
from faststream.rabbit import Channel, ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue

SECONDS = 30
Running = Callable[[], contextlib.AbstractAsyncContextManager[None]]


@pytest.fixture
def broker(amqp_url: str) -> RabbitBroker:
    return RabbitBroker(amqp_url, logger=None)


@pytest.fixture
def running(broker: RabbitBroker, amqp_url: str, name: str) -> Running:
    """The broker's subscribers run meanwhile; then what bears the test's name is deleted."""

    @contextlib.asynccontextmanager
    async def run() -> AsyncIterator[None]:
        async with asyncio.timeout(SECONDS):
            async with broker:
                await broker.start()
                yield
            async with await aio_pika.connect(amqp_url) as connection:
                channel = await connection.channel()
                for suffix in ("", "-wait", "-dead", "-next"):
                    await channel.queue_delete(name + suffix)
                    await channel.exchange_delete(name + suffix)

    return run


def deaths(message: RabbitMessage) -> list[tuple[str, str, int]]:
    return [(each["queue"], each["reason"], each["count"]) for each in message.headers.get("x-death", [])]


async def test_what_a_handler_returns_goes_to_the_next_queue(broker: RabbitBroker, running: Running, name: str) -> None:
    done: asyncio.Queue[Any] = asyncio.Queue()

    @broker.subscriber(name)
    @broker.publisher(f"{name}-next")
    async def double(number: int) -> dict[str, int]:
        return {"result": number * 2}

    @broker.subscriber(f"{name}-next")
    async def collect(body: dict[str, int]) -> None:
        await done.put(body)

    async with running():
        for number in range(10):
            await broker.publish(number, name)
        assert [await done.get() for _ in range(10)] == [{"result": 2 * number} for number in range(10)]


async def test_a_request_gets_its_answer(broker: RabbitBroker, running: Running, name: str) -> None:
    @broker.subscriber(name)
    async def answer(body: str) -> str:
        return body.upper()

    async with running():
        answers = await asyncio.gather(*(broker.request(f"word {n}", name, timeout=SECONDS) for n in range(10)))
        assert [await each.decode() for each in answers] == [f"WORD {n}" for n in range(10)]


async def test_a_request_nobody_answers_times_out(broker: RabbitBroker, running: Running, name: str) -> None:
    async with running():
        with pytest.raises(TimeoutError):
            await broker.request("anybody?", name, timeout=0.2)


@pytest.mark.parametrize("kind", [QueueType.CLASSIC, QueueType.QUORUM])
async def test_a_failing_handler_rejects_into_a_loop_of_retries_and_parks_in_the_end(
    broker: RabbitBroker, running: Running, name: str, kind: QueueType
) -> None:
    parked: asyncio.Queue[RabbitMessage] = asyncio.Queue()
    attempts: list[list[tuple[str, str, int]]] = []

    def queue(suffix: str, **arguments: Any) -> RabbitQueue:
        words = {f"x-{key.replace('_', '-')}": value for key, value in arguments.items()}
        return RabbitQueue(name + suffix, queue_type=kind, durable=True, arguments=words)

    work = queue("", dead_letter_exchange="", dead_letter_routing_key=f"{name}-wait")
    wait = queue("-wait", dead_letter_exchange="", dead_letter_routing_key=name, message_ttl=50)

    @broker.subscriber(work, ack_policy=AckPolicy.REJECT_ON_ERROR)
    async def fail(body: str, message: RabbitMessage) -> None:
        attempts.append(deaths(message))
        if len(attempts) < 4:
            raise ValueError("not yet")
        await broker.publish(body, f"{name}-dead", headers=message.headers)

    @broker.subscriber(queue("-dead"))
    async def park(message: RabbitMessage) -> None:
        await parked.put(message)

    async with running():
        await broker.declare_queue(wait)
        await broker.publish("task", name, persist=True)
        message = await parked.get()
    history = [[(wait.name, "expired", n), (name, "rejected", n)] for n in range(1, 4)]
    assert attempts == [[], *history]
    assert deaths(message) == history[-1]


async def test_a_nack_returns_the_message_and_a_reject_sends_it_to_the_dead(
    broker: RabbitBroker, running: Running, name: str
) -> None:
    redelivered: list[bool] = []
    buried: asyncio.Queue[RabbitMessage] = asyncio.Queue()
    arguments = {"x-dead-letter-exchange": f"{name}-dead"}
    graveyard = RabbitExchange(f"{name}-dead", type=ExchangeType.FANOUT, durable=True)

    @broker.subscriber(RabbitQueue(name, durable=True, arguments=arguments))
    async def refuse(body: str, message: RabbitMessage) -> None:
        redelivered.append(bool(message.raw_message.redelivered))
        raise RejectMessage if message.raw_message.redelivered else NackMessage

    @broker.subscriber(RabbitQueue(f"{name}-dead", durable=True), graveyard)
    async def bury(message: RabbitMessage) -> None:
        await buried.put(message)

    async with running():
        await broker.publish("task", name)
        message = await buried.get()
    assert redelivered == [False, True]
    assert deaths(message) == [(name, "rejected", 1)]


async def test_a_headers_exchange_chooses_the_subscriber(broker: RabbitBroker, running: Running, name: str) -> None:
    got: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    exchange = RabbitExchange(name, type=ExchangeType.HEADERS, durable=True)

    def subscribe(suffix: str, bind_arguments: dict[str, Any]) -> None:
        @broker.subscriber(RabbitQueue(name + suffix, durable=True, bind_arguments=bind_arguments), exchange)
        async def note(body: str) -> None:
            await got.put((suffix, body))

    subscribe("", {"x-match": "all", "kind": "order", "land": "au"})
    subscribe("-next", {"x-match": "any", "kind": "order", "land": "nz"})
    async with running():
        await broker.publish("one", exchange=exchange, headers={"kind": "order", "land": "au"})
        await broker.publish("two", exchange=exchange, headers={"land": "nz"})
        await broker.publish("none", exchange=exchange, headers={"kind": "offer"})
        await broker.publish("three", exchange=exchange, headers={"kind": "order"})
        found = [await got.get() for _ in range(4)]
    assert sorted(found) == [("", "one"), ("-next", "one"), ("-next", "three"), ("-next", "two")]


async def test_a_delaying_exchange_holds_a_message_back(broker: RabbitBroker, running: Running, name: str) -> None:
    got: asyncio.Queue[str] = asyncio.Queue()
    exchange = RabbitExchange(
        name, type=ExchangeType.X_DELAYED_MESSAGE, durable=True, arguments={"x-delayed-type": "direct"}
    )

    @broker.subscriber(RabbitQueue(name, durable=True), exchange)
    async def note(body: str) -> None:
        await got.put(body)

    async with running():
        for delay in (600, 300, 0):
            await broker.publish(str(delay), name, exchange=exchange, headers={"x-delay": delay})
        assert [await got.get() for _ in range(3)] == ["0", "300", "600"]


async def test_messages_are_handled_by_their_priority(broker: RabbitBroker, running: Running, name: str) -> None:
    got: asyncio.Queue[str] = asyncio.Queue()
    queue = RabbitQueue(name, durable=True, arguments={"x-max-priority": 5})

    @broker.subscriber(queue, channel=Channel(prefetch_count=1))
    async def note(body: str) -> None:
        await got.put(body)

    async with broker:
        await broker.connect()
        await broker.declare_queue(queue)
        for word, priority in (("low", 1), ("high", 5), ("middle", 3)):
            await broker.publish(word, name, priority=priority)
    async with running():
        assert [await got.get() for _ in range(3)] == ["high", "middle", "low"]


async def test_a_full_queue_refuses_what_is_published(broker: RabbitBroker, running: Running, name: str) -> None:
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    async with running():
        await broker.declare_queue(RabbitQueue(name, durable=True, arguments=arguments))
        await broker.publish("first", name)
        with pytest.raises(aio_pika.exceptions.DeliveryError):
            await broker.publish("second", name)
