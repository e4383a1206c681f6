"""The two ends of a shovel, made ready: what is to be declared is, and the source's queue is about to be consumed.

A queue that is named is declared, durable, unless it exists, however it was declared; where it is said to be declared
before, it must exist. An exchange as source is read through a queue of the shovel's own, which goes with it; an
exchange as destination is taken for granted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from menura.client.connection import Client
from menura.client.session import ClosedError
from menura.protocols.amqp import wire
from menura.shovels.definition import Definition

NOT_FOUND = 404
CHANNEL = 1


async def ready_source(client: Client, wanted: Definition) -> tuple[str, int]:
    """The queue to consume, and how many messages wait in it."""
    await client.call(CHANNEL, "channel.open")
    if wanted.source_queue is not None:
        declared = await _ensure(client, wanted.source_queue, wanted.source_arguments, wanted.source_predeclared)
        queue = wanted.source_queue
    else:
        declared = await client.call(
            CHANNEL, "queue.declare", exclusive=True, auto_delete=True, arguments=wanted.source_arguments
        )
        queue = declared.queue
        await client.call(
            CHANNEL,
            "queue.bind",
            queue=queue,
            exchange=wanted.source_exchange,
            routing_key=wanted.source_key,
        )
    if wanted.ack_mode != "no-ack":
        await client.call(CHANNEL, "basic.qos", prefetch_count=wanted.prefetch)
    return queue, declared.message_count


async def consume(client: Client, queue: str, wanted: Definition) -> None:
    await client.call(
        CHANNEL,
        "basic.consume",
        queue=queue,
        no_ack=wanted.ack_mode == "no-ack",
        arguments=wanted.consumer_arguments,
    )


async def ready_destination(client: Client, wanted: Definition) -> None:
    await client.call(CHANNEL, "channel.open")
    if wanted.destination_queue is not None:
        predeclared = wanted.destination_predeclared
        await _ensure(client, wanted.destination_queue, wanted.destination_arguments, predeclared)
    elif wanted.destination_exchange and wanted.destination_predeclared:
        await client.call(CHANNEL, "exchange.declare", exchange=wanted.destination_exchange, passive=True)
    if wanted.ack_mode == "on-confirm":
        await client.call(CHANNEL, "confirm.select")


async def _ensure(client: Client, queue: str, arguments: Mapping[str, Any], predeclared: bool) -> Any:
    """The answer to declaring a queue, made if there is none and it may be."""
    try:
        return await client.call(CHANNEL, "queue.declare", queue=queue, passive=True)
    except ClosedError as error:
        if error.code != NOT_FOUND or predeclared or client.reason is not None:
            raise
    await client.call(CHANNEL, "channel.open")
    return await client.call(CHANNEL, "queue.declare", queue=queue, durable=True, arguments=arguments)


def publish_frame(wanted: Definition, address: bytes) -> bytes:
    """The frame that publishes what was delivered from an encoded exchange and routing key."""
    exchange_end = 1 + address[0]
    exchange, key = address[1:exchange_end], address[exchange_end + 1 :]
    if wanted.destination_queue is not None:
        exchange, key = b"", wanted.destination_queue.encode()
    if wanted.destination_exchange is not None:
        exchange = wanted.destination_exchange.encode()
    if wanted.destination_key is not None and wanted.destination_queue is None:
        key = wanted.destination_key.encode()
    return wire.frame(CHANNEL, "basic.publish", exchange=exchange, routing_key=key)
