"""What the core asks of the world. Each port can be recited.

`Subscriber` takes deliveries (a protocol's channel), `Owner` has exclusive queues (its connection); `Catalog` and
`Journal` keep what must outlive the process (the store).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from menura.core.consumer import Consumer
    from menura.core.definitions import Definition
    from menura.core.presence import Connected
    from menura.core.queue import Queue
    from menura.core.run import Run


class Subscriber(Protocol):
    """Takes messages off queues and sends them on."""

    @property
    def writable(self) -> bool:
        """False while the peer reads too slowly to be sent more."""

    @property
    def who(self) -> tuple[Connected | None, int]:
        """The connection it belongs to, and the number of the channel there."""

    def deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> None:
        """Messages position .. position + len(run) - 1 of the consumer's queue, now the subscriber's to
        settle."""

    def cancelled(self, consumer: Consumer) -> None:
        """The queue is gone; the consumer will get nothing more."""


class Dispatcher(Protocol):
    """Has something to do once what is being done is done: a queue that was touched, mostly."""

    def dispatch(self) -> None: ...


class Owner(Protocol):
    """What exclusive queues belong to: a connection."""

    def disown(self, queue: Queue) -> None:
        """The queue has been deleted."""


class Published(NamedTuple):
    """Messages that took the same route at the same time: packed contents and, per queue id, the position of the
    first of them there. `at_ms` is the time, in milliseconds since 1970; 0: not known."""

    queues: Sequence[tuple[int, int]]
    exchange: str
    keys: tuple[str, ...]
    contents: Sequence[bytes]
    at_ms: int = 0


class Settled(NamedTuple):
    """Messages first .. last of a queue have left it for good."""

    queue: int
    first: int
    last: int


class Stored(NamedTuple):
    """Messages read back: those of a queue from position `first` on, one after another, of one route."""

    first: int
    exchange: str
    keys: tuple[str, ...]
    contents: list[bytes]
    at_ms: int


class Counted(NamedTuple):
    """The message at a position was handed out so many `times` and is in its queue still.

    It waits for another try until `due_ms`, in milliseconds since 1970; 0: it does not.
    """

    position: int
    times: int
    due_ms: int


class Held(NamedTuple):
    """What a journal has of a queue.

    `ranges` are positions (first, last) in order; the messages at positions below `delivered` have been handed out
    before. `size_bytes` is exact unless some messages of one record were settled and others not.
    """

    ranges: list[tuple[int, int]]
    message_count: int
    size_bytes: int
    next_position: int
    delivered: int


class Journal(Protocol):
    """The messages of durable queues, on an append-only log. Queues go by their ids, which are never used again.

    Positions in the log are numbers that only grow; nothing in it is ever rewritten in place.
    """

    on_durable: Callable[[int], None]
    """Called with the new value whenever `durable` has grown, never from inside `append`."""

    @property
    def appended(self) -> int:
        """Where the log ends: the position behind all that was taken, in octets."""

    @property
    def durable(self) -> int:
        """Everything up to this position survives a crash."""

    def append(self, *parts: Published | Settled) -> int:
        """Take messages and settlements that happen together or not at all: the value of `appended` behind them."""

    def settle(self, queue: int, first: int, last: int) -> None:
        """Messages first .. last have left the queue for good. It becomes durable with what is appended later."""

    def delivered(self, queue: int, high: int) -> None:
        """Everything below position `high` has been handed out at least once."""

    def counted(self, queue: int, position: int, times: int, due_ms: int) -> None:
        """What `Counted` says of a message. It becomes durable as settlements do, and goes with the message's."""

    def counts(self, queue: int, first: int, last: int) -> list[Counted]:
        """What was noted so of messages first .. last that are still there, in order, as far as a flush has taken it.

        Of several notes about one message the one with the most times holds, of those the latest.
        """

    def read(self, queue: int, first: int, last: int) -> list[Stored]:
        """What there still is of messages first .. last of a queue, in order."""

    def read_ranges(self, queue: int, ranges: Sequence[tuple[int, int]]) -> list[Stored]:
        """The same of several such ranges."""

    def forget(self, queue: int) -> None:
        """The queue has been deleted."""

    def queues(self) -> list[int]:
        """The ids of all queues heard of."""

    def held(self, queue: int) -> Held:
        """What there is of a queue."""


class Catalog(Protocol):
    """The definitions of what is durable. Changes are numbered and become durable in order."""

    on_committed: Callable[[int], None]
    """Called with the new value whenever `committed` has grown, never from inside `put` or `delete`."""

    @property
    def changed(self) -> int:
        """The number of the last change taken."""

    @property
    def committed(self) -> int:
        """All changes up to this number survive a crash."""

    def put(self, definition: Definition) -> int:
        """Keep a definition, in place of the one with the same key; the change's number."""

    def delete(self, definition: Definition) -> int:
        """Drop the definition with this one's key, and what depends on it; the change's number."""

    def new_queue_id(self) -> int:
        """A number that no queue ever had or will have."""
