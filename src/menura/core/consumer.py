"""Consumers, their credit, and whose turn it is.

A consumer may be sent messages while it has credit: fewer unsettled messages than its own `prefetch` (0: no
limit), than the `Limit` it shares with the other consumers of its channel, and a subscriber that keeps up
with reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from menura.core.ports import Subscriber
    from menura.core.queue import Queue

UNLIMITED = 1 << 30


class Limit:
    """Unsettled messages over all consumers of a channel, at most `count` (0: no limit)."""

    __slots__ = ("count", "used")

    def __init__(self, count: int = 0) -> None:
        self.count = count
        self.used = 0


class Consumer:
    """A subscription to a queue. `settles` is false where a message counts as settled once sent."""

    __slots__ = (
        "arguments", "exclusive", "limit", "prefetch", "priority", "queue", "scratch", "settles",
        "subscriber", "tag", "unsettled",
    )  # fmt: skip

    def __init__(
        self,
        tag: str,
        queue: Queue,
        subscriber: Subscriber,
        *,
        settles: bool = True,
        exclusive: bool = False,
        priority: int = 0,
        prefetch: int = 0,
        limit: Limit | None = None,
        arguments: dict[str, bytes] | None = None,
    ) -> None:
        self.tag = tag
        self.queue = queue
        self.subscriber = subscriber
        self.settles = settles
        self.exclusive = exclusive
        self.priority = priority
        self.prefetch = prefetch
        self.limit = limit
        self.arguments = arguments or {}
        self.unsettled = 0
        # The subscriber's own note on this consumer, for example an encoded form of its tag.
        self.scratch: Any = None

    def room(self) -> int:
        """How many messages it may be sent now."""
        if not self.subscriber.writable:
            return 0
        if not self.settles:
            return UNLIMITED
        room = self.prefetch - self.unsettled if self.prefetch else UNLIMITED
        limit = self.limit
        if limit is not None and limit.count:
            room = min(room, limit.count - limit.used)
        return room

    def took(self, count: int) -> None:
        """It has been sent `count` messages that it will have to settle."""
        self.unsettled += count
        if self.limit is not None:
            self.limit.used += count

    def settled(self, count: int) -> None:
        """`count` of its messages are settled, one way or another; its queue may have more for it."""
        self.unsettled -= count
        if self.limit is not None:
            self.limit.used -= count
        self.queue.touch()


class Turns:
    """The consumers of one queue: highest priority first, equals by turns.

    With `single` only the longest-standing consumer is served, until it goes.
    """

    __slots__ = ("_next", "all", "single")

    def __init__(self, single: bool = False) -> None:
        self.single = single
        self.all: list[Consumer] = []
        self._next = 0

    def __len__(self) -> int:
        return len(self.all)

    def add(self, consumer: Consumer) -> None:
        at = len(self.all)
        while not self.single and at and self.all[at - 1].priority < consumer.priority:
            at -= 1
        self.all.insert(at, consumer)

    def remove(self, consumer: Consumer) -> None:
        self.all.remove(consumer)
        self._next = 0

    @property
    def exclusive(self) -> bool:
        return bool(self.all) and self.all[0].exclusive

    def is_active(self, consumer: Consumer) -> bool:
        return not self.single or self.all[0] is consumer

    def next(self) -> tuple[Consumer, int, int] | None:
        """The consumer whose turn it is, its room, and how many equals share with it; None if nobody has
        room."""
        consumers = self.all
        if len(consumers) == 1 or (self.single and consumers):
            room = consumers[0].room()
            return (consumers[0], room, 1) if room > 0 else None
        ready = [(consumer, room) for consumer in consumers if (room := consumer.room()) > 0]
        if not ready:
            return None
        highest = ready[0][0].priority
        equals = [pair for pair in ready if pair[0].priority == highest]
        turn = self._next % len(equals)
        self._next = turn + 1
        return (*equals[turn], len(equals))
