"""pika's Twisted adapter, as coroutines on Twisted's reactor.

A process may run its reactor only once, so one thread runs it for the whole module. Each test hands a coroutine to it
and waits for the end with a deadline; the connection is opened before and closed after.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pika
import pika.exceptions
import pytest
from pika.adapters.twisted_connection import TwistedChannel, TwistedProtocolConnection
from twisted.internet import defer, protocol, reactor, threads

SECONDS = 30
Conversation = Callable[[TwistedChannel], Coroutine[Any, Any, None]]
Talk = Callable[[Conversation], None]


@pytest.fixture(scope="module")
def running_reactor() -> Iterator[None]:
    thread = threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False})
    thread.start()
    yield
    reactor.callFromThread(reactor.stop)
    thread.join(SECONDS)
    assert not thread.is_alive()


@pytest.fixture
def talk(running_reactor: None, amqp_url: str) -> Talk:
    parameters = pika.URLParameters(amqp_url)

    async def held(conversation: Conversation) -> None:
        creator = protocol.ClientCreator(reactor, TwistedProtocolConnection, parameters)
        connection = await creator.connectTCP(parameters.host, parameters.port)
        await connection.ready
        try:
            await conversation(await connection.channel())
        finally:
            closed = connection.closed
            connection.close()
            await closed

    def run(conversation: Conversation) -> None:
        def start() -> defer.Deferred[None]:
            return defer.ensureDeferred(held(conversation)).addTimeout(SECONDS, reactor)

        threads.blockingCallFromThread(reactor, start)

    return run


def test_publish_with_confirms_then_consume(talk: Talk, name: str) -> None:
    async def conversation(channel: TwistedChannel) -> None:
        await channel.queue_declare(name, exclusive=True)
        await channel.confirm_delivery()
        for number in range(20):
            await channel.basic_publish("", name, b"%d" % number, mandatory=True)
        deliveries, _ = await channel.basic_consume(name)
        for number in range(20):
            message = await deliveries.get()
            assert message.body == b"%d" % number
            channel.basic_ack(message.method.delivery_tag)
        assert (await channel.queue_purge(name)).method.message_count == 0

    talk(conversation)


def test_an_unroutable_mandatory_message_fails_its_publish(talk: Talk, name: str) -> None:
    async def conversation(channel: TwistedChannel) -> None:
        await channel.confirm_delivery()
        with pytest.raises(pika.exceptions.UnroutableError) as caught:
            await channel.basic_publish("", name, b"lost", mandatory=True)
        (returned,) = caught.value.messages
        assert (returned.method.reply_code, returned.body) == (312, b"lost")

    talk(conversation)


def test_nacked_and_rejected_messages_come_again(talk: Talk, name: str) -> None:
    async def conversation(channel: TwistedChannel) -> None:
        await channel.queue_declare(name, exclusive=True)
        await channel.basic_qos(prefetch_count=1)
        deliveries, _ = await channel.basic_consume(name)
        await channel.basic_publish("", name, b"m")
        seen = []
        for settle in (channel.basic_nack, channel.basic_reject, channel.basic_ack):
            message = await deliveries.get()
            seen.append(message.method.redelivered)
            settle(message.method.delivery_tag)
        assert seen == [False, True, True]

    talk(conversation)


def test_get_gives_a_message_or_none(talk: Talk, name: str) -> None:
    async def conversation(channel: TwistedChannel) -> None:
        await channel.queue_declare(name, exclusive=True)
        assert await channel.basic_get(name) is None
        await channel.basic_publish("", name, b"one", pika.BasicProperties(type="kind"))
        message = await channel.basic_get(name, auto_ack=True)
        assert (message.body, message.properties.type) == (b"one", "kind")

    talk(conversation)


def test_a_cancelled_consumer_gets_nothing_more(talk: Talk, name: str) -> None:
    async def conversation(channel: TwistedChannel) -> None:
        await channel.queue_declare(name, exclusive=True)
        deliveries, tag = await channel.basic_consume(name)
        await channel.basic_cancel(tag)
        with pytest.raises(pika.exceptions.ConsumerCancelled):
            await deliveries.get()
        answer = await channel.queue_declare(name, passive=True)
        assert answer.method.consumer_count == 0

    talk(conversation)


def test_deleting_the_queue_ends_its_consumer(talk: Talk, name: str) -> None:
    async def conversation(channel: TwistedChannel) -> None:
        await channel.queue_declare(name)
        deliveries, _ = await channel.basic_consume(name)
        next_one = deliveries.get()
        await channel.queue_delete(name)
        with pytest.raises(pika.exceptions.ConsumerCancelled):
            await next_one

    talk(conversation)


def test_a_body_of_5_megabytes(talk: Talk, name: str) -> None:
    async def conversation(channel: TwistedChannel) -> None:
        await channel.queue_declare(name, exclusive=True)
        body = bytes(range(256)) * (5 * 1024 * 1024 // 256)
        await channel.basic_publish("", name, body)
        deliveries, _ = await channel.basic_consume(name, auto_ack=True)
        assert (await deliveries.get()).body == body

    talk(conversation)


def test_a_topic_exchange_routes_by_pattern(talk: Talk, name: str) -> None:
    async def conversation(channel: TwistedChannel) -> None:
        await channel.exchange_declare(name, "topic", auto_delete=True)
        queue = (await channel.queue_declare("", exclusive=True)).method.queue
        await channel.queue_bind(queue, name, "*.critical")
        await channel.basic_publish(name, "kern.info", b"no")
        await channel.basic_publish(name, "kern.critical", b"yes")
        deliveries, _ = await channel.basic_consume(queue, auto_ack=True)
        assert (await deliveries.get()).body == b"yes"
        await channel.queue_unbind(queue, name, "*.critical")

    talk(conversation)


def test_a_channel_error_fails_the_call_with_its_reason(talk: Talk, name: str) -> None:
    async def conversation(channel: TwistedChannel) -> None:
        with pytest.raises(pika.exceptions.ChannelClosedByBroker) as caught:
            await channel.queue_declare(name, passive=True)
        assert caught.value.reply_code == 404

    talk(conversation)


def test_a_transaction_holds_publishes_until_commit(talk: Talk, name: str) -> None:
    async def conversation(channel: TwistedChannel) -> None:
        await channel.queue_declare(name, exclusive=True)
        await channel.tx_select()
        await channel.basic_publish("", name, b"dropped")
        await channel.tx_rollback()
        await channel.basic_publish("", name, b"kept")
        assert await channel.basic_get(name) is None
        await channel.tx_commit()
        assert (await channel.basic_get(name, auto_ack=True)).body == b"kept"

    talk(conversation)
