"""What a queue does beyond keeping messages in order, as its settings say.

Messages come in through `enqueue`, which knows when they are due and how high they rank, and makes room where there is
a limit; `returned` and `reject` decide what becomes of messages that were handed out in vain. Whatever leaves the
queue here for another reason than a consumer goes through `dead_letters`, and has left it in the same moment, for the
disk as well, in which it is wherever it goes.

There is one timer for a queue, set to the next deadline in its line, not one for a message.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, ClassVar

from menura.core import properties
from menura.core.content import PROPERTIES_AT, body_length, properties_of
from menura.core.dead_letters import DELIVERY_LIMIT, EXPIRED, MAXLEN, REJECTED, bury
from menura.core.delivery_counts import counted, delivery_count
from menura.core.kept_counts import KeptCounts, Parked
from menura.core.line import Place
from menura.core.paging import Paged, read_through
from menura.core.run import Run
from menura.core.settings import PLAIN, QueueSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from menura.core.agenda import Entry
    from menura.core.ports import Journal
    from menura.core.queue import Queue

# Deadlines of a whole queue are rounded up to this, so that messages that come soon after one another stay together.
_GRAIN_MS = 16
# About so many messages that are due are seen to at a time; the loop has others to serve.
DUE_MESSAGES_MAX = 1024
# Dead letters that must not be lost and find no queue are tried again after this time.
_BURIAL_AGAIN_MS = 1000


class Rules:
    """The rules of one queue. `settings` are PLAIN where a single message asked for them."""

    pages: ClassVar[bool] = False
    """Whether what the journal has is never kept in memory as well."""

    __slots__ = (
        "_counts", "_lease", "_parked", "_timer", "_timer_ms", "_used_at", "body_bytes", "queue", "settings",
    )  # fmt: skip

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.settings = PLAIN
        self.body_bytes = 0
        """Of the messages that wait; known only where it is limited."""
        self._timer: Entry | None = None
        self._timer_ms = 0
        self._lease: Entry | None = None
        self._used_at = 0.0
        self._counts: KeptCounts | None = None
        self._parked: list[Parked] = []  # a heap

    def configure(self, settings: QueueSettings) -> None:
        """Follow other settings; messages that are in the queue keep their deadlines."""
        queue = self.queue
        before, self.settings = self.settings, settings
        keeper = queue.vhost.keeper if queue.id else None
        if settings.quorum and self._counts is None and keeper is not None:
            # A queue counts or does not as long as it lives, and so has it ranks or not.
            self._counts = KeptCounts(keeper.journal, queue.id, in_order=settings.priority_max is None)
        if settings.priority_max is not None:
            queue.rank()
        elif settings.message_ttl_ms != before.message_ttl_ms and (queue.ready_count or queue.unsettled_count):
            self._mix()
        if before.bytes_max is None:
            self.count_bodies()
        queue.consumers.single = settings.single_active
        queue.vhost.version += 1  # routes remember whether a queue is selective
        if settings.expires_ms != before.expires_ms and self._lease is not None:
            self._lease.cancel()
            self._lease = None
        self.used()
        self._make_room()

    @property
    def selective(self) -> bool:
        """Whether a run that comes has to be looked at."""
        settings = self.settings
        return (
            settings.message_ttl_ms is not None
            or settings.priority_max is not None
            or settings.length_max is not None
            or settings.bytes_max is not None
        )

    # -- messages that come ----------------------------------------------------------------------------------

    def room(self, run: Run) -> int:
        """How many messages of a run, from its front, the queue takes."""
        count = len(run.contents)
        if self.settings.overflow == "drop-head":
            return count
        room = self._room(run, 0)
        if room < count:
            self.queue.dispatch()
            passing = 0 if self.queue.ready_count else self.queue.consumers.room
            room = self._room(run, passing)
        return room

    def _room(self, run: Run, passing: int) -> int:
        """How many there is room for, where the first go on to consumers at once."""
        settings = self.settings
        count = len(run.contents)
        if settings.length_max is not None:
            left_count = settings.length_max - self.queue.ready_count
            count = min(count, left_count + passing) if left_count > 0 else 0
        if settings.bytes_max is not None:
            left_bytes = settings.bytes_max - self.body_bytes
            for number, content in enumerate(run.contents[:count]):
                size_bytes = body_length(content)
                if size_bytes > left_bytes:
                    return number
                if number >= passing:
                    left_bytes -= size_bytes
        return count

    def refuse(self, run: Run) -> None:
        """Messages there was no room for."""
        if self.settings.overflow == "reject-publish-dlx":
            bury(self.queue, run, MAXLEN)
            self.queue.vhost.letters.count(self.queue, MAXLEN, len(run))

    def ordered(self, run: Run) -> Run:
        """A run as it is to be written down: behind what waits, messages of equal rank stand together."""
        if self.settings.priority_max is None or not self.queue.ready_count or len(run.contents) == 1:
            return run
        pieces = [piece for _, piece in self._sorted(run)]
        if len(pieces) == 1:
            return run
        contents = [content for piece in pieces for content in piece.contents]
        return Run.of(run.route, contents, run.persistent, run.deadline_ms, run.shared)

    def enqueue(self, run: Run) -> None:
        """Append a run for which there is room, or will be made (see `taken_in`)."""
        queue, settings = self.queue, self.settings
        if settings.message_ttl_ms is not None:
            due_ms = queue.vhost.agenda.wall_ms + settings.message_ttl_ms
            if settings.message_ttl_ms:
                due_ms += -due_ms % _GRAIN_MS
            if not run.deadline_ms or due_ms < run.deadline_ms:
                run = run.due(due_ms)
            else:
                self._mix()
        elif run.deadline_ms:
            self._mix()
        first = queue.next_position
        if settings.priority_max is not None and queue.pass_on(run):
            self._passed_on(first, run)
            return
        pieces = list(self._by_rank(run) if queue.id and run.persistent else self._sorted(run))
        if queue.ready_count and len(pieces) > 1 and queue.enqueue_ranked(run, pieces):
            self.weigh(run, 1)
            if run.deadline_ms:
                self.due(run.deadline_ms)
            return
        waits = False
        for rank, piece in pieces:
            before, first = queue.ready_count, queue.next_position
            queue.enqueue(piece, rank)
            if queue.ready_count != before:
                waits = True
                self.weigh(piece, 1)
            else:
                self._passed_on(first, piece)
        if waits and run.deadline_ms:
            self.due(run.deadline_ms)

    def _passed_on(self, position: int, run: Run) -> None:
        """Messages went to a consumer without having waited."""
        if self._counts is not None:
            self._counts.handed_out(position, run, again=False)

    def taken_in(self) -> None:
        """Messages have come, here and wherever else they went; there may be more now than allowed."""
        if self._excess:
            self.queue.dispatch()  # what somebody can have is not in the way
            self._make_room()

    def due(self, deadline_ms: int) -> None:
        """Something is due then."""
        if self._timer is None or deadline_ms < self._timer_ms:
            self._arm()

    def _mix(self) -> None:
        """A message may be due before others that came earlier."""
        if not self.queue.ranked:
            self.queue.rank()
            if self.queue.id:
                self.queue.vhost.note_ranked(self.queue)

    def _by_rank(self, run: Run) -> Iterator[tuple[int, Run]]:
        """Pieces of equal rank, in order."""
        if self.settings.priority_max is None:
            yield 0, run
            return
        start = 0
        ranks = list(map(self._rank, run.contents))
        for stop in range(1, len(ranks) + 1):
            if stop == len(ranks) or ranks[stop] != ranks[start]:
                yield ranks[start], run if stop - start == len(ranks) else run.piece(start, stop)
                start = stop

    def _sorted(self, run: Run) -> Iterator[tuple[int, Run]]:
        """The same, those of equal rank together, as far as nobody waits for them: for a run that is not written down,
        or not yet."""
        if self.settings.priority_max is None or not self.queue.ready_count:
            yield from self._by_rank(run)
            return
        equals: dict[int, list[bytes]] = {}
        for content in run.contents:
            equals.setdefault(self._rank(content), []).append(content)
        for rank, contents in equals.items():
            yield rank, Run.of(run.route, contents, run.persistent, run.deadline_ms, run.shared)

    def _rank(self, content: bytes) -> int:
        assert self.settings.priority_max is not None
        flags = content[PROPERTIES_AT] << 8 | content[PROPERTIES_AT + 1]
        if not flags & properties.PRIORITY:
            return 0
        if flags & properties.BEFORE_PRIORITY:
            priority = properties.priority(properties_of(content)) or 0
        else:  # nothing but the delivery mode may stand before it
            priority = content[PROPERTIES_AT + 2 + (flags >> 12 & 1)]
        return priority if priority < self.settings.priority_max else self.settings.priority_max

    @property
    def _excess(self) -> int:
        """How many messages, at least, are more than allowed."""
        queue, settings = self.queue, self.settings
        if settings.length_max is not None and queue.ready_count > settings.length_max:
            return queue.ready_count - settings.length_max
        return 1 if settings.bytes_max is not None and self.body_bytes > settings.bytes_max and queue.ready_count else 0

    def _make_room(self) -> None:
        """Drop messages from the front while there are more than allowed."""
        queue = self.queue
        if self.settings.overflow != "drop-head":
            return
        while (excess := self._excess) and (first := queue.take_first(excess)) is not None:
            with queue.vhost.together():
                self._dispose(*first, MAXLEN)

    def _dispose(self, position: int, run: Run, reason: str) -> None:
        """Messages that waited until now leave the queue."""
        for at, piece in self._apart(position, run):
            if self._buried(self.queue.drop, at, piece, reason):
                continue
            self.queue.hold(piece)
            self._park(at, piece, self._wall_ms + _BURIAL_AGAIN_MS, reason)

    def _bury(self, position: int, run: Run, reason: str) -> None:
        """Messages that were handed out leave the queue, together with their burial."""
        with self.queue.vhost.together():
            for at, piece in self._apart(position, run):
                if self._buried(self.queue.settle, at, piece, reason):
                    self.queue.discarded += len(piece)
                else:
                    self._park(at, piece, self._wall_ms + _BURIAL_AGAIN_MS, reason)

    def _apart(self, position: int, run: Run) -> Iterator[tuple[int, Run]]:
        """Each by itself, where some may have to be buried again and others not."""
        if not self.settings.dead_letters_certain:
            yield position, run
            return
        for at in range(len(run)):
            yield position + at, run.piece(at, at + 1)

    def _buried(self, forget: Callable[[int, Run], None], position: int, run: Run, reason: str) -> bool:
        """Whether messages have left the queue: not, where their letters must find a place and have not."""
        gone = True
        try:
            gone = bury(self.queue, run, reason) or not self.settings.dead_letters_certain
        finally:
            if gone:
                forget(position, run)
                self.queue.vhost.letters.count(self.queue, reason, len(run))
        return gone

    def leave(self, position: int, run: Run) -> None:
        """Messages that were due, and are off the line."""
        self._dispose(position, run, EXPIRED)

    # -- messages that go and come back ----------------------------------------------------------------------

    def weigh(self, run: Run, sign: int) -> None:
        """A run that waited does so no longer (-1), or again (1)."""
        if self.settings.bytes_max is not None:
            self.body_bytes += sign * _body_bytes(run)

    def taken(self, position: int, run: Run, redelivered: bool) -> None:
        """Messages that waited are being handed out."""
        self.weigh(run, -1)
        if self._counts is not None:
            self._counts.handed_out(position, run, redelivered)

    def reject(self, position: int, run: Run) -> None:
        """A consumer wants to see these messages never again."""
        self._bury(position, run, REJECTED)

    def returned(self, position: int, run: Run, failed: bool) -> None:
        """A consumer gave these messages back because it `failed`, or has gone."""
        settings = self.settings
        if run.deadline_ms and run.deadline_ms <= self.queue.vhost.agenda.wall_ms:
            self._bury(position, run, EXPIRED)
        elif settings.quorum or settings.priority_max is not None or settings.retry:
            for at in range(len(run.contents)):
                self._return_one(position + at, run.piece(at, at + 1), failed)
        else:
            self.queue.put_back(position, run)
        self._make_room()
        if run.deadline_ms:
            self._arm()

    def _return_one(self, position: int, run: Run, failed: bool) -> None:
        settings, queue = self.settings, self.queue
        if settings.quorum:
            count = delivery_count(run.contents[0]) + 1
            if settings.delivery_limit is not None and count > settings.delivery_limit:
                self._bury(position, run, DELIVERY_LIMIT)
                return
            run = queue.exchange(run, counted(run.contents[0], count))
            wait_ms = settings.retry_wait_ms(count, failed)
            if wait_ms is not None:
                due_ms = self._wall_ms + wait_ms
                if self._counts is not None:
                    self._counts.set_aside(position, run, due_ms)
                self._park(position, run, due_ms)
                return
        self._put_back(position, run)

    def _put_back(self, position: int, run: Run) -> None:
        """One message, or such as have no rank, go to their place."""
        ranked = self.settings.priority_max is not None
        self.queue.put_back(position, run, self._rank(run.contents[0]) if ranked else 0)

    def _park(self, position: int, run: Run, due_ms: int, reason: str = "") -> None:
        """Set messages aside until then; meanwhile they are in nobody's hands but ours."""
        heapq.heappush(self._parked, (due_ms, position, run, reason))
        self.due(due_ms)

    def purge(self) -> None:
        """The queue has been deleted, and with it what was set aside."""
        for entry in (self._timer, self._lease):
            if entry is not None:
                entry.cancel()
        parked, self._parked = self._parked, []
        for _, position, run, _ in parked:
            self.queue.settle(position, run)

    # -- time ------------------------------------------------------------------------------------------------

    @property
    def _wall_ms(self) -> int:
        return self.queue.vhost.agenda.wall_ms

    def deadline_of(self, content: bytes, at_ms: int) -> int:
        """When a message is due that the journal took at `at_ms`; 0: it does not know."""
        ttl_ms = self.settings.message_ttl_ms
        own_ms = properties.expiration_ms(properties_of(content))
        if own_ms is not None:
            ttl_ms = own_ms if ttl_ms is None else min(own_ms, ttl_ms)
        return 0 if ttl_ms is None else (at_ms or self.queue.vhost.agenda.wall_ms) + ttl_ms

    def recovered(self, journal: Journal, position: int, paged: Paged, redelivered: bool) -> list[Place]:
        """Where messages stand that a journal has from a position on.

        In a ranked line each is looked at for its rank and its time; otherwise the first is once it is in front.
        """
        entries = [(position, paged)]
        if redelivered and self._counts is not None:
            entries = self._come_back(self._counts, position, paged)
        if not self.queue.ranked:
            for _, entry in entries:
                entry.deadline_ms = 1 if self.settings.message_ttl_ms is not None else 0
            return [Place(at, entry, redelivered, 0) for at, entry in entries]
        places: list[Place] = []
        for at, entry in entries:
            for first, run in read_through(journal, self.queue.id, at, entry, self.deadline_of):
                for rank, piece in self._by_rank(run):
                    waiting = Paged(len(piece), piece.size_bytes, piece.deadline_ms)
                    places.append(Place(first, waiting, redelivered, rank))
                    first += len(piece)
        return places

    def _come_back(self, counts: KeptCounts, position: int, paged: Paged) -> list[tuple[int, Paged]]:
        """Messages that were handed out before a restart come back now; those of them that do not wait any longer."""
        queue = self.queue
        left, parked = counts.come_back(position, paged, self.settings, self._wall_ms, self.deadline_of)
        for due_ms, at, run, reason in parked:
            queue.vhost.memory.charge(run)
            queue.hold(run)
            self._park(at, run, due_ms, reason)
        return left

    def read_back(self, runs: list[tuple[int, Run]], redelivered: bool) -> list[tuple[int, Run]]:
        """Messages as the queue hands them out, from how the journal has them."""
        return runs if self._counts is None or not redelivered else self._counts.recounted(runs)

    def begin(self) -> None:
        """The queue has what a journal had of it."""
        self.count_bodies()
        self._arm()

    def count_bodies(self) -> None:
        """See how much waits, where that is limited; in the journal as well."""
        if self.settings.bytes_max is not None:
            self.body_bytes = sum(_body_bytes(run) for _, run in self.queue.read_all())

    def _arm(self) -> None:
        """Set the timer to what is due first."""
        next_ms = self.queue.next_deadline_ms
        if self._parked and not 0 < next_ms <= self._parked[0][0]:
            next_ms = self._parked[0][0]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if next_ms:
            agenda = self.queue.vhost.agenda
            seconds = max((next_ms - agenda.wall_ms) / 1000, 0)
            self._timer, self._timer_ms = agenda.after(seconds, self._look), next_ms

    def expire(self) -> None:
        """Do at once what the timer would do soon."""
        if self._timer is not None and self._timer_ms <= self.queue.vhost.agenda.wall_ms:
            self._timer.cancel()
            self._look()

    def _look(self) -> None:
        """Something may be due."""
        self._timer = None
        queue = self.queue
        if not queue.alive:
            return
        now_ms = queue.vhost.agenda.wall_ms
        left = DUE_MESSAGES_MAX
        try:
            while left > 0 and self._parked and self._parked[0][0] <= now_ms:
                _, position, run, reason = heapq.heappop(self._parked)
                left -= len(run)
                self._take_back(position, run, reason)
            with queue.vhost.together():
                while left > 0 and (due := queue.take_due(now_ms)) is not None:
                    left -= len(due[1])
                    self.leave(*due)
            self._make_room()
        finally:
            self._arm()

    def _take_back(self, position: int, run: Run, reason: str) -> None:
        """What was set aside has its time behind it."""
        if not reason and 0 < run.deadline_ms <= self.queue.vhost.agenda.wall_ms:
            reason = EXPIRED
        if reason:
            self._bury(position, run, reason)
        else:
            self._put_back(position, run)

    def used(self) -> None:
        """Somebody has declared the queue, or got a message of it, or a consumer has come or gone."""
        if self.settings.expires_ms is None:
            return
        self._used_at = self.queue.vhost.agenda.now
        if self._lease is None:
            self._lease = self.queue.vhost.agenda.after(self.settings.expires_ms / 1000, self._lease_ends)

    def _lease_ends(self) -> None:
        self._lease = None
        queue = self.queue
        expires_ms = self.settings.expires_ms
        if expires_ms is None or not queue.alive:
            return
        agenda = queue.vhost.agenda
        left = self._used_at + expires_ms / 1000 - agenda.now
        if left <= 0 and not len(queue.consumers):
            queue.vhost.remove_queue(queue)
        else:
            self._lease = agenda.after(max(left, expires_ms / 1000 if left <= 0 else 0), self._lease_ends)


def _body_bytes(run: Run) -> int:
    return sum(map(body_length, run.contents))
