"""A queue: runs waiting in order, consumers, and what has been handed out but not settled.

Every message has a position, counted up from 0 over the queue's life. New messages go to the end; messages
that come back (rejected, or their consumer went away) return to the place their position gives them, which is
before everything never handed out: they wait in a heap of their own, and being there is what makes them
`redelivered`.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, ClassVar

from menura.core.consumer import Consumer, Turns
from menura.core.errors import AccessRefused
from menura.core.ports import Settled

if TYPE_CHECKING:
    from menura.core.exchange import Arguments, Binding
    from menura.core.ports import Owner
    from menura.core.run import Run
    from menura.core.vhost import VHost

# A run at the head is broken into pieces of this many messages before single messages are taken off it, so
# that taking one costs at most this many pointer copies.
_PIECE = 64
# Consumers take strict turns, message by message, until there is this much work for each of them.
_STRICT_TURNS = 64


class Queue:
    """First in, first out. `owner` is the connection an exclusive queue belongs to."""

    what: ClassVar[str] = "queue"

    __slots__ = (
        "_back", "_head", "_ready", "acknowledged", "alive", "arguments", "auto_delete",
        "bindings", "consumers", "delivered", "durable", "name", "next_position", "owner",
        "published", "ready_bytes", "ready_count", "redelivered", "touched", "unsettled_bytes",
        "unsettled_count", "vhost",
    )  # fmt: skip

    def __init__(
        self,
        vhost: VHost,
        name: str,
        *,
        durable: bool = False,
        auto_delete: bool = False,
        owner: Owner | None = None,
        arguments: Arguments | None = None,
        single_active: bool = False,
    ) -> None:
        self.vhost = vhost
        self.name = name
        self.durable = durable
        self.auto_delete = auto_delete
        self.owner = owner
        self.arguments = arguments or {}
        self.consumers = Turns(single_active)
        self.bindings: dict[Binding, None] = {}
        self.alive = True
        self.touched = False
        self.next_position = 0
        self._ready: deque[Run] = deque()
        self._head = 0  # position of the first message of _ready
        self._back: list[tuple[int, Run]] = []  # a heap, by position
        self.ready_count = self.ready_bytes = 0
        self.unsettled_count = self.unsettled_bytes = 0
        self.published = self.delivered = self.redelivered = self.acknowledged = 0

    # -- messages in, out and back ---------------------------------------------------------------------------

    def enqueue(self, run: Run) -> None:
        """Append a run; it is charged to the memory account by the caller where several queues share it."""
        count = len(run.contents)
        self.published += count
        if not self.ready_count and self._pass_on(run, count):
            return
        if run.shared is None:
            self.vhost.memory.charge(run)
        self.next_position += count
        self.ready_count += count
        self.ready_bytes += run.size_bytes
        if not (self._ready and self._ready[-1].absorb(run)):
            self._ready.append(run)
            self.vhost.memory.weigh_runs(1)
        if not self.touched:
            self.touch()

    def _pass_on(self, run: Run, count: int) -> bool:
        """Hand a run to a consumer without keeping it, where nothing waits and one has room for all of it."""
        consumers = len(self.consumers)
        if not consumers or (count > 1 and consumers > 1):
            return False
        turn = self.consumers.next()
        if turn is None or turn[1] < count:
            return False
        position = self._head
        self.next_position = self._head = position + count
        self.delivered += count
        consumer = turn[0]
        if consumer.settles:
            self.unsettled_count += count
            self.unsettled_bytes += run.size_bytes
            if run.shared is None:
                self.vhost.memory.charge(run)
            consumer.took(count)
            consumer.subscriber.deliver(consumer, position, run, False)
        else:
            # Neither kept nor weighed: it is the subscriber's at once.
            self.acknowledged += count
            if run.shared is not None:
                self.vhost.memory.release(run)
            self._note_settled(position, run)
            consumer.subscriber.deliver(consumer, position, run, False)
        return True

    def touch(self) -> None:
        """Ask for a `dispatch` soon: there may be both messages and room now."""
        if not self.touched and self.alive:
            self.touched = True
            self.vhost.touched.append(self)

    def take(self, count: int) -> tuple[int, Run, bool]:
        """Up to `count` (at least 1) messages that stand together, from the front of a queue that is not empty.

        They are off the queue but not settled: (position of the first, messages, whether delivered before).
        """
        if self._back:
            position, run = heapq.heappop(self._back)
            pieces = run.split(count, _PIECE)
            run = pieces.pop(0)
            at = position + len(run.contents)
            for piece in pieces:
                heapq.heappush(self._back, (at, piece))
                at += len(piece.contents)
            redelivered = True
            self.redelivered += len(run.contents)
        else:
            run = self._ready.popleft()
            pieces = run.split(count, _PIECE)
            run = pieces.pop(0)
            self._ready.extendleft(reversed(pieces))
            redelivered = False
            position = self._head
            self._head += len(run.contents)
        self.vhost.memory.weigh_runs(len(pieces) - 1)
        taken_count = len(run.contents)
        self.ready_count -= taken_count
        self.ready_bytes -= run.size_bytes
        self.unsettled_count += taken_count
        self.unsettled_bytes += run.size_bytes
        self.delivered += taken_count
        return position, run, redelivered

    def settle(self, position: int, run: Run) -> None:
        """These messages, taken before, are done with."""
        count = len(run.contents)
        self.unsettled_count -= count
        self.unsettled_bytes -= run.size_bytes
        self.acknowledged += count
        self._forget(position, run)

    def requeue(self, position: int, run: Run) -> None:
        """These messages, taken before, go back to their place."""
        count = len(run.contents)
        self.unsettled_count -= count
        self.unsettled_bytes -= run.size_bytes
        if not self.alive:
            self._forget(position, run)
            return
        heapq.heappush(self._back, (position, run))
        self.vhost.memory.weigh_runs(1)
        self.ready_count += count
        self.ready_bytes += run.size_bytes
        self.touch()

    def purge(self) -> int:
        """Drop everything that waits; what is handed out stays. The number dropped."""
        count = self.ready_count
        self.vhost.memory.weigh_runs(-len(self._back) - len(self._ready))
        while self._back:
            self._forget(*heapq.heappop(self._back))
        for run in self._ready:
            self._forget(self._head, run)
            self._head += len(run.contents)
        self._ready.clear()
        self.ready_count = self.ready_bytes = 0
        return count

    def _forget(self, position: int, run: Run) -> None:
        self.vhost.memory.release(run)
        self._note_settled(position, run)

    def _note_settled(self, position: int, run: Run) -> None:
        journal = self.vhost.journal
        if journal is not None and run.persistent and self.durable and self.alive:
            journal.append(self.vhost.name, Settled(self.name, position, position + len(run.contents) - 1))

    # -- consumers -------------------------------------------------------------------------------------------

    def subscribe(self, consumer: Consumer) -> None:
        """Add a consumer; refused where one has, or wants, the queue for itself."""
        if (
            self.consumers.exclusive
            or (consumer.exclusive and len(self.consumers))
            or (consumer.exclusive and self.consumers.single)
        ):
            raise AccessRefused(f"queue '{self.name}' in vhost '{self.vhost.name}' in exclusive use")
        self.consumers.add(consumer)
        if consumer.limit is not None:
            consumer.limit.consumers[consumer] = None
        self.touch()

    def unsubscribe(self, consumer: Consumer) -> None:
        """Remove a consumer; an auto-delete queue goes with its last one."""
        if consumer.limit is not None:
            consumer.limit.consumers.pop(consumer, None)
        if not self.alive:
            return
        self.consumers.remove(consumer)
        if self.auto_delete and not len(self.consumers):
            self.vhost.remove_queue(self)
        else:
            self.touch()

    def dispatch(self) -> None:
        """Hand out messages for as long as there are some and somebody has room."""
        self.touched = False
        while self.ready_count:
            turn = self.consumers.next()
            if turn is None:
                return
            consumer, room, equals = turn
            if equals > 1:
                room = min(room, 1 + self.ready_count // (_STRICT_TURNS * equals))
            self._deliver(consumer, *self.take(room))

    def _deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> None:
        if consumer.settles:
            consumer.took(len(run.contents))
            consumer.subscriber.deliver(consumer, position, run, redelivered)
        else:
            consumer.subscriber.deliver(consumer, position, run, redelivered)
            self.settle(position, run)
