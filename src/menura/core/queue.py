"""A queue: runs waiting in order, consumers, and what has been handed out but not settled.

Every message has a position, counted up from 0 over the queue's life. New messages go to the end; messages
that come back (rejected, or their consumer went away) return to the place their position gives them, which is
before everything never handed out: they wait in a heap of their own, and being there is what makes them
`redelivered`.

A durable queue writes what it is to keep into the journal, and when too much waits in it, that is where the messages
are (see `paging`).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from menura.core.consumer import Consumer, Turns
from menura.core.definitions import QueueDefinition
from menura.core.errors import AccessRefused
from menura.core.paging import RESIDENT_BYTES_MAX, Paged, read_back
from menura.core.run import Run

if TYPE_CHECKING:
    from menura.core.exchange import Arguments, Binding
    from menura.core.ports import Held, Owner
    from menura.core.vhost import VHost

# A run at the head is broken into pieces of this many messages before single messages are taken off it, so
# that taking one costs at most this many pointer copies.
_PIECE = 64
# Consumers take strict turns, message by message, until there is this much work for each of them.
_STRICT_TURNS = 64
Entry = tuple[int, Run | Paged]
"""Messages that stand together, and the position of the first of them."""


class Queue:
    """First in, first out. `owner` is the connection an exclusive queue belongs to; `id` is 0 unless it is durable."""

    what: ClassVar[str] = "queue"

    __slots__ = (
        "_back", "_keeper", "_paged_bytes", "_paged_count", "_ready", "acknowledged", "alive", "arguments",
        "auto_delete", "bindings", "consumers", "delivered", "durable", "id", "name", "next_position", "owner",
        "published", "ready_bytes", "ready_count", "redelivered", "touched", "unsettled_bytes", "unsettled_count",
        "vhost",
    )  # fmt: skip

    def __init__(
        self,
        vhost: VHost,
        name: str,
        *,
        id: int = 0,
        durable: bool = False,
        auto_delete: bool = False,
        owner: Owner | None = None,
        arguments: Arguments | None = None,
        single_active: bool = False,
    ) -> None:
        self.vhost = vhost
        self.name = name
        self.id = id
        self._keeper = vhost.keeper if durable else None
        self.durable = durable
        self.auto_delete = auto_delete
        self.owner = owner
        self.arguments = arguments or {}
        self.consumers = Turns(single_active)
        self.bindings: dict[Binding, None] = {}
        self.alive = True
        self.touched = False
        self.next_position = 0
        self._ready: deque[Entry] = deque()
        self._back: list[Entry] = []  # a heap, by position
        self.ready_count = self.ready_bytes = 0
        self._paged_count = self._paged_bytes = 0  # of those, what is not in memory
        self.unsettled_count = self.unsettled_bytes = 0
        self.published = self.delivered = self.redelivered = self.acknowledged = 0

    # -- messages in, out and back ---------------------------------------------------------------------------

    def enqueue(self, run: Run) -> None:
        """Append a run; it is charged to the memory account by the caller where several queues share it."""
        count = len(run.contents)
        self.published += count
        if not self.ready_count and self._pass_on(run, count):
            return
        position = self.next_position
        self.next_position = position + count
        self.ready_count += count
        self.ready_bytes += run.size_bytes
        if self._keeper is not None and run.persistent and self._crowded():
            if run.shared is not None:
                self.vhost.memory.release(run)
            self._page(position, run)
        else:
            if run.shared is None:
                self.vhost.memory.charge(run)
            tail = self._ready[-1][1] if self._ready else None
            if not (isinstance(tail, Run) and tail.absorb(run)):
                self._ready.append((position, run))
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
        position = self.next_position
        self.next_position = position + count
        self.delivered += count
        consumer = turn[0]
        if consumer.settles:
            self.unsettled_count += count
            self.unsettled_bytes += run.size_bytes
            if run.shared is None:
                self.vhost.memory.charge(run)
            if self._keeper is not None and run.persistent:
                self._keeper.journal.delivered(self.id, position + count)
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

    def take(self, count: int) -> tuple[int, Run, bool] | None:
        """Up to `count` (at least 1) messages that stand together, from the front.

        They are off the queue but not settled: (position of the first, messages, whether delivered before). None if
        there are none.
        """
        while self.ready_count:
            redelivered = bool(self._back)
            position, run = heapq.heappop(self._back) if redelivered else self._ready.popleft()
            if isinstance(run, Paged):
                self._read_back(position, run, redelivered)
                continue
            if len(run.contents) > count:
                run = self._take_part(position, run, count, redelivered)
            else:
                self.vhost.memory.weigh_runs(-1)
            taken_count = len(run.contents)
            if redelivered:
                self.redelivered += taken_count
            elif self._keeper is not None and run.persistent:
                self._keeper.journal.delivered(self.id, position + taken_count)
            self.ready_count -= taken_count
            self.ready_bytes -= run.size_bytes
            self.unsettled_count += taken_count
            self.unsettled_bytes += run.size_bytes
            self.delivered += taken_count
            return position, run, redelivered
        return None

    def _take_part(self, position: int, run: Run, count: int, redelivered: bool) -> Run:
        """The first `count` messages of a longer run; the others go back to the front."""
        pieces = run.split(count, _PIECE)
        entries = [(position + count, pieces[1])]
        if len(pieces) > 2:
            entries.append((position + count + len(pieces[1].contents), pieces[2]))
            self.vhost.memory.weigh_runs(1)
        self._put_front(entries, redelivered)
        return pieces[0]

    def _put_front(self, entries: Sequence[Entry], redelivered: bool) -> None:
        if redelivered:
            for entry in entries:
                heapq.heappush(self._back, entry)
        else:
            self._ready.extendleft(reversed(entries))

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
        for position, run in (*self._back, *self._ready):
            if isinstance(run, Paged):
                self._settled(position, run.count)
            else:
                self._forget(position, run)
        self._back.clear()
        self._ready.clear()
        self.ready_count = self.ready_bytes = self._paged_count = self._paged_bytes = 0
        return count

    def _forget(self, position: int, run: Run) -> None:
        self.vhost.memory.release(run)
        self._note_settled(position, run)

    def _note_settled(self, position: int, run: Run) -> None:
        if self._keeper is not None and run.persistent:
            self._settled(position, len(run.contents))

    def _settled(self, position: int, count: int) -> None:
        """What a deleted queue held goes with its definition."""
        if self._keeper is not None and self.alive:
            self._keeper.settle(self.id, position, position + count - 1)

    # -- what is kept ----------------------------------------------------------------------------------------

    @property
    def definition(self) -> QueueDefinition | None:
        """What the catalog is to keep of it; None if it does not outlive the process."""
        if self._keeper is None:
            return None
        return QueueDefinition(self.vhost.name, self.name, self.id, self.auto_delete, self.arguments)

    def recover(self, held: Held) -> None:
        """Begin with what a journal has of the queue."""
        self.next_position = held.next_position
        size_bytes = held.size_bytes
        left = held.message_count
        for first, last in held.ranges:
            for start, stop in ((first, min(last + 1, held.delivered)), (max(first, held.delivered), last + 1)):
                if start < stop:
                    share_bytes = size_bytes * (stop - start) // left
                    size_bytes -= share_bytes
                    left -= stop - start
                    into = self._back if start < held.delivered else self._ready
                    into.append((start, Paged(stop - start, share_bytes)))
        self.vhost.memory.weigh_runs(len(self._back) + len(self._ready))
        self.ready_count = self._paged_count = held.message_count
        self.ready_bytes = self._paged_bytes = held.size_bytes

    def _crowded(self) -> bool:
        """Whether what comes now should wait in the journal alone: there is too much, or such already."""
        return (
            self._paged_count > 0
            or self.ready_bytes - self._paged_bytes > RESIDENT_BYTES_MAX
            or self.vhost.memory.used_bytes > self.vhost.memory.scarce_bytes
        )

    def _page(self, position: int, run: Run) -> None:
        """Keep only the number of these messages, behind all others."""
        count = len(run.contents)
        self._paged_count += count
        self._paged_bytes += run.size_bytes
        if self._ready:
            at, tail = self._ready[-1]
            if isinstance(tail, Paged) and at + tail.count == position:
                tail.count += count
                tail.size_bytes += run.size_bytes
                return
        self._ready.append((position, Paged(count, run.size_bytes)))
        self.vhost.memory.weigh_runs(1)

    def _read_back(self, position: int, paged: Paged, redelivered: bool) -> None:
        """Bring the first of what was taken off the front into memory, and put all back."""
        assert self._keeper is not None
        count = paged.first_part()
        rest = paged.cut(count)
        runs = read_back(self._keeper.journal, self.id, position, count)
        size_bytes = 0
        found_count = 0
        for _, run in runs:
            self.vhost.memory.charge(run)
            size_bytes += run.size_bytes
            found_count += len(run.contents)
        self._paged_count -= count
        self._paged_bytes -= paged.size_bytes
        self.ready_bytes += size_bytes - paged.size_bytes
        if found_count < count:
            self.ready_count -= count - found_count
            self._note_lost(position, count, runs)
        entries: list[Entry] = [*runs]
        if rest is not None:
            entries.append((position + count, rest))
        self.vhost.memory.weigh_runs(len(entries) - 1)
        self._put_front(entries, redelivered)

    def _note_lost(self, position: int, count: int, found: list[tuple[int, Run]]) -> None:
        """What could not be read back is gone for good."""
        end = position + count
        for first, run in (*found, (end, None)):
            if first > position:
                self._settled(position, first - position)
            position = first + (len(run.contents) if run is not None else 0)

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
            taken = self.take(room)
            if taken is not None:
                self._deliver(consumer, *taken)

    def _deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> None:
        if consumer.settles:
            consumer.took(len(run.contents))
            consumer.subscriber.deliver(consumer, position, run, redelivered)
        else:
            consumer.subscriber.deliver(consumer, position, run, redelivered)
            self.settle(position, run)
