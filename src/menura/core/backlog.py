"""What waits in a queue: the line of it, its weight, and where it is kept.

`Backlog` is the part of a queue that knows no consumers. Messages are taken off its line for good (`take_first`,
`take_due`, then `drop`), looked at where they stand, or taken out of the middle (`replace`); all counts and the memory
account follow. When too much waits in a durable queue, messages are in the journal alone (see `paging`), and are read
back in front of whoever takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from menura.core.line import Entry, Fifo, Line, Mark, Place, Ranked, Scheduled, Waiting
from menura.core.paging import RESIDENT_BYTES_MAX, Paged, read_back, read_singles, read_through
from menura.core.run import Run

if TYPE_CHECKING:
    from menura.core.keeping import Keeper
    from menura.core.ports import Held
    from menura.core.rules import Rules
    from menura.core.vhost import VHost

# A run at the head is broken into pieces of this many messages before single messages are taken off it, so
# that taking one costs at most this many pointer copies.
_PIECE = 64


class Backlog:
    """`id` is 0 unless the queue is durable, and `keeper` None."""

    __slots__ = (
        "_keeper", "_line", "_paged_bytes", "_paged_count", "alive", "disk_reads", "disk_writes", "id",
        "next_position", "ready_bytes", "ready_count", "rules", "unsettled_bytes", "unsettled_count", "vhost",
    )  # fmt: skip

    def __init__(self, vhost: VHost, id: int, keeper: Keeper | None) -> None:
        self.vhost = vhost
        self.id = id
        self._keeper = keeper
        self.alive = True
        self.next_position = 0
        self._line: Line = Fifo()
        self.rules: Rules | None = None
        self.ready_count = self.ready_bytes = 0
        self._paged_count = self._paged_bytes = 0  # of those, what is not in memory
        self.unsettled_count = self.unsettled_bytes = 0
        # Messages handed to the journal, and brought back into memory.
        self.disk_writes = self.disk_reads = 0

    @property
    def paged_count(self) -> int:
        """How many of those that wait are in the journal alone."""
        return self._paged_count

    @property
    def paged_bytes(self) -> int:
        return self._paged_bytes

    @property
    def head(self) -> bytes | None:
        """The message that is to leave first; None if there is none in memory."""
        first = self._line.first
        return first[1].contents[0] if first is not None and isinstance(first[1], Run) else None

    # -- in and out ------------------------------------------------------------------------------------------

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
            self._weigh_entry(place.waiting, -1)
            if run is not None:
                self.vhost.memory.weigh_runs(1)
                self.vhost.memory.charge(run)
                self.ready_bytes += run.size_bytes
        self.disk_reads += len(runs)
        return runs

    def _take_part(self, position: int, run: Run, count: int, redelivered: bool, rank: int) -> Run:
        """The first `count` messages of a longer run; the others go back to the front."""
        pieces = run.split(count, _PIECE)
        entries: list[Entry] = [(position + count, pieces[1])]
        if len(pieces) > 2:
            entries.append((position + count + len(pieces[1].contents), pieces[2]))
            self.vhost.memory.weigh_runs(1)
        self._line.put_front(entries, redelivered, rank)
        return pieces[0]

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
        """Forget messages that were taken off for good."""
        self.vhost.memory.release(run)
        self._note_settled(position, run)

    def exchange(self, run: Run, content: bytes) -> Run:
        """A run of one message that was taken before, with other content; the journal keeps what it has."""
        self.vhost.memory.release(run)
        size_bytes = len(content)
        changed = Run(run.route, [content], size_bytes, size_bytes, run.persistent, None, run.deadline_ms)
        self.vhost.memory.charge(changed)
        self.unsettled_bytes += size_bytes - run.size_bytes
        return changed

    def purge(self) -> int:
        """Drop everything that waits; what is handed out stays. The number dropped."""
        count = self.ready_count
        self._weigh_line(-1)
        for place in self._line:
            if isinstance(place.waiting, Paged):
                self._settled(place.position, place.waiting.count)
            else:
                self.drop(place.position, place.waiting)
        self._line.clear()
        self.ready_count = self.ready_bytes = self._paged_count = self._paged_bytes = 0
        if self.rules is not None:
            self.rules.body_bytes = 0
        return count

    def _note_settled(self, position: int, run: Run) -> None:
        if self._keeper is not None and run.persistent:
            self._settled(position, len(run.contents))

    def _settled(self, position: int, count: int) -> None:
        """What a deleted queue held goes with its definition."""
        if self._keeper is not None and self.alive:
            self._keeper.settle(self.id, position, position + count - 1)

    # -- what waits, wherever it stands ----------------------------------------------------------------------

    @property
    def places(self) -> Iterator[Place]:
        """What waits, in order."""
        return iter(self._line)

    def after(self, mark: Mark, most: int) -> list[Place]:
        """Up to `most` entries, in order, with messages that stand behind a mark."""
        return self._line.after(mark, most)

    def order(self, place: Place) -> int:
        """The first part of the marks of its messages."""
        return self._line.order(place)

    def read(self, place: Place, first: int, count: int) -> list[tuple[int, Run]]:
        """Messages of an entry that is in the journal alone; they stay there. What the disk has lost is missing."""
        assert self._keeper is not None
        assert isinstance(place.waiting, Paged)
        runs = read_back(self._keeper, self.id, first, count, self._deadline_of(place.waiting))
        return runs if self.rules is None else self.rules.read_back(runs, place.redelivered)

    def read_all(self) -> Iterator[tuple[int, Run]]:
        """What waits, wherever it is; it stays there."""
        for position, waiting, *_ in self._line:
            if isinstance(waiting, Run):
                yield position, waiting
            elif self._keeper is not None:
                yield from read_through(self._keeper, self.id, position, waiting)

    def replace(self, places: Sequence[Place], rest: Mapping[int, Sequence[Entry]]) -> None:
        """Put what is left of entries, by their positions, in their place; what is not is the caller's."""
        for place in places:
            self._weigh_waiting(place.waiting, -1)
        for entries in rest.values():
            for _, waiting in entries:
                self._weigh_waiting(waiting, 1)
        self._line.replace(rest)

    def _weigh_waiting(self, waiting: Waiting, sign: int) -> None:
        """An entry is to wait no longer (-1), or from now on (1)."""
        count, size_bytes = sign * len(waiting), sign * waiting.size_bytes
        self._weigh_entry(waiting, sign)
        self.ready_count += count
        self.ready_bytes += size_bytes
        if isinstance(waiting, Paged):
            self._paged_count += count
            self._paged_bytes += size_bytes

    def _weigh_entry(self, waiting: Waiting, sign: int) -> None:
        """What the entry takes beside its messages."""
        if isinstance(self._line, Scheduled) and self._line.is_single(waiting):
            self.vhost.memory.weigh_singles(sign)
        else:
            self.vhost.memory.weigh_runs(sign)

    def _weigh_line(self, sign: int) -> None:
        """The same of all entries."""
        single_count = self._line.single_count
        self.vhost.memory.weigh_singles(sign * single_count)
        self.vhost.memory.weigh_runs(sign * (len(self._line) - single_count))

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

    # -- what is in the journal alone ------------------------------------------------------------------------

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
        self._weigh_line(1)
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
        paged = Paged(count, run.size_bytes, run.deadline_ms)
        if self._line.append_paged(position, paged, rank):
            self._weigh_entry(paged, 1)

    def _read_back(self, place: Place) -> None:
        """Bring the first of what was taken off the front into memory, and put all back."""
        assert self._keeper is not None
        position, paged, redelivered, rank = place
        assert isinstance(paged, Paged)
        self._weigh_entry(paged, -1)
        count = paged.first_part()
        rest = paged.cut(count)
        runs = self.read(place, position, count)
        size_bytes = 0
        found_count = 0
        for _, run in runs:
            self.vhost.memory.charge(run)
            size_bytes += run.size_bytes
            found_count += len(run.contents)
        self.disk_reads += found_count
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
        self.vhost.memory.weigh_runs(len(entries))
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
