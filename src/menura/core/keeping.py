"""The catalog and the journal of a node as one: what has been done, and from when on it may be promised.

Whoever answers a client asks for a `promise` of all that has been done so far and gives the answer once it is
`fulfilled`; until then it waits, as a `Waiter`, to be woken. Parts of a transaction are gathered and go into the
journal together.

What was appended and is not on the disk yet weighs on the memory account. A disk that falls behind by `BEHIND_BYTES`
makes publishers wait, so that they cannot fill the memory with what they have not been promised.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from menura.core.definitions import QueueDefinition
from menura.core.memory import MemoryAccount
from menura.core.ports import Catalog, Journal, Published, Settled, Stored

BEHIND_BYTES = 64 * 1024 * 1024
_FORGOTTEN_A_TURN = 200


class Promise(NamedTuple):
    """Definitions up to change number `change` and messages up to `position` of the journal."""

    change: int
    position: int


class Waiter(Protocol):
    """Somebody with an answer to give: a session."""

    def wake(self) -> None:
        """Something more has become certain."""


class Keeper:
    """What the core needs of the catalog and the journal."""

    def __init__(self, catalog: Catalog, journal: Journal, memory: MemoryAccount) -> None:
        self.catalog = catalog
        self.journal = journal
        self.appended = journal.appended
        """Where the journal ends."""
        self.behind = False
        """The disk has so much to do that publishers should wait."""
        self._memory = memory
        self._weighed_bytes = 0
        self._waiting: dict[Waiter, None] = {}
        self._gathered: list[Published | Settled] | None = None
        self._certain = catalog.committed  # the number of a change
        self._gone: deque[tuple[int, int]] = deque()  # queues by the number of the change that deletes them
        catalog.on_committed = self._committed
        journal.on_durable = self._durable

    # -- answers ---------------------------------------------------------------------------------------------

    def promise(self) -> Promise:
        """All that was done until now."""
        return Promise(self.catalog.changed, self.appended)

    def fulfilled(self, promise: Promise) -> bool:
        return promise[1] <= self.journal.durable and promise[0] <= self.catalog.committed

    def wait(self, waiter: Waiter) -> None:
        """Wake it, once, as soon as something more is certain."""
        self._waiting[waiter] = None

    def weigh(self) -> None:
        """See how far behind the disk is, and charge the memory account; once a turn is enough."""
        self._forget()
        # The journal goes on by itself: what it notes and moves is behind what anybody was promised.
        unwritten_bytes = max(self.appended - self.journal.durable, 0)
        self.behind = unwritten_bytes > BEHIND_BYTES
        if unwritten_bytes != self._weighed_bytes:
            self._memory.hold(unwritten_bytes - self._weighed_bytes)
            self._weighed_bytes = unwritten_bytes

    def _durable(self, position: int) -> None:
        self.weigh()
        self._wake()

    def _committed(self, number: int) -> None:
        self._certain = number
        self._forget()
        self._wake()

    def _forget(self) -> None:
        """Let go of queues that are certain to be deleted. Where there are very many, the rest has to wait a turn."""
        for _ in range(_FORGOTTEN_A_TURN):
            if not self._gone or self._gone[0][0] > self._certain:
                return
            self.journal.forget(self._gone.popleft()[1])

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for waiter in waiting:
            waiter.wake()

    # -- messages --------------------------------------------------------------------------------------------

    def append(self, published: Published) -> None:
        if self._gathered is None:
            self.appended = self.journal.append(published)
        else:
            # Once enqueued, a run's list is its queue's, which may add what comes next to it.
            self._gathered.append(published._replace(contents=tuple(published.contents)))

    def settle(self, queue: int, first: int, last: int) -> None:
        if self._gathered is None:
            self.journal.settle(queue, first, last)
        else:
            self._gathered.append(Settled(queue, first, last))

    def read(self, queue: int, first: int, last: int) -> list[Stored]:
        """What there is of messages first .. last of a queue, in order: in the journal, or gathered for it."""
        return self.read_ranges(queue, [(first, last)])

    def read_ranges(self, queue: int, ranges: Sequence[tuple[int, int]]) -> list[Stored]:
        """The same of several such ranges; what was gathered follows behind."""
        found = self.journal.read_ranges(queue, ranges)
        for part in self._gathered or ():
            if isinstance(part, Published):
                for first, last in ranges:
                    found += _among(part, queue, first, last)
        return found

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is published and settled within happens as a whole or, after a crash, not at all.

        One within another is part of it.
        """
        if self._gathered is not None:
            yield
            return
        self._gathered = []
        try:
            yield
        finally:
            gathered, self._gathered = self._gathered, None
            if gathered:
                self.appended = self.journal.append(*gathered)

    def delete_queue(self, definition: QueueDefinition) -> None:
        """Drop a queue's definition and, once that is certain, its messages."""
        self._gone.append((self.catalog.delete(definition), definition.id))

    def forget_queue(self, id: int) -> None:
        """Drop a queue's messages once all is certain that was done until now: its definition went with another."""
        self._gone.append((self.catalog.changed, id))


def _among(published: Published, queue: int, first: int, last: int) -> Iterator[Stored]:
    """The messages of a queue between two positions."""
    for id, begin in published.queues:
        low, high = max(first, begin), min(last + 1, begin + len(published.contents))
        if id == queue and low < high:
            contents = list(published.contents[low - begin : high - begin])
            yield Stored(low, published.exchange, published.keys, contents, published.at_ms)
