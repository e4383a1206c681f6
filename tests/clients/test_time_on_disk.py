"""Time as clients see it, with a broker that keeps its data on the disk: nothing early, nothing much too late."""

from __future__ import annotations

import time
from pathlib import Path

import aio_pika
import pika
from aio_pika import Message

import menura

SECONDS = 30


async def test_messages_expire_when_it_is_time(amqp_url: str) -> None:
    """One after another, so that each has a timer of its own; the margin is for the machine."""
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        dead = await channel.declare_queue(exclusive=True)
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead.name}
        queue = await channel.declare_queue(exclusive=True, arguments=arguments)
        late = 0.0
        async with dead.iterator(no_ack=True, timeout=SECONDS) as letters:
            for _ in range(20):
                started = time.monotonic()
                await channel.default_exchange.publish(Message(b"m", expiration=0.02), queue.name)
                await anext(letters)
                waited = time.monotonic() - started
                assert waited >= 0.019  # the broker counts in milliseconds
                late += waited - 0.02
    assert late < 20 * 0.35


def test_what_was_to_happen_while_the_broker_was_down_happens_at_its_start(tmp_path: Path) -> None:
    """A message whose time is up is gone; a queue that expires counts from the start, since nobody could use it."""
    with menura.Broker(data=str(tmp_path)) as broker:
        with pika.BlockingConnection(pika.URLParameters(broker.amqp_url)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare("expires", durable=True, arguments={"x-expires": 600_000})
            channel.queue_declare("dead", durable=True)
            arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead", "x-message-ttl": 500}
            channel.queue_declare("waits", durable=True, arguments=arguments)
            channel.basic_publish("", "waits", b"m", pika.BasicProperties(delivery_mode=2))
    with menura.Broker(data=str(tmp_path)) as broker:
        with pika.BlockingConnection(pika.URLParameters(broker.amqp_url)) as connection:
            channel = connection.channel()
            method, properties, body = next(channel.consume("dead", inactivity_timeout=SECONDS))
            assert method is not None
            assert (body, properties.headers["x-death"][0]["reason"]) == (b"m", "expired")
            channel.queue_declare("expires", passive=True)
