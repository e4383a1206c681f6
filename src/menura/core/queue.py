"""A queue: runs waiting in order, consumers, and what has been handed out but not settled.

Every message has a position, counted up from 0 over the queue's life. The line (see `line`) knows the order in which
they go out. What a plain queue does not do, such as expire messages or count how often they came back, is in its
`rules`: it has none until a setting or a message asks for that.

A durable queue writes what it is to keep into the journal, and when too much waits in it, that is where the messages
are (see `paging`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from menura.core.consumer import Consumer, Turns
from menura.core.definitions import QueueDefinition
from menura.core.errors import AccessRefused
from menura.core.line import Entry, Fifo, Line, Mark, Place, Ranked, Scheduled, Waiting
from menura.core.paging import RESIDENT_BYTES_MAX, Paged, read_back, read_singles, read_through
from menura.core.rules import Rules
from menura.core.run import Run
from menura.core.settings import PLAIN, QueueSettings

if TYPE_CHECKING:
    from menura.core.exchange import Arguments, Binding
    from menura.core.ports import Held, Owner
    from menura.core.vhost import VHost

# A run at the head is broken into pieces of this many messages before single messages are taken off it, so
# that taking one costs at most this many pointer copies.
_PIECE = 64
# Consumers take strict turns, message by message, until there is this much work for each of them.
_STRICT_TURNS = 64


class Queue:
    """First in, first out. `owner` is the connection an exclusive queue belongs to; `id` is 0 unless it is durable."""

    what: ClassVar[str] = "queue"

    __slots__ = (
        "_keeper", "_line", "_paged_bytes", "_paged_count", "acknowledged", "alive", "arguments", "auto_delete",
        "bindings", "consumers", "delivered", "durable", "id", "name", "next_position", "owner", "published",
        "ready_bytes", "ready_count", "redelivered", "rules", "touched", "unsettled_bytes", "unsettled_count", "vhost",
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
        self._line: Line = Fifo()
        self.rules: Rules | None = None
        self.ready_count = self.ready_bytes = 0
        self._paged_count = self._paged_bytes = 0  # of those, what is not in memory
        self.unsettled_count = self.unsettled_bytes = 0
        self.published = self.delivered = self.redelivered = self.acknowledged = 0

    # -- messages in, out and back ---------------------------------------------------------------------------

    def enqueue(self, run: Run, rank: int = 0) -> None:
        """Append a run; it is charged to the memory account by the caller where several queues share it.

        Where the queue has `rules`, it is they who call this.
        """
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
            self._page(position, run, rank)
        else:
            if run.shared is None:
                self.vhost.memory.charge(run)
            if self._line.append(position, run, rank):
                self.vhost.memory.weigh_runs(1)
        if not self.touched:
            self.touch()

    def enqueue_apart(self, run: Run, deadlines_ms: Sequence[int]) -> None:
        """Append messages of which each waits for a time of its own, in a queue that has been told to `schedule`."""
        if self._keeper is None or not run.persistent or run.shared is not None:
            for at, deadline_ms in enumerate(deadlines_ms):
                self.enqueue(run.piece(at, at + 1).due(deadline_ms))
            return
        assert isinstance(self._line, Scheduled)
        sizes_bytes = list(map(len, run.contents))
        count = len(sizes_bytes)
        self._line.append_each(self.next_position, sizes_bytes, deadlines_ms)
        self.published += count
        self.next_position += count
        self.ready_count += count
        self.ready_bytes += run.size_bytes
        self._paged_count += count
        self._paged_bytes += run.size_bytes
        self.vhost.memory.weigh_runs(count)
        self.touch()

    def enqueue_ranked(self, run: Run, pieces: Sequence[tuple[int, Run]]) -> bool:
        """`enqueue` a run, by pieces of one rank, behind what waits; not where they have to wait in the journal."""
        if self._keeper is not None and run.persistent and self._crowded():
            return False
        count = len(run.contents)
        position = self.next_position
        self.next_position = position + count
        self.published += count
        self.ready_count += count
        self.ready_bytes += run.size_bytes
        if run.shared is None:
            self.vhost.memory.charge(run)
        self.vhost.memory.weigh_runs(len(pieces))
        append = self._line.append
        for rank, piece in pieces:
            append(position, piece, rank)
            position += len(piece.contents)
        self.touch()
        return True

    def pass_on(self, run: Run) -> bool:
        """`enqueue` a run, of whatever ranks, if a consumer has room for all of it; whether that was so."""
        count = len(run.contents)
        if self.ready_count or not self._pass_on(run, count):
            return False
        self.published += count
        return True

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

    def get(self) -> tuple[int, Run, bool] | None:
        """`take` one message for somebody who is not a consumer."""
        if self.rules is not None:
            self.rules.used()
            self.rules.expire()
        return self.take(1)

    def take(self, count: int) -> tuple[int, Run, bool] | None:
        """Up to `count` (at least 1) messages that stand together, from the front.

        They are off the queue but not settled: (position of the first, messages, whether delivered before). None if
        there are none.
        """
        while self.ready_count:
            position, run, redelivered, rank = self._line.pop()
            if isinstance(run, Paged):
                self._read_back(Place(position, run, redelivered, rank))
                continue
            if len(run.contents) > count:
                run = self._take_part(position, run, count, redelivered, rank)
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
            if self.rules is not None:
                self.rules.weigh(run, -1)
            return position, run, redelivered
        return None

    def _take_part(self, position: int, run: Run, count: int, redelivered: bool, rank: int) -> Run:
        """The first `count` messages of a longer run; the others go back to the front."""
        pieces = run.split(count, _PIECE)
        entries: list[Entry] = [(position + count, pieces[1])]
        if len(pieces) > 2:
            entries.append((position + count + len(pieces[1].contents), pieces[2]))
            self.vhost.memory.weigh_runs(1)
        self._line.put_front(entries, redelivered, rank)
        return pieces[0]

    def settle(self, position: int, run: Run) -> None:
        """These messages, taken before, are done with."""
        count = len(run.contents)
        self.unsettled_count -= count
        self.unsettled_bytes -= run.size_bytes
        self.acknowledged += count
        self._forget(position, run)

    def reject(self, position: int, run: Run) -> None:
        """These messages, taken before, are not wanted by who was to have them."""
        if self.rules is None or not self.alive:
            self.settle(position, run)
        else:
            self.rules.reject(position, run)

    def requeue(self, position: int, run: Run, failed: bool = False) -> None:
        """These messages, taken before, go back to their place; `failed`: somebody has tried them and could not."""
        if self.rules is not None and self.alive:
            self.rules.returned(position, run, failed)
        else:
            self.put_back(position, run)

    def put_back(self, position: int, run: Run, rank: int = 0) -> None:
        """`requeue`, whatever the rules say."""
        count = len(run.contents)
        self.unsettled_count -= count
        self.unsettled_bytes -= run.size_bytes
        if not self.alive:
            self._forget(position, run)
            return
        self._line.put_back(position, run, rank)
        self.vhost.memory.weigh_runs(1)
        self.ready_count += count
        self.ready_bytes += run.size_bytes
        if self.rules is not None:
            self.rules.weigh(run, 1)
        self.touch()

    def purge(self) -> int:
        """Drop everything that waits; what is handed out stays. The number dropped."""
        count = self.ready_count
        self.vhost.memory.weigh_runs(-len(self._line))
        for place in self._line:
            if isinstance(place.waiting, Paged):
                self._settled(place.position, place.waiting.count)
            else:
                self._forget(place.position, place.waiting)
        self._line.clear()
        self.ready_count = self.ready_bytes = self._paged_count = self._paged_bytes = 0
        if self.rules is not None:
            self.rules.body_bytes = 0
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

    # -- rules -----------------------------------------------------------------------------------------------

    def configure(self, settings: QueueSettings) -> None:
        """Follow these settings from now on, also with what waits already."""
        if self.rules is None:
            if settings == PLAIN:
                return
            self.rules = Rules(self)
        self.rules.configure(settings)

    def rule(self) -> Rules:
        """The rules, made now if there are none."""
        if self.rules is None:
            self.rules = Rules(self)
        return self.rules

    def schedule(self, rules: Rules) -> None:
        """Be a queue, empty as yet, whose messages wait for a time of their own."""
        self._line = Scheduled()
        self.rules = rules

    def used(self) -> None:
        """Somebody asks for the queue, not only for its messages."""
        if self.rules is not None:
            self.rules.used()

    def rank(self) -> None:
        """From now on keep an order of ranks, and find what is due wherever it stands."""
        if isinstance(self._line, Fifo):
            self._line = Ranked(iter(self._line))

    @property
    def ranked(self) -> bool:
        return isinstance(self._line, Ranked)

    @property
    def next_deadline_ms(self) -> int:
        """When a message that waits is due, or has to be looked at; 0: never."""
        return self._line.next_deadline_ms

    def take_due(self, now_ms: int) -> tuple[int, Run] | None:
        """Take off messages that are due, to be handed to `drop`; None if there are none."""
        while (place := self._line.take_due(now_ms)) is not None:
            if isinstance(place.waiting, Paged):
                self._read_back(place)
            else:
                self._taken_off(place.waiting)
                return place.position, place.waiting
        return None

    def take_all_due(self, now_ms: int, most: int) -> list[tuple[int, Run]]:
        """`take_due`, up to `most` entries, in the order in which they are due; for a line of single messages."""
        places: list[Place] = []
        while len(places) < most and (place := self._line.take_due(now_ms)) is not None:
            places.append(place)
        found = self._read_singles([place for place in places if isinstance(place.waiting, Paged)])
        taken: list[tuple[int, Run]] = []
        for place in places:
            run = found.get(place.position) if isinstance(place.waiting, Paged) else place.waiting
            if run is None:
                self.vhost.memory.weigh_runs(-1)
                self.ready_count -= 1
                self._settled(place.position, 1)
            else:
                self._taken_off(run)
                taken.append((place.position, run))
        return taken

    def _read_singles(self, places: Sequence[Place]) -> dict[int, Run]:
        """Bring messages that were taken off into memory, by their positions; all but what the disk has lost."""
        if not places:
            return {}
        assert self._keeper is not None
        runs = dict(read_singles(self._keeper, self.id, sorted(place.position for place in places)))
        for place in places:
            run = runs.get(place.position)
            self._paged_count -= 1
            self._paged_bytes -= place.waiting.size_bytes
            self.ready_bytes -= place.waiting.size_bytes
            if run is not None:
                self.vhost.memory.charge(run)
                self.ready_bytes += run.size_bytes
        return runs

    def take_first(self, count: int) -> tuple[int, Run] | None:
        """Take up to `count` messages off the front, to be handed to `drop`; None if there are none."""
        while self.ready_count:
            position, run, redelivered, rank = self._line.pop()
            if isinstance(run, Paged):
                self._read_back(Place(position, run, redelivered, rank))
                continue
            if len(run.contents) > count:
                run = self._take_part(position, run, count, redelivered, rank)
                self.vhost.memory.weigh_runs(1)
            self._taken_off(run)
            return position, run
        return None

    def _taken_off(self, run: Run) -> None:
        self.vhost.memory.weigh_runs(-1)
        self.ready_count -= len(run.contents)
        self.ready_bytes -= run.size_bytes
        if self.rules is not None:
            self.rules.weigh(run, -1)

    def hold(self, run: Run) -> None:
        """Messages that waited, and were taken off, are in somebody's hands."""
        self.unsettled_count += len(run.contents)
        self.unsettled_bytes += run.size_bytes

    def drop(self, position: int, run: Run) -> None:
        """Forget messages that waited, and were taken off for good."""
        self._forget(position, run)

    def exchange(self, run: Run, content: bytes) -> Run:
        """A run of one message that was taken before, with other content; the journal keeps what it has."""
        self.vhost.memory.release(run)
        size_bytes = len(content)
        changed = Run(run.route, [content], size_bytes, size_bytes, run.persistent, None, run.deadline_ms)
        self.vhost.memory.charge(changed)
        self.unsettled_bytes += size_bytes - run.size_bytes
        return changed

    @property
    def places(self) -> Iterator[Place]:
        """What waits, in order."""
        return iter(self._line)

    # -- what waits, wherever it stands -----------------------------------------------------------------------

    def after(self, mark: Mark, most: int) -> list[Place]:
        """Up to `most` entries, in order, with messages that stand behind a mark."""
        return self._line.after(mark, most)

    def order(self, place: Place) -> int:
        """The first part of the marks of its messages."""
        return self._line.order(place)

    def read(self, paged: Paged, first: int, count: int) -> list[tuple[int, Run]]:
        """Messages of an entry that is in the journal alone; they stay there. What the disk has lost is missing."""
        assert self._keeper is not None
        return read_back(self._keeper, self.id, first, count, self._deadline_of(paged))

    def replace(self, places: Sequence[Place], rest: Mapping[int, Sequence[Entry]]) -> None:
        """Put what is left of entries, by their positions, in their place; what is not is the caller's."""
        for place in places:
            self._weigh_waiting(place.waiting, -1)
        for entries in rest.values():
            for _, waiting in entries:
                self._weigh_waiting(waiting, 1)
        self._line.replace(rest)

    def insert(self, place: Place) -> None:
        """Messages that were taken off by `replace` go back to their place."""
        self._weigh_waiting(place.waiting, 1)
        self._line.insert(place)
        self.touch()

    def _weigh_waiting(self, waiting: Waiting, sign: int) -> None:
        """An entry is to wait no longer (-1), or from now on (1)."""
        count, size_bytes = sign * len(waiting), sign * waiting.size_bytes
        self.vhost.memory.weigh_runs(sign)
        self.ready_count += count
        self.ready_bytes += size_bytes
        if isinstance(waiting, Paged):
            self._paged_count += count
            self._paged_bytes += size_bytes

    def resident_runs(self) -> Iterator[Run]:
        """What waits, as far as it is in memory."""
        return (place.waiting for place in self._line if isinstance(place.waiting, Run))

    def read_all(self) -> Iterator[tuple[int, Run]]:
        """What waits, wherever it is; it stays there."""
        for position, waiting, *_ in self._line:
            if isinstance(waiting, Run):
                yield position, waiting
            elif self._keeper is not None:
                yield from read_through(self._keeper, self.id, position, waiting)

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
                    self._recover(start, Paged(stop - start, share_bytes), start < held.delivered)
        self.vhost.memory.weigh_runs(len(self._line))
        self.ready_count, self.ready_bytes = self._paged_count, self._paged_bytes
        if self.rules is not None:
            self.rules.begin()

    def _recover(self, position: int, paged: Paged, redelivered: bool) -> None:
        rules = self.rules
        if rules is None:
            places = [Place(position, paged, redelivered, 0)]
        else:
            assert self._keeper is not None
            places = rules.recovered(self._keeper.journal, position, paged, redelivered)
        for place in places:
            assert isinstance(place.waiting, Paged)
            self._paged_count += len(place.waiting)
            self._paged_bytes += place.waiting.size_bytes
            if redelivered:
                self._line.put_back(place.position, place.waiting, place.rank)
            else:
                self._line.append_paged(place.position, place.waiting, place.rank)

    def _crowded(self) -> bool:
        """Whether what comes now should wait in the journal alone: there is too much, or such already."""
        return (
            self._paged_count > 0
            or (self.rules is not None and self.rules.pages)
            or self.ready_bytes - self._paged_bytes > RESIDENT_BYTES_MAX
            or self.vhost.memory.used_bytes > self.vhost.memory.scarce_bytes
        )

    def _page(self, position: int, run: Run, rank: int) -> None:
        """Keep only the number of these messages, behind all others."""
        count = len(run.contents)
        self._paged_count += count
        self._paged_bytes += run.size_bytes
        if self._line.append_paged(position, Paged(count, run.size_bytes, run.deadline_ms), rank):
            self.vhost.memory.weigh_runs(1)

    def _read_back(self, place: Place) -> None:
        """Bring the first of what was taken off the front into memory, and put all back."""
        assert self._keeper is not None
        position, paged, redelivered, rank = place
        assert isinstance(paged, Paged)
        count = paged.first_part()
        rest = paged.cut(count)
        runs = read_back(self._keeper, self.id, position, count, self._deadline_of(paged))
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
            # What stands behind is due no earlier.
            rest.deadline_ms = runs[-1][1].deadline_ms if runs else rest.deadline_ms
            entries.append((position + count, rest))
        self.vhost.memory.weigh_runs(len(entries) - 1)
        self._line.put_front(entries, redelivered, rank)
        if found_count < count and self.rules is not None:
            self.rules.count_bodies()

    def _deadline_of(self, paged: Paged) -> Callable[[bytes, int], int] | None:
        """What tells the deadlines of messages that are read back; None where they have none.

        Those of a queue that had another time to live when they came follow the new one, but are due no earlier than
        the first of them was.
        """
        rules, least_ms = self.rules, paged.deadline_ms
        if rules is None or rules.pages:
            return None if rules is None else rules.deadline_of
        if not least_ms:
            return None

        def deadline_of(content: bytes, at_ms: int) -> int:
            due_ms = rules.deadline_of(content, at_ms)
            return max(due_ms, least_ms) if due_ms else 0

        return deadline_of

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
        if self.vhost.tracer is not None:
            self.vhost.tracer.watch(consumer)
        self.consumers.add(consumer)
        self.vhost.events.consumer("created", consumer)
        if consumer.limit is not None:
            consumer.limit.consumers[consumer] = None
        self.used()
        self.touch()

    def unsubscribe(self, consumer: Consumer) -> None:
        """Remove a consumer; an auto-delete queue goes with its last one."""
        if consumer.limit is not None:
            consumer.limit.consumers.pop(consumer, None)
        if not self.alive:
            return
        self.consumers.remove(consumer)
        self.vhost.events.consumer("deleted", consumer)
        if self.auto_delete and not len(self.consumers):
            self.vhost.remove_queue(self)
        else:
            self.used()
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
