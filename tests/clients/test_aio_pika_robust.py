"""aio-pika's robust connection finds its way back after the line is cut.

The line runs through a relay that the test owns, so it can be cut without touching the broker or anybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aio_pika
import pytest
from aio_pika import ExchangeType, Message
from yarl import URL

SECONDS = 40


class Relay:
    """Copies bytes between a port of its own and the broker, until `cut` drops every connection."""

    def __init__(self, broker: URL) -> None:
        self._broker = broker
        self._lines: set[asyncio.Task[None]] = set()

    async def start(self) -> URL:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self._broker.with_host("127.0.0.1").with_port(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self._server.close()
        await self.cut()
        await self._server.wait_closed()

    async def cut(self) -> None:
        for line in (lines := list(self._lines)):
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.create_task(self._join(reader, writer))
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(self._broker.host, self._broker.port)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, there_writer))
                both.create_task(_copy(there_reader, writer))
        finally:
            for end in (writer, there_writer):
                end.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
    writer.close()


@pytest.fixture
async def relay(amqp_url: str) -> AsyncIterator[Relay]:
    relay = Relay(URL(amqp_url))
    yield relay
    await relay.stop()


@pytest.fixture
async def connection(relay: Relay) -> AsyncIterator[aio_pika.abc.AbstractRobustConnection]:
    url = await relay.start()
    async with asyncio.timeout(SECONDS):
        connection = await aio_pika.connect_robust(str(url), reconnect_interval=0.1)
        async with connection:
            yield connection


async def cut_and_come_back(relay: Relay, connection: aio_pika.abc.AbstractRobustConnection) -> None:
    back = asyncio.Event()
    connection.reconnect_callbacks.add(lambda _: back.set())
    await relay.cut()
    await back.wait()


async def test_queue_binding_and_consumer_are_restored(
    relay: Relay, connection: aio_pika.abc.AbstractRobustConnection, name: str
) -> None:
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=5)
    exchange = await channel.declare_exchange(name, ExchangeType.TOPIC, auto_delete=True)
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind(exchange, "a.*")
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        async with message.process():
            await got.put(message.body)

    await queue.consume(take)
    await exchange.publish(Message(b"before"), "a.b")
    assert await got.get() == b"before"
    for round_ in (b"first", b"second"):
        await cut_and_come_back(relay, connection)
        await exchange.publish(Message(round_), "a.b")
        assert await got.get() == round_


async def test_an_unacked_message_is_redelivered_after_the_cut(
    relay: Relay, connection: aio_pika.abc.AbstractRobustConnection, name: str
) -> None:
    channel = await connection.channel()
    queue = await channel.declare_queue(name, durable=True)
    await channel.default_exchange.publish(Message(b"m"), name)
    got: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
    await queue.consume(got.put)
    assert (await got.get()).redelivered is False
    await cut_and_come_back(relay, connection)
    again = await got.get()
    assert (again.body, again.redelivered) == (b"m", True)
    await again.ack()
    await queue.delete(if_unused=False)


async def test_an_iteration_goes_on_after_the_cut(
    relay: Relay, connection: aio_pika.abc.AbstractRobustConnection
) -> None:
    channel = await connection.channel()
    queue = await channel.declare_queue(f"{id(relay)}-iterated", auto_delete=True)
    seen = []
    async with queue.iterator() as messages:
        await channel.default_exchange.publish(Message(b"0"), queue.name)
        async for message in messages:
            await message.ack()
            seen.append(message.body)
            if len(seen) == 3:
                break
            await cut_and_come_back(relay, connection)
            await channel.default_exchange.publish(Message(b"%d" % len(seen)), queue.name)
    assert seen == [b"0", b"1", b"2"]
