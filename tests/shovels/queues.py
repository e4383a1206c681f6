"""Queues of a broker, filled, counted and emptied by a client; and waiting for what others do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import pika
from pika.spec import Basic, BasicProperties

DEADLINE_SECONDS = 20.0
Answer = TypeVar("Answer")
Fetched = tuple[Basic.GetOk, BasicProperties, bytes]
# All of them, but for user-id, which must be that of the connection.
PROPERTIES = BasicProperties(
    content_type="application/json",
    content_encoding="utf-8",
    headers={"text": "ä", "number": 5, "long": 1 << 40, "list": [1, {"deep": True}], "none": None},
    delivery_mode=2,
    priority=3,
    correlation_id="c",
    reply_to="answers",
    expiration="600000",
    message_id="m",
    timestamp=1_700_000_000,
    type="t",
    user_id="guest",
    app_id="a",
    cluster_id="l",
)


def eventually(ask: Callable[[], Answer], what: str, seconds: float = DEADLINE_SECONDS) -> Answer:
    """Ask until the answer is true. The question itself waits a little: it asks a broker."""
    ends_at = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < ends_at, f"not within {seconds:g} s: {what}"
    return answer


class Queues:
    """One connection and channel of pika's."""

    def __init__(self, url: str) -> None:
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()
        self.declared: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.connection.is_open:
            if self.channel.is_open:
                for queue in self.declared:
                    self.channel.queue_delete(queue)
            self.connection.close()

    def declare(self, queue: str, **arguments: Any) -> None:
        """Afresh, and durable. It goes with this object."""
        self.channel.queue_delete(queue)
        self.channel.queue_declare(queue, durable=True, arguments=arguments)
        self.declared.append(queue)

    def fill(self, queue: str, bodies: Iterable[bytes], properties: BasicProperties = PROPERTIES) -> None:
        """Publish, and wait until all are there."""
        self.channel.confirm_delivery()
        *rest, last = bodies
        publish = self.connection.channel()
        for body in rest:
            publish.basic_publish("", queue, body, properties)
        publish.close()
        self.channel.basic_publish("", queue, last, properties)

    def length(self, queue: str) -> int:
        """How many wait; -1 for none that does not exist."""
        try:
            return self.channel.queue_declare(queue, passive=True).method.message_count
        except pika.exceptions.ChannelClosedByBroker as closed:
            if closed.reply_code != 404:
                raise
            self.channel = self.connection.channel()
            return -1

    def until(self, queue: str, count: int, seconds: float = DEADLINE_SECONDS) -> None:
        """Wait until so many are waiting there."""
        eventually(lambda: self.length(queue) == count, f"{count} messages in {queue}", seconds)

    def take(self, queue: str) -> list[Fetched]:
        """All that wait."""
        taken: list[Fetched] = []
        while (fetched := self.channel.basic_get(queue, auto_ack=True))[0] is not None:
            taken.append(fetched)
        return taken

    def bodies(self, queue: str) -> list[bytes]:
        return [body for _, _, body in self.take(queue)]
