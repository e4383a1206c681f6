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
from menura.core.content import body_length, properties_of
from menura.core.dead_letters import DELIVERY_LIMIT, EXPIRED, MAXLEN, REJECTED, bury
from menura.core.delivery_counts import counted, delivery_count
from menura.core.line import Place
from menura.core.paging import Paged, read_back
from menura.core.run import Run
from menura.core.settings import PLAIN, QueueSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from menura.core.agenda import Entry
    from menura.core.ports import Journal
    from menura.core.queue import Queue

# Deadlines of a whole queue are rounded up to this, so that messages that come soon after one another stay together.
_GRAIN_MS = 16
# Runs that are due are seen to at most so many at a time; the loop has others to serve.
_DUE_RUNS_MAX = 256
# Dead letters that must not be lost and find no queue are tried again after this time.
_BURIAL_AGAIN_MS = 1000


class Rules:
    """The rules of one queue. `settings` are PLAIN where a single message asked for them."""

    pages: ClassVar[bool] = False
    """Whether what the journal has is never kept in memory as well."""

    __slots__ = ("_lease", "_parked", "_timer", "_timer_ms", "_used_at", "body_bytes", "queue", "settings")

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.settings = PLAIN
        self.body_bytes = 0
        """Of the messages that wait; known only where it is limited."""
        self._timer: Entry | None = None
        self._timer_ms = 0
        self._lease: Entry | None = None
        self._used_at = 0.0
        # A heap of what is set aside: until when, position, messages, and why they are to be buried, if they are.
        self._parked: list[tuple[int, int, Run, str]] = []

    def configure(self, settings: QueueSettings) -> None:
        """Follow other settings; messages that are in the queue keep their deadlines."""
        queue = self.queue
        before, self.settings = self.settings, settings
        if settings.priority_max is not None:
            queue.rank()
        elif settings.message_ttl_ms != before.message_ttl_ms and queue.ready_count:
            self._mix()
        if settings.bytes_max is not None and before.bytes_max is None:
            self.body_bytes = sum(map(_body_bytes, queue.resident_runs()))
        queue.consumers.single = settings.single_active
        queue.vhost.version += 1  # routes remember whether a queue is selective
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
        settings = self.settings
        count = len(run.contents)
        if settings.overflow == "drop-head":
            return count
        if settings.length_max is not None:
            count = min(count, max(settings.length_max - self.queue.ready_count, 0))
        if settings.bytes_max is not None:
            left_bytes = settings.bytes_max - self.body_bytes
            for number, content in enumerate(run.contents[:count]):
                left_bytes -= body_length(content)
                if left_bytes < 0:
                    return number
        return count

    def refuse(self, run: Run) -> None:
        """Messages there was no room for."""
        if self.settings.overflow == "reject-publish-dlx":
            bury(self.queue, run, MAXLEN)

    def enqueue(self, run: Run) -> None:
        """Append a run for which there is room."""
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
        before = queue.ready_count
        for rank, piece in self._by_rank(run):
            queue.enqueue(piece, rank)
        if queue.ready_count == before:
            return
        if settings.bytes_max is not None:
            self.body_bytes += _body_bytes(run)
        self._make_room()
        if run.deadline_ms:
            self.due(run.deadline_ms)

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

    def _rank(self, content: bytes) -> int:
        assert self.settings.priority_max is not None
        return min(properties.priority(properties_of(content)) or 0, self.settings.priority_max)

    def _make_room(self) -> None:
        """Drop messages from the front while there are more than allowed."""
        queue, settings = self.queue, self.settings
        if (settings.length_max is None and settings.bytes_max is None) or settings.overflow != "drop-head":
            return
        if settings.length_max is not None and queue.ready_count > settings.length_max:
            with queue.vhost.together():
                while queue.ready_count > settings.length_max:
                    self._dispose(*queue.take_first(queue.ready_count - settings.length_max), MAXLEN)
        if settings.bytes_max is not None and self.body_bytes > settings.bytes_max:
            with queue.vhost.together():
                while self.body_bytes > settings.bytes_max and queue.ready_count:
                    self._dispose(*queue.take_first(1), MAXLEN)

    def _dispose(self, position: int, run: Run, reason: str) -> None:
        """Messages that waited until now leave the queue."""
        if bury(self.queue, run, reason) or not self.settings.dead_letters_certain:
            self.queue.drop(position, run)
        else:
            self.queue.hold(run)
            self._park(position, run, _BURIAL_AGAIN_MS, reason)

    def _bury(self, position: int, run: Run, reason: str) -> None:
        """Messages that were handed out leave the queue, together with their burial."""
        with self.queue.vhost.together():
            if bury(self.queue, run, reason) or not self.settings.dead_letters_certain:
                self.queue.settle(position, run)
            else:
                self._park(position, run, _BURIAL_AGAIN_MS, reason)

    def leave(self, position: int, run: Run) -> None:
        """Messages that were due, and are off the line."""
        self._dispose(position, run, EXPIRED)

    # -- messages that go and come back ----------------------------------------------------------------------

    def weigh(self, run: Run, sign: int) -> None:
        """A run that waited does so no longer (-1), or again (1)."""
        if self.settings.bytes_max is not None:
            self.body_bytes += sign * _body_bytes(run)

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
            if settings.retry == "all" or settings.retry == ("failed" if failed else "returned"):
                low = settings.retry_min_ms or 0
                self._park(position, run, min(low * count, settings.retry_max_ms or low))
                return
        queue.put_back(position, run, self._rank(run.contents[0]) if settings.priority_max is not None else 0)

    def _park(self, position: int, run: Run, ms: int, reason: str = "") -> None:
        """Set messages aside for a time; meanwhile they are in nobody's hands but ours."""
        due_ms = self.queue.vhost.agenda.wall_ms + ms
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

    def deadline_of(self, content: bytes, at_ms: int) -> int:
        """When a message is due that the journal took at `at_ms`; 0: it does not know."""
        ttl_ms = self.settings.message_ttl_ms
        expiration = properties.text(properties_of(content), "expiration")
        if expiration is not None:
            own_ms = int(expiration)
            ttl_ms = own_ms if ttl_ms is None else min(own_ms, ttl_ms)
        return 0 if ttl_ms is None else (at_ms or self.queue.vhost.agenda.wall_ms) + ttl_ms

    def recovered(self, journal: Journal, position: int, paged: Paged, redelivered: bool) -> list[Place]:
        """Where messages stand that a journal has from a position on.

        In a ranked line each is looked at for its rank and its time; otherwise the first is once it is in front.
        """
        if not self.queue.ranked:
            paged.deadline_ms = 1 if self.settings.message_ttl_ms is not None else 0
            return [Place(position, paged, redelivered, 0)]
        places: list[Place] = []
        rest: Paged | None = paged
        while rest is not None:
            part, rest = rest, rest.cut(rest.first_part())
            for first, run in read_back(journal, self.queue.id, position, part.count, self.deadline_of):
                for rank, piece in self._by_rank(run):
                    seen = Paged(len(piece), piece.size_bytes, piece.deadline_ms)
                    places.append(Place(first, seen, redelivered, rank))
                    first += len(piece)
            position += part.count
        return places

    def begin(self) -> None:
        """The queue has what a journal had of it."""
        if self.settings.bytes_max is not None:
            self.body_bytes = self.queue.ready_bytes
        self._arm()

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
        while self._parked and self._parked[0][0] <= now_ms:
            _, position, run, reason = heapq.heappop(self._parked)
            if reason:
                self._bury(position, run, reason)
            else:
                ranked = self.settings.priority_max is not None
                queue.put_back(position, run, self._rank(run.contents[0]) if ranked else 0)
        with queue.vhost.together():
            for _ in range(_DUE_RUNS_MAX):
                due = queue.take_due(now_ms)
                if due is None:
                    break
                self.leave(*due)
        self._arm()

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
