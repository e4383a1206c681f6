"""A queue: runs waiting in order, consumers, and what has been handed out but not settled.

Every message has a position, counted up from 0 over the queue's life. The line (see `line`) knows the order in which
they go out. What a plain queue does not do, such as expire messages or count how often they came back, is in its
`rules`: it has none until a setting or a message asks for that.

What waits is its `backlog`, which a durable queue writes into the journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from menura.core.backlog import Backlog
from menura.core.consumer import Consumer, Turns
from menura.core.dead_letters import REJECTED
from menura.core.definitions import QueueDefinition
from menura.core.errors import AccessRefused
from menura.core.line import Place, Scheduled
from menura.core.paging import Paged
from menura.core.rules import Rules
from menura.core.run import Run
from menura.core.settings import PLAIN, QueueSettings
from menura.core.tallies import NOTHING_TAKEN, Taken, Taking, sum_taken

if TYPE_CHECKING:
    from menura.core.exchange import Arguments, Binding
    from menura.core.ports import Owner
    from menura.core.vhost import VHost

# Consumers take strict turns, message by message, until there is this much work for each of them.
_STRICT_TURNS = 64


class Queue(Backlog):
    """First in, first out. `owner` is the connection an exclusive queue belongs to; `id` is 0 unless it is durable."""

    what: ClassVar[str] = "queue"

    __slots__ = (
        "arguments", "auto_delete", "bindings", "consumers", "discarded", "durable", "gone", "name", "owner",
        "published", "takings", "touched",
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
        super().__init__(vhost, id, vhost.keeper if durable else None)
        self.name = name
        self.durable = durable
        self.auto_delete = auto_delete
        self.owner = owner
        self.arguments = arguments or {}
        self.consumers = Turns(single_active)
        self.bindings: dict[Binding, None] = {}
        self.touched = False
        # Messages put in, and those that were handed out and refused for good, or not taken in time.
        self.published = self.discarded = 0
        # Who takes from it, and what those have that are gone.
        self.takings: dict[Taking, None] = {}
        self.gone = NOTHING_TAKEN

    # -- what is counted -------------------------------------------------------------------------------------

    def taken(self) -> Taken:
        """What was handed out, and acknowledged."""
        return sum_taken(self.takings, self.gone)

    def forget_taking(self, taking: Taking) -> None:
        """Who took from it is gone."""
        del self.takings[taking]
        self.gone += taking.sum()
        taking.let_go()

    def unclaimed(self) -> Taking:
        """What those take who count nothing themselves."""
        for taking in self.takings:
            if taking.by is None:
                return taking
        taking = Taking(self)
        self.takings[taking] = None
        return taking

    def close(self) -> None:
        """The queue is gone: keep what was counted, and let nobody count any more."""
        for taking in list(self.takings):
            if taking.by is not None:
                taking.by.forget_queue(taking)
            self.forget_taking(taking)

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
        self.vhost.memory.weigh_singles(count)
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
        consumer = turn[0]
        if consumer.settles:
            consumer.taking.deliver += count
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
            consumer.taking.deliver_no_ack += count
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
            if not redelivered and self._keeper is not None and run.persistent:
                self._keeper.journal.delivered(self.id, position + taken_count)
            self.ready_count -= taken_count
            self.ready_bytes -= run.size_bytes
            self.unsettled_count += taken_count
            self.unsettled_bytes += run.size_bytes
            if self.rules is not None:
                self.rules.taken(position, run, redelivered)
            return position, run, redelivered
        return None

    def settle(self, position: int, run: Run) -> None:
        """These messages, taken before, are done with."""
        self.unsettled_count -= len(run.contents)
        self.unsettled_bytes -= run.size_bytes
        self.drop(position, run)

    def reject(self, position: int, run: Run) -> None:
        """These messages, taken before, are not wanted by who was to have them."""
        if self.rules is None or not self.alive:
            self.discarded += len(run.contents)
            self.vhost.letters.count(self, REJECTED, len(run.contents))
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
            self.drop(position, run)
            return
        self._line.put_back(position, run, rank)
        self.vhost.memory.weigh_runs(1)
        self.ready_count += count
        self.ready_bytes += run.size_bytes
        if self.rules is not None:
            self.rules.weigh(run, 1)
        self.touch()

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

    def insert(self, place: Place) -> None:
        """Messages that were taken off by `replace` go back to their place."""
        self._weigh_waiting(place.waiting, 1)
        self._line.insert(place)
        self.touch()

    # -- what is kept ----------------------------------------------------------------------------------------

    @property
    def definition(self) -> QueueDefinition | None:
        """What the catalog is to keep of it; None if it does not outlive the process."""
        if self._keeper is None:
            return None
        return QueueDefinition(self.vhost.name, self.name, self.id, self.auto_delete, self.arguments)

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
        taking, count = consumer.taking, len(run.contents)
        if redelivered:
            taking.redeliver += count
        if consumer.settles:
            taking.deliver += count
            consumer.took(count)
            consumer.subscriber.deliver(consumer, position, run, redelivered)
        else:
            taking.deliver_no_ack += count
            consumer.subscriber.deliver(consumer, position, run, redelivered)
            self.settle(position, run)
