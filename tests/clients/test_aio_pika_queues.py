"""aio-pika and what queues and exchanges can be told: dead letters, delays, limits, a single active consumer."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator

import aio_pika
import aio_pika.abc
import aio_pika.exceptions
import pytest
from aio_pika import DeliveryMode, ExchangeType, Message

SECONDS = 30
Channel = aio_pika.abc.AbstractChannel


@pytest.fixture
async def connection(amqp_url: str) -> AsyncIterator[aio_pika.abc.AbstractConnection]:
    async with asyncio.timeout(SECONDS), await aio_pika.connect(amqp_url) as connection:
        yield connection


@pytest.fixture
async def channel(connection: aio_pika.abc.AbstractConnection) -> Channel:
    return await connection.channel()


async def test_a_retry_waits_longer_each_time_and_gives_up_in_the_end(channel: Channel, name: str) -> None:
    """A waiting queue for each step of the back-off; the count of deaths says which is next."""
    work = await channel.declare_queue(name, exclusive=True)
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": name}
    waits = [
        await channel.declare_queue(f"{name}-{ms}", exclusive=True, arguments={**arguments, "x-message-ttl": ms})
        for ms in (20, 40, 80)
    ]
    attempts: list[float] = []
    await channel.default_exchange.publish(Message(b"task"), name)
    async with work.iterator(timeout=SECONDS) as messages:
        async for message in messages:
            attempts.append(time.monotonic())
            step = sum(death["count"] for death in message.headers.get("x-death", []))
            if step == len(waits):
                await message.ack()
                break
            await channel.default_exchange.publish(Message(message.body, headers=message.headers), waits[step].name)
            await message.ack()
    deaths = [(death["queue"], death["count"]) for death in message.headers["x-death"]]
    assert deaths == [(wait.name, 1) for wait in reversed(waits)]
    pauses = [after - before for before, after in itertools.pairwise(attempts)]
    assert all(pause >= least - 0.001 for pause, least in zip(pauses, (0.02, 0.04, 0.08), strict=True))


@pytest.mark.parametrize("kind", ["direct", "topic", "fanout"])
async def test_a_delaying_exchange_routes_by_its_inner_kind_when_it_is_time(
    channel: Channel, name: str, kind: str
) -> None:
    exchange = await channel.declare_exchange(
        name, ExchangeType.X_DELAYED_MESSAGE, auto_delete=True, arguments={"x-delayed-type": kind}
    )
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind(exchange, "a.*" if kind == "topic" else "a.b")
    started = time.monotonic()
    for delay in (3000, 1500, 0):
        await exchange.publish(Message(str(delay).encode(), headers={"x-delay": delay}), "a.b", mandatory=False)
    async with queue.iterator(no_ack=True, timeout=SECONDS) as messages:
        got = [(await anext(messages)).body for _ in range(2)]
        last = await anext(messages)
    assert time.monotonic() - started >= 2.999
    assert [*got, last.body] == [b"0", b"1500", b"3000"]
    assert last.headers["x-delay"] == -3000


async def test_of_a_thousand_delayed_messages_none_is_lost_and_none_is_early(channel: Channel, name: str) -> None:
    exchange = await channel.declare_exchange(
        name, ExchangeType.X_DELAYED_MESSAGE, auto_delete=True, arguments={"x-delayed-type": "fanout"}
    )
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind(exchange)
    sent = time.monotonic()
    delays = [200 + 5 * (number * 37 % 100) for number in range(1_000)]
    await asyncio.gather(
        *(
            exchange.publish(Message(str(delay).encode(), headers={"x-delay": delay}), "", mandatory=False)
            for delay in delays
        )
    )
    late = []
    async with queue.iterator(no_ack=True, timeout=SECONDS) as messages:
        got = []
        while len(got) < len(delays):
            got.append(int((await anext(messages)).body))
            late.append(time.monotonic() - sent - got[-1] / 1000)
    assert sorted(got) == sorted(delays)
    assert min(late) >= -0.001


async def test_a_full_queue_that_rejects_is_a_delivery_error(channel: Channel, name: str) -> None:
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    queue = await channel.declare_queue(name, exclusive=True, arguments=arguments)
    await channel.default_exchange.publish(Message(b"1"), name)
    with pytest.raises(aio_pika.exceptions.DeliveryError):
        await channel.default_exchange.publish(Message(b"2"), name)
    assert (await queue.get(no_ack=True)).body == b"1"
    await channel.default_exchange.publish(Message(b"3"), name)


async def test_what_a_full_queue_rejects_can_go_to_the_dead_letters(channel: Channel, name: str) -> None:
    dead = await channel.declare_queue(f"{name}-dead", exclusive=True)
    arguments = {
        "x-max-length": 1, "x-overflow": "reject-publish-dlx",
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead.name,
    }  # fmt: skip
    await channel.declare_queue(name, exclusive=True, arguments=arguments)
    await channel.default_exchange.publish(Message(b"1"), name)
    with pytest.raises(aio_pika.exceptions.DeliveryError):
        await channel.default_exchange.publish(Message(b"2"), name)
    letter = await dead.get(no_ack=True)
    assert (letter.body, letter.headers["x-first-death-reason"]) == (b"2", "maxlen")


async def test_an_expired_message_makes_way_for_the_one_behind_it(channel: Channel, name: str) -> None:
    """A request that nobody has taken in time is gone when the server comes."""
    queue = await channel.declare_queue(name, exclusive=True)
    await channel.default_exchange.publish(Message(b"old", expiration=0.02), name)
    await channel.default_exchange.publish(Message(b"new", expiration=3600), name)
    ends_at = time.monotonic() + SECONDS
    while (await queue.declare()).message_count == 2:
        assert time.monotonic() < ends_at
    message = await queue.get()
    assert (message.body, message.expiration) == (b"new", 3600)
    await message.ack()


async def test_the_next_of_two_workers_takes_over_from_the_single_active_one(amqp_url: str, name: str) -> None:
    async with asyncio.timeout(SECONDS), await aio_pika.connect_robust(amqp_url) as standby_connection:
        got: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        active_connection = await aio_pika.connect(amqp_url)

        async def work(connection: aio_pika.abc.AbstractConnection, label: str) -> Channel:
            channel = await connection.channel()
            arguments = {"x-single-active-consumer": True, "x-queue-type": "quorum"}
            queue = await channel.declare_queue(name, durable=True, arguments=arguments)

            async def note(message: aio_pika.abc.AbstractIncomingMessage) -> None:
                await got.put((label, message.body))
                if label == "standby":
                    await message.ack()

            await queue.consume(note)
            return channel

        await work(active_connection, "active")
        channel = await work(standby_connection, "standby")
        for number in range(3):
            message = Message(str(number).encode(), delivery_mode=DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, name)
        assert [await got.get() for _ in range(3)] == [("active", b"0"), ("active", b"1"), ("active", b"2")]
        await active_connection.close()
        assert [await got.get() for _ in range(3)] == [("standby", b"0"), ("standby", b"1"), ("standby", b"2")]
        await channel.queue_delete(name)
