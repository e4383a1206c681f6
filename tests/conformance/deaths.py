"""What dead letters look like, and a place to collect them.

A `Graveyard` is a queue with a consumer on a connection of its own, so that dead letters, which come whenever
their queue is done with them, do not get between the answers that a test compares. Each is shown as a
`DeadLetter`: where it came through, and its headers taken apart. The times of the deaths are left out, and so
are the headers `x-last-death-*`, which newer brokers add; entries of `x-death` are compared as mappings, since
the order of their fields varies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pamqp.commands import Basic
from tests.conformance.wire import Client


@dataclass(frozen=True)
class DeadLetter:
    """`first` is the reason, queue and exchange of the first death; `headers` are the other headers."""

    body: bytes
    key: str
    exchange: str
    deaths: list[dict[str, Any]]
    first: tuple[str, str, str]
    headers: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)


def death(
    queue: str, reason: str, *, keys: list[str], exchange: str = "", count: int = 1, expiration: str = ""
) -> dict[str, Any]:
    """An entry of x-death without its time."""
    entry: dict[str, Any] = {
        "count": count,
        "reason": reason,
        "queue": queue,
        "exchange": exchange,
        "routing-keys": keys,
    }
    return {**entry, "original-expiration": expiration} if expiration else entry


def dead_letter(method: Any, head: Any, body: bytes) -> DeadLetter:
    properties = {name: value for name, value in head.properties if value is not None and name != "cluster_id"}
    headers = properties.pop("headers")
    deaths = headers.pop("x-death")
    for entry in deaths:
        assert isinstance(entry.pop("time"), datetime)
    first = tuple(headers.pop(f"x-first-death-{name}") for name in ("reason", "queue", "exchange"))
    others = {name: value for name, value in headers.items() if not name.startswith("x-last-death-")}
    return DeadLetter(body, method.routing_key, method.exchange, deaths, first, others, properties)


class Graveyard:
    """A queue for dead letters."""

    def __init__(self, client: Client, queue: str) -> None:
        self.client = client
        self.queue = queue
        self.to_here = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}
        client.queue(queue)
        client.consume(queue, no_ack=True)

    def bind(self, exchange: str, routing_key: str = "") -> None:
        """Take what comes through an exchange, too."""
        self.client.bind(self.queue, exchange, routing_key)

    def next(self) -> DeadLetter:
        """The next dead letter."""
        return dead_letter(*self._delivery())

    def next_body(self) -> bytes:
        return self._delivery()[2]

    def _delivery(self) -> tuple[Any, Any, bytes]:
        _, method, head, body = self.client.method()
        assert isinstance(method, Basic.Deliver), method
        return method, head, body

    def expect(self, queue: str, reason: str, *bodies: bytes) -> None:
        """Plain messages have died once, in `queue`, in this order."""
        for body in bodies:
            letter = self.next()
            assert (letter.body, letter.deaths) == (body, [death(queue, reason, keys=[queue])])

    def expect_none(self, sender: Client) -> None:
        """Nothing has come, and nothing that is due to what `sender` has been answered so far."""
        sender.publish(self.queue, b"no dead letter")
        assert self.next_body() == b"no dead letter"
