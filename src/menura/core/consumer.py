"""Consumers, their credit, and whose turn it is.

A consumer may be sent messages while it has credit: fewer unsettled messages than its own `prefetch` (0: no
limit), than the `Limit` it shares with the other consumers of its channel, and a subscriber that keeps up
with reading.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from menura.core.ports import Subscriber
    from menura.core.queue import Queue
    from menura.core.tallies import Tallies

UNLIMITED = 1 << 30


class Limit:
    """Unsettled messages over all consumers of a channel, at most `count` (0: no limit)."""

    __slots__ = ("consumers", "count", "used")

    def __init__(self, count: int = 0) -> None:
        self.count = count
        self.used = 0
        self.consumers: dict[Consumer, None] = {}

    def give_back(self, count: int) -> None:
        """`count` messages are settled; where that makes room, it is room for every consumer."""
        full = self.count and self.used >= self.count
        self.used -= count
        if full and self.used < self.count:
            self.touch()

    def touch(self) -> None:
        for consumer in self.consumers:
            consumer.queue.touch()


class Consumer:
    """A subscription to a queue. `settles` is false where a message counts as settled once sent."""

    __slots__ = (
        "arguments", "exclusive", "limit", "prefetch", "priority", "queue", "scratch", "settles", "subscriber", "tag",
        "taking", "unsettled",
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
        tallies: Tallies | None = None,
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
        # Where what it is sent is counted.
        self.taking = queue.unclaimed() if tallies is None else tallies.of(queue)
        # The subscriber's own note on this consumer, for example an encoded form of its tag.
        self.scratch: Any = None

    def room(self) -> int:
        """How many messages it may be sent now."""
        if not self.subscriber.writable:
            return 0
        limit = self.limit
        if not self.settles:
            # It uses nothing of the limit, and yet waits while that is reached, as in RabbitMQ.
            return UNLIMITED if limit is None or not limit.count or limit.used < limit.count else 0
        room = self.prefetch - self.unsettled if self.prefetch else UNLIMITED
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
            self.limit.give_back(count)
        self.queue.touch()


class Turns:
    """The consumers of one queue: highest priority first, equals by turns.

    With `single` only the first of all is served, until it goes; then the highest of those that wait.
    """

    __slots__ = ("_priorities", "_ranks", "all", "single")

    def __init__(self, single: bool = False) -> None:
        self.single = single
        self.all: list[Consumer] = []
        # Consumers by priority; the first of each rank is the next to be served.
        self._ranks: dict[int, deque[Consumer]] = {}
        self._priorities: list[int] = []  # highest first

    def __len__(self) -> int:
        return len(self.all)

    def add(self, consumer: Consumer) -> None:
        self.all.append(consumer)
        rank = self._ranks.get(consumer.priority)
        if rank is None:
            rank = self._ranks[consumer.priority] = deque()
            self._priorities = sorted(self._ranks, reverse=True)
        rank.append(consumer)

    def remove(self, consumer: Consumer) -> None:
        active = self.all[0]
        self.all.remove(consumer)
        if self.single and consumer is active and self.all:
            heir = max(self.all, key=lambda waiting: waiting.priority)  # of equals the first
            self.all.remove(heir)
            self.all.insert(0, heir)
        rank = self._ranks[consumer.priority]
        rank.remove(consumer)
        if not rank:
            del self._ranks[consumer.priority]
            self._priorities.remove(consumer.priority)

    @property
    def exclusive(self) -> bool:
        return bool(self.all) and self.all[0].exclusive

    def active(self, consumer: Consumer) -> bool:
        """Whether it may be sent anything."""
        return not self.single or self.all[0] is consumer

    @property
    def room(self) -> int:
        """How many messages could be handed out now."""
        return sum(max(consumer.room(), 0) for consumer in (self.all[:1] if self.single else self.all))

    def next(self) -> tuple[Consumer, int, int] | None:
        """The consumer whose turn it is, its room, and how many equals share with it; None if nobody has room."""
        if len(self.all) == 1 or (self.single and self.all):
            consumer = self.all[0]
            room = consumer.room()
            return (consumer, room, 1) if room > 0 else None
        for priority in self._priorities:
            rank = self._ranks[priority]
            for _ in range(len(rank)):
                consumer = rank[0]
                rank.rotate(-1)
                room = consumer.room()
                if room > 0:
                    return consumer, room, len(rank)
        return None
