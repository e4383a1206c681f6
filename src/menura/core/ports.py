"""What the core asks of the world. Each port can be recited.

`Subscriber` takes deliveries (a protocol's channel), `Owner` has exclusive queues (its connection), `Journal`
keeps what must outlive the process (the store).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from menura.core.consumer import Consumer
    from menura.core.queue import Queue
    from menura.core.run import Run


class Subscriber(Protocol):
    """Takes messages off queues and sends them on."""

    @property
    def writable(self) -> bool:
        """False while the peer reads too slowly to be sent more."""

    def deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> None:
        """Messages position .. position + len(run) - 1 of the consumer's queue, now the subscriber's to
        settle."""

    def cancelled(self, consumer: Consumer) -> None:
        """The queue is gone; the consumer will get nothing more."""


class Owner(Protocol):
    """What exclusive queues belong to: a connection."""

    def disown(self, queue: Queue) -> None:
        """The queue has been deleted."""


class Published(NamedTuple):
    """Messages that went to durable queues: their packed contents and, per queue name, the first position
    there."""

    exchange: str
    keys: tuple[str, ...]
    contents: tuple[bytes, ...]
    queues: tuple[tuple[str, int], ...]


class Settled(NamedTuple):
    """Messages first .. last of a queue have left it for good."""

    queue: str
    first: int
    last: int


class Deleted(NamedTuple):
    """A queue is gone with all that was in it; the next of its name begins anew."""

    queue: str


Record = Published | Settled | Deleted


class Journal(Protocol):
    """An append-only log with ordered positions. Nothing in it is ever rewritten in place."""

    @property
    def appended(self) -> int:
        """The position of the last record taken."""

    durable: int
    """Everything up to and including this position survives a crash."""

    on_durable: Callable[[int], None]
    """Called with the new value whenever `durable` has grown, never from inside `append`."""

    def append(self, vhost: str, record: Record) -> int:
        """Take a record; its position, greater than any before."""

    def flush(self) -> None:
        """Start making durable what was appended; called once at the end of each tick."""

    def replay(self, after: int = 0) -> Iterator[tuple[int, str, Record]]:
        """What survives, in order: (position, virtual host, record)."""

    def truncate(self, before: int) -> None:
        """Records at positions below are needed no more."""
