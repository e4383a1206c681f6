"""aiormq: one coroutine per AMQP method, so each test reads like the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiormq
import aiormq.abc
import aiormq.exceptions
import pytest
from pamqp import commands

SECONDS = 30


@pytest.fixture
async def connection(amqp_url: str) -> AsyncIterator[aiormq.abc.AbstractConnection]:
    async with asyncio.timeout(SECONDS):
        connection = await aiormq.connect(amqp_url)
        yield connection
        await connection.close()


@pytest.fixture
async def channel(connection: aiormq.abc.AbstractConnection) -> aiormq.abc.AbstractChannel:
    return await connection.channel()


@pytest.fixture
async def queue(channel: aiormq.abc.AbstractChannel) -> str:
    return (await channel.queue_declare("", exclusive=True)).queue


async def test_the_tune_parameters_are_those_of_the_broker(connection: aiormq.Connection) -> None:
    tune = connection.connection_tune
    assert (tune.channel_max, tune.frame_max) == (2047, 131072)
    assert connection.publisher_confirms
    assert connection.basic_nack
    assert connection.exchange_exchange_bindings
    assert connection.consumer_cancel_notify


async def test_the_heartbeat_of_the_address_is_agreed_on(amqp_url: str) -> None:
    connection = await aiormq.connect(f"{amqp_url}?heartbeat=9")
    assert connection.connection_tune.heartbeat == 9
    await connection.close()


async def test_publish_confirm_get_and_ack(channel: aiormq.abc.AbstractChannel, queue: str) -> None:
    properties = commands.Basic.Properties(headers={"k": "v"}, content_type="text/plain", delivery_mode=2)
    for tag in (1, 2, 3):
        confirmation = await channel.basic_publish(b"%d" % tag, routing_key=queue, properties=properties)
        assert isinstance(confirmation, commands.Basic.Ack)
        assert confirmation.delivery_tag == tag
    first = await channel.basic_get(queue)
    assert isinstance(first.delivery, commands.Basic.GetOk)
    assert (first.body, first.delivery.message_count) == (b"1", 2)
    assert first.header.properties.headers == {"k": "v"}
    await channel.basic_ack(first.delivery_tag)
    assert (await channel.queue_purge(queue)).message_count == 2
    assert isinstance((await channel.basic_get(queue)).delivery, commands.Basic.GetEmpty)


async def test_a_returned_message_fails_its_publish(connection: aiormq.abc.AbstractConnection, name: str) -> None:
    channel = await connection.channel(on_return_raises=True)
    with pytest.raises(aiormq.exceptions.PublishError) as caught:
        await channel.basic_publish(b"lost", routing_key=name, mandatory=True)
    assert caught.value.message.delivery.reply_text == "NO_ROUTE"


async def test_a_consumer_acks_nacks_and_rejects(channel: aiormq.abc.AbstractChannel, queue: str) -> None:
    got: asyncio.Queue[aiormq.abc.DeliveredMessage] = asyncio.Queue()
    await channel.basic_qos(prefetch_count=1)
    consuming = await channel.basic_consume(queue, got.put, consumer_tag="mine")
    assert consuming.consumer_tag == "mine"
    await channel.basic_publish(b"m", routing_key=queue)
    seen = []
    for settle in (channel.basic_nack, channel.basic_reject, channel.basic_ack):
        message = await got.get()
        seen.append(message.redelivered)
        await settle(message.delivery_tag)
    assert seen == [False, True, True]
    assert isinstance(await channel.basic_cancel("mine"), commands.Basic.CancelOk)
    assert (await channel.queue_declare(queue, passive=True)).consumer_count == 0


async def test_deleting_a_queue_cancels_its_consumer(
    connection: aiormq.abc.AbstractConnection, channel: aiormq.abc.AbstractChannel, queue: str
) -> None:
    cancelled: asyncio.Queue[str] = asyncio.Queue()
    channel.on_consumer_cancel_callbacks.add(lambda frame: cancelled.put_nowait(frame.consumer_tag))
    got: asyncio.Queue[aiormq.abc.DeliveredMessage] = asyncio.Queue()
    await channel.basic_consume(queue, got.put, consumer_tag="mine")
    await (await connection.channel()).queue_delete(queue)
    assert await cancelled.get() == "mine"


async def test_recover_redelivers(channel: aiormq.abc.AbstractChannel, queue: str) -> None:
    await channel.basic_publish(b"m", routing_key=queue)
    assert (await channel.basic_get(queue)).redelivered is False
    await channel.basic_recover(requeue=True)
    assert (await channel.basic_get(queue, no_ack=True)).redelivered is True


async def test_a_transaction_commits_and_rolls_back(
    connection: aiormq.abc.AbstractConnection, channel: aiormq.abc.AbstractChannel, queue: str
) -> None:
    transactional = await connection.channel(publisher_confirms=False)
    await transactional.tx_select()
    await transactional.basic_publish(b"no", routing_key=queue)
    await transactional.tx_rollback()
    await transactional.basic_publish(b"yes", routing_key=queue)
    await transactional.tx_commit()
    assert (await channel.basic_get(queue, no_ack=True)).body == b"yes"
    assert isinstance((await channel.basic_get(queue)).delivery, commands.Basic.GetEmpty)


async def test_exchanges_are_declared_bound_unbound_and_deleted(
    channel: aiormq.abc.AbstractChannel, queue: str, name: str
) -> None:
    source, sink = f"{name}-source", f"{name}-sink"
    await channel.exchange_declare(source, exchange_type="headers")
    await channel.exchange_declare(sink, exchange_type="fanout")
    await channel.exchange_bind(destination=sink, source=source, arguments={"x-match": "any", "colour": "red"})
    await channel.queue_bind(queue, sink)
    red = commands.Basic.Properties(headers={"colour": "red"})
    await channel.basic_publish(b"red", exchange=source, properties=red)
    await channel.basic_publish(b"plain", exchange=source)
    await channel.queue_unbind(queue, sink)
    assert (await channel.queue_delete(queue)).message_count == 1
    for exchange in (source, sink):
        await channel.exchange_delete(exchange)
    with pytest.raises(aiormq.exceptions.ChannelNotFoundEntity, match=f"no exchange '{sink}' in vhost"):
        await channel.exchange_declare(sink, passive=True)


async def test_a_frame_of_several_megabytes_is_cut_and_joined(channel: aiormq.abc.AbstractChannel, queue: str) -> None:
    body = bytes(range(256)) * (5 * 1024 * 1024 // 256)
    await channel.basic_publish(body, routing_key=queue)
    assert (await channel.basic_get(queue, no_ack=True)).body == body


async def test_another_connections_exclusive_queue_is_locked(
    amqp_url: str, connection: aiormq.abc.AbstractConnection, name: str
) -> None:
    await (await connection.channel()).queue_declare(name, exclusive=True)
    other = await aiormq.connect(amqp_url)
    with pytest.raises(aiormq.exceptions.ChannelLockedResource, match="cannot obtain exclusive access to locked"):
        await (await other.channel()).queue_declare(name, exclusive=True)
    await other.close()


async def test_update_secret_is_answered(connection: aiormq.abc.AbstractConnection) -> None:
    answer = await connection.update_secret("guest", reason="rotation")
    assert isinstance(answer, commands.Connection.UpdateSecretOk)


async def test_a_wrong_password_raises(amqp_url: str) -> None:
    with pytest.raises(aiormq.exceptions.ProbableAuthenticationError):
        await aiormq.connect(amqp_url.replace("guest:guest", "guest:wrong"))


async def test_a_hundred_channels_share_a_connection(connection: aiormq.abc.AbstractConnection, queue: str) -> None:
    channels = await asyncio.gather(*(connection.channel() for _ in range(100)))
    await asyncio.gather(*(one.basic_publish(b"m", routing_key=queue) for one in channels))
    assert (await channels[0].queue_purge(queue)).message_count == 100
