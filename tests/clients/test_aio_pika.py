"""aio-pika: the asyncio client with objects for queues, exchanges and messages, and its RPC and worker patterns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aio_pika
import aio_pika.abc
import aio_pika.exceptions
import aiormq.exceptions
import pytest
from aio_pika import DeliveryMode, ExchangeType, Message
from aio_pika.patterns import RPC, Master, NackMessage

SECONDS = 30


@pytest.fixture
async def connection(amqp_url: str) -> AsyncIterator[aio_pika.abc.AbstractConnection]:
    async with asyncio.timeout(SECONDS), await aio_pika.connect(amqp_url) as connection:
        yield connection


@pytest.fixture
async def channel(connection: aio_pika.abc.AbstractConnection) -> aio_pika.abc.AbstractChannel:
    return await connection.channel()


@pytest.fixture
async def queue(channel: aio_pika.abc.AbstractChannel) -> aio_pika.abc.AbstractQueue:
    return await channel.declare_queue(exclusive=True)


async def take(queue: aio_pika.abc.AbstractQueue) -> list[bytes]:
    """Everything ready in the queue."""
    found = []
    while message := await queue.get(no_ack=True, fail=False):
        found.append(message.body)
    return found


async def test_a_confirmed_message_is_in_the_queue_with_its_properties(
    channel: aio_pika.abc.AbstractChannel, queue: aio_pika.abc.AbstractQueue
) -> None:
    sent = Message(
        b"body", headers={"n": 1, "s": "text", "l": [1, 2]}, content_type="text/plain", priority=2,
        correlation_id="c", reply_to="r", message_id="m", type="t", app_id="a", user_id="guest",
        delivery_mode=DeliveryMode.PERSISTENT, expiration=60, timestamp=1_700_000_000,
    )  # fmt: skip
    confirmation = await channel.default_exchange.publish(sent, queue.name)
    assert confirmation.delivery_tag == 1
    got = await queue.get()
    assert got.body == b"body"
    assert got.headers == sent.headers
    for part in ("content_type", "priority", "correlation_id", "reply_to", "message_id", "type", "app_id",
                 "user_id", "delivery_mode", "expiration", "timestamp"):  # fmt: skip
        assert getattr(got, part) == getattr(sent, part), part
    await got.ack()


async def test_many_publishes_in_flight_are_each_confirmed(
    channel: aio_pika.abc.AbstractChannel, queue: aio_pika.abc.AbstractQueue
) -> None:
    publishes = (channel.default_exchange.publish(Message(b"%d" % n), queue.name) for n in range(500))
    confirmations = await asyncio.gather(*publishes)
    assert len(confirmations) == 500
    assert sorted(await take(queue), key=int) == [b"%d" % n for n in range(500)]


async def test_an_unroutable_message_raises_with_its_return(
    connection: aio_pika.abc.AbstractConnection, name: str
) -> None:
    channel = await connection.channel(on_return_raises=True)
    with pytest.raises(aiormq.exceptions.PublishError) as caught:
        await channel.default_exchange.publish(Message(b"lost", message_id="m"), name)
    assert caught.value.message.delivery.reply_code == 312
    assert caught.value.message.delivery.routing_key == name
    assert caught.value.message.body == b"lost"


async def test_with_raising_off_a_return_reaches_the_callback(
    connection: aio_pika.abc.AbstractConnection, name: str
) -> None:
    channel = await connection.channel()
    returned: asyncio.Queue[bytes] = asyncio.Queue()
    channel.return_callbacks.add(lambda _, message: returned.put_nowait(message.body))
    await channel.default_exchange.publish(Message(b"lost"), name, mandatory=True)
    assert await returned.get() == b"lost"


async def test_processing_acks_at_the_end_and_requeues_on_an_error(
    channel: aio_pika.abc.AbstractChannel, queue: aio_pika.abc.AbstractQueue
) -> None:
    await channel.default_exchange.publish(Message(b"m"), queue.name)
    seen = []
    async with queue.iterator() as messages:
        async for message in messages:
            seen.append(message.redelivered)
            try:
                async with message.process(requeue=True):
                    if not message.redelivered:
                        raise ValueError("the first attempt fails")
            except ValueError:
                continue
            break
    assert seen == [False, True]
    assert await take(queue) == []


async def test_a_rejected_message_is_gone_and_a_nacked_one_is_back(
    channel: aio_pika.abc.AbstractChannel, queue: aio_pika.abc.AbstractQueue
) -> None:
    for body in (b"rejected", b"nacked"):
        await channel.default_exchange.publish(Message(body), queue.name)
    await (await queue.get()).reject(requeue=False)
    await (await queue.get()).nack(requeue=True)
    assert await take(queue) == [b"nacked"]


async def test_prefetch_bounds_what_a_consumer_holds(
    channel: aio_pika.abc.AbstractChannel, queue: aio_pika.abc.AbstractQueue
) -> None:
    await channel.set_qos(prefetch_count=2)
    for number in range(5):
        await channel.default_exchange.publish(Message(b"%d" % number), queue.name)
    held: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
    tag = await queue.consume(held.put)
    first, second = await held.get(), await held.get()
    declared = await channel.declare_queue(queue.name, passive=True)
    assert (declared.declaration_result.message_count, declared.declaration_result.consumer_count) == (3, 1)
    assert held.empty()
    await second.ack(multiple=True)
    third = await held.get()
    assert (first.body, second.body, third.body) == (b"0", b"1", b"2")
    await queue.cancel(tag)


async def test_get_of_an_empty_queue_raises(queue: aio_pika.abc.AbstractQueue) -> None:
    with pytest.raises(aio_pika.exceptions.QueueEmpty):
        await queue.get()


@pytest.mark.parametrize("ends_well", [True, False])
async def test_a_transaction_publishes_all_or_nothing(
    connection: aio_pika.abc.AbstractConnection, queue: aio_pika.abc.AbstractQueue, ends_well: bool
) -> None:
    channel = await connection.channel(publisher_confirms=False)
    try:
        async with channel.transaction():
            for body in (b"one", b"two"):
                await channel.default_exchange.publish(Message(body), queue.name)
            assert await take(queue) == []
            if not ends_well:
                raise ValueError("rolled back")
    except ValueError:
        pass
    assert await take(queue) == ([b"one", b"two"] if ends_well else [])


@pytest.mark.parametrize(("end", "left"), [("commit", []), ("rollback", [b"m"])])
async def test_an_ack_in_a_transaction_counts_from_the_commit(
    connection: aio_pika.abc.AbstractConnection, queue: aio_pika.abc.AbstractQueue, end: str, left: list[bytes]
) -> None:
    channel = await connection.channel(publisher_confirms=False)
    await channel.default_exchange.publish(Message(b"m"), queue.name)
    transaction = channel.transaction()
    await transaction.select()
    message = await (await channel.get_queue(queue.name)).get()
    await message.ack()
    await getattr(transaction, end)()
    await channel.close()
    assert await take(queue) == left


async def test_exchanges_can_be_bound_to_exchanges(
    channel: aio_pika.abc.AbstractChannel, queue: aio_pika.abc.AbstractQueue, name: str
) -> None:
    source = await channel.declare_exchange(f"{name}-source", ExchangeType.TOPIC, auto_delete=True)
    sink = await channel.declare_exchange(f"{name}-sink", ExchangeType.DIRECT, auto_delete=True)
    await sink.bind(source, "news.*")
    await queue.bind(sink, "news.sport")
    await source.publish(Message(b"sport"), "news.sport")
    await source.publish(Message(b"weather"), "news.weather", mandatory=False)
    await sink.unbind(source, "news.*")
    assert await take(queue) == [b"sport"]


async def test_a_headers_exchange_compares_headers(
    channel: aio_pika.abc.AbstractChannel, queue: aio_pika.abc.AbstractQueue, name: str
) -> None:
    exchange = await channel.declare_exchange(name, ExchangeType.HEADERS, auto_delete=True)
    await queue.bind(exchange, arguments={"x-match": "all", "format": "pdf", "pages": 3})
    await exchange.publish(Message(b"yes", headers={"format": "pdf", "pages": 3, "more": 1}), "")
    await exchange.publish(Message(b"no", headers={"format": "pdf", "pages": 4}), "", mandatory=False)
    assert await take(queue) == [b"yes"]


async def test_a_body_of_5_megabytes(channel: aio_pika.abc.AbstractChannel, queue: aio_pika.abc.AbstractQueue) -> None:
    body = bytes(range(256)) * (5 * 1024 * 1024 // 256)
    await channel.default_exchange.publish(Message(body), queue.name)
    assert await take(queue) == [body]


async def test_a_channel_error_closes_the_channel_with_its_reason_only(
    connection: aio_pika.abc.AbstractConnection, name: str
) -> None:
    channel = await connection.channel()
    with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity, match=f"NOT_FOUND - no queue '{name}' in vhost"):
        await channel.declare_queue(name, passive=True)
    other = await connection.channel()
    await other.declare_queue(name, exclusive=True)
    with pytest.raises(aio_pika.exceptions.ChannelPreconditionFailed, match="inequivalent arg 'auto_delete' for"):
        await other.declare_queue(name, exclusive=True, auto_delete=True)
    assert not connection.is_closed


async def test_update_secret_keeps_the_connection(connection: aio_pika.abc.AbstractConnection) -> None:
    await connection.update_secret("guest", reason="rotation")
    await (await connection.channel()).declare_queue(exclusive=True)


async def test_rpc_calls_return_results_and_raise_the_servers_errors(
    connection: aio_pika.abc.AbstractConnection, name: str
) -> None:
    async def divide(*, left: int, right: int) -> float:
        return left / right

    server, client = await RPC.create(await connection.channel()), await RPC.create(await connection.channel())
    await server.register(name, divide, auto_delete=True)
    assert await client.call(name, kwargs={"left": 9, "right": 3}) == 3
    answers = await asyncio.gather(*(client.call(name, kwargs={"left": n, "right": 1}) for n in range(50)))
    assert answers == list(range(50))
    with pytest.raises(ZeroDivisionError):
        await client.call(name, kwargs={"left": 1, "right": 0})
    await server.close()
    await client.close()


async def test_a_master_feeds_its_workers_and_a_refused_task_is_dropped(
    connection: aio_pika.abc.AbstractConnection, name: str
) -> None:
    done: asyncio.Queue[int] = asyncio.Queue()

    async def work(*, number: int) -> None:
        if number == 3:
            raise NackMessage(requeue=False)
        await done.put(number)

    master = Master(await connection.channel())
    workers = [await Master(await connection.channel()).create_worker(name, work, auto_delete=True) for _ in range(2)]
    for number in range(6):
        await master.create_task(name, kwargs={"number": number})
    assert sorted([await done.get() for _ in range(5)]) == [0, 1, 2, 4, 5]
    for worker in workers:
        await worker.close()


async def test_closing_a_channel_puts_its_unacked_messages_back(
    connection: aio_pika.abc.AbstractConnection, queue: aio_pika.abc.AbstractQueue,
    channel: aio_pika.abc.AbstractChannel,
) -> None:  # fmt: skip
    await channel.default_exchange.publish(Message(b"m"), queue.name)
    holder = await connection.channel()
    assert (await (await holder.get_queue(queue.name)).get()).redelivered is False
    await holder.close()
    assert (await queue.get(no_ack=True)).redelivered is True
