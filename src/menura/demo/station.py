"""Somebody in the shop who speaks AMQP: one connection with one channel, JSON in and out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from menura.client.connection import Client, connect
from menura.client.deliveries import Deliveries
from menura.client.uris import BrokerAddress
from menura.core import content as packed
from menura.core.properties import Properties
from menura.net.transport import Tick
from menura.protocols.amqp import wire
from menura.protocols.amqp.delivery import ack_frame, content_frames

PERSISTENT = 2


class Message(NamedTuple):
    tag: int
    key: str
    value: Any


class Station:
    """Made by `open`."""

    def __init__(self, client: Client) -> None:
        self.client = client

    @classmethod
    async def open(cls, tick: Tick, address: BrokerAddress, name: str) -> Station:
        client = await connect(tick, address, name)
        await client.call(1, "channel.open")
        return cls(client)

    def publish(self, exchange: str, key: str, value: Any, *, priority: int | None = None, kind: str = "") -> None:
        properties = Properties(
            content_type="application/json", delivery_mode=PERSISTENT, priority=priority, type=kind or None
        ).encode()
        session = self.client.session
        content = content_frames(packed.pack(properties, json.dumps(value).encode()), 1, session.frame_bytes_max)
        session.send(wire.frame(1, "basic.publish", exchange=exchange, routing_key=key) + content)

    async def consume(self, queue: str, prefetch: int, handle: Callable[[Message], None]) -> None:
        """Hand over what comes; it is to be acknowledged or rejected."""

        def take(run: Deliveries) -> None:
            key = run.address[2 + run.address[0] :].decode()
            for at, content in enumerate(run.contents()):
                handle(Message(run.first_tag + at, key, _value(packed.body_of(content))))

        self.client.session.on_deliveries = take
        await self.client.call(1, "basic.qos", prefetch_count=prefetch)
        await self.client.call(1, "basic.consume", queue=queue)

    def acknowledge(self, message: Message) -> None:
        self.client.session.send(ack_frame(1, message.tag, False))

    def reject(self, message: Message) -> None:
        """Not to come again: it becomes a dead letter."""
        self.client.session.send(wire.frame(1, "basic.reject", delivery_tag=message.tag, requeue=False))


def _value(body: bytes) -> Any:
    """What somebody has sent; None for anything that is no JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return None
