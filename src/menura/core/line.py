"""What waits in a queue, in the order in which it is to be handed out.

A `Fifo` keeps the order of positions. Messages that come back (rejected, or their consumer went away) return to the
place their position gives them, which is before everything never handed out: they wait in a heap of their own, and
being there is what makes them `redelivered`.

A `Ranked` line has an order of rank before that of positions, and finds what is due in the middle of it; it costs a
heap operation for every run. A queue uses it once it has to. A `Scheduled` one keeps what is not to be had before its
time.

Entries are runs, or the mere number of messages that are in the journal (see `paging`). An entry that is due is to
leave the line at its `deadline_ms`, unless it was handed out.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import ClassVar, NamedTuple

from menura.core.paging import Paged
from menura.core.run import Run

Waiting = Run | Paged
Entry = tuple[int, Waiting]
"""Messages that stand together, and the position of the first of them."""
Mark = tuple[int, int]
"""A place in the order of a line: what `order` says of an entry, and the position of a message in it."""
BEGINNING: Mark = (-256, -1)
_SWEEP_MIN = 64
_SIZES_MAX = 4096


class Place(NamedTuple):
    """An entry and where it stands: what was handed out before, is `redelivered`; higher ranks go first."""

    position: int
    waiting: Waiting
    redelivered: bool
    rank: int


class Fifo:
    """First in, first out. Of what was never handed out, an earlier position is due no later than a later one."""

    __slots__ = ("_back", "_ready")

    single_count: ClassVar[int] = 0
    """How many entries are numbers alone."""

    def __init__(self) -> None:
        self._ready: deque[Entry] = deque()
        self._back: list[Entry] = []  # a heap, by position

    def __len__(self) -> int:
        return len(self._ready) + len(self._back)

    def __iter__(self) -> Iterator[Place]:
        for position, waiting in sorted(self._back, key=_position):
            yield Place(position, waiting, True, 0)
        for position, waiting in self._ready:
            yield Place(position, waiting, False, 0)

    def append(self, position: int, run: Run, rank: int) -> bool:
        """Add messages behind all others; whether they became an entry of their own."""
        if self._ready:
            at, tail = self._ready[-1]
            # There is a gap where what stood at the end has been taken out of the middle of an entry.
            if isinstance(tail, Run) and at + len(tail.contents) == position and tail.absorb(run):
                return False
        self._ready.append((position, run))
        return True

    def append_paged(self, position: int, paged: Paged, rank: int) -> bool:
        """The same with messages that are in the journal alone."""
        if self._ready:
            at, tail = self._ready[-1]
            if isinstance(tail, Paged) and at + tail.count == position:
                tail.count += paged.count
                tail.size_bytes += paged.size_bytes
                return False
        self._ready.append((position, paged))
        return True

    def pop(self) -> tuple[int, Waiting, bool, int]:
        """Take off the first entry, as a `Place`; there has to be one."""
        if self._back:
            position, waiting = heapq.heappop(self._back)
            return position, waiting, True, 0
        position, waiting = self._ready.popleft()
        return position, waiting, False, 0

    @property
    def first(self) -> Entry | None:
        """The first entry, which stays where it is."""
        if self._back:
            return self._back[0]
        return self._ready[0] if self._ready else None

    def put_front(self, entries: Sequence[Entry], redelivered: bool, rank: int) -> None:
        """Put back what was just taken off, whole or in parts."""
        if redelivered:
            for entry in entries:
                heapq.heappush(self._back, entry)
        else:
            self._ready.extendleft(reversed(entries))

    def put_back(self, position: int, waiting: Waiting, rank: int) -> None:
        """Messages that had been handed out have returned."""
        heapq.heappush(self._back, (position, waiting))

    def clear(self) -> None:
        self._ready.clear()
        self._back.clear()

    @property
    def next_deadline_ms(self) -> int:
        """When the next entry is due; 0 if none is."""
        heads = [line[0][1].deadline_ms for line in (self._back, self._ready) if line]
        return min(filter(None, heads), default=0)

    def take_due(self, now_ms: int) -> Place | None:
        """Take off an entry that is due."""
        if self._back and 0 < self._back[0][1].deadline_ms <= now_ms:
            return Place(*heapq.heappop(self._back), True, 0)
        if self._ready and 0 < self._ready[0][1].deadline_ms <= now_ms:
            return Place(*self._ready.popleft(), False, 0)
        return None

    def order(self, place: Place) -> int:
        """What comes before the position."""
        return 0

    def after(self, mark: Mark, most: int) -> list[Place]:
        """Up to `most` entries, in order, with messages that stand behind a mark."""
        ends = mark[1] + 1
        back = sorted(entry for entry in self._back if entry[0] + len(entry[1]) > ends)[:most] if self._back else []
        found = [Place(position, waiting, True, 0) for position, waiting in back]
        at = bisect_left(self._ready, ends, key=_position)
        if at and _end(self._ready[at - 1]) > ends:
            at -= 1
        # From its end on, a deque is quick to read.
        self._ready.rotate(-at)
        count = min(most - len(found), len(self._ready) - at)
        found += [Place(position, waiting, False, 0) for position, waiting in islice(self._ready, count)]
        self._ready.rotate(at)
        return found

    def replace(self, rest: Mapping[int, Sequence[Entry]]) -> None:
        """Put other entries, or none, in the place of those at these positions."""
        if any(position in rest for position, _ in self._back):
            self._back = [new for old in self._back for new in rest.get(old[0], (old,))]
            heapq.heapify(self._back)
        at = bisect_left(self._ready, min(rest), key=_position)
        left, last = len(self._ready) - at, max(rest)
        self._ready.rotate(-at)
        news: list[Entry] = []
        while left and self._ready[0][0] <= last:
            old = self._ready.popleft()
            news += rest.get(old[0], (old,))
            left -= 1
        self._ready.extendleft(reversed(news))
        self._ready.rotate(at)

    def insert(self, place: Place) -> None:
        """Put an entry where its position is."""
        entry = place.position, place.waiting
        if place.redelivered:
            heapq.heappush(self._back, entry)
        else:
            self._ready.insert(bisect_left(self._ready, place.position, key=_position), entry)


class Ranked:
    """Higher ranks first, equals by position; entries may be due in any order."""

    __slots__ = ("_ahead", "_ahead_of", "_due", "_order", "_places")

    single_count: ClassVar[int] = 0

    def __init__(self, places: Iterator[Place] | None = None) -> None:
        self._places: dict[int, Place] = {}
        # Heaps; they may have entries for what has gone since.
        self._order: list[Mark] = []
        self._due: list[tuple[int, int]] = []  # deadline, position
        # The same for whoever goes through the line: of what is behind this mark, and perhaps of more.
        self._ahead: list[Mark] | None = None
        self._ahead_of = BEGINNING
        for place in places or ():
            self._put(place)

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Place]:
        return iter(sorted(self._places.values(), key=lambda place: (-place.rank, place.position)))

    def append(self, position: int, run: Run, rank: int) -> bool:
        self._put(Place(position, run, False, rank))
        return True

    def append_paged(self, position: int, paged: Paged, rank: int) -> bool:
        self._put(Place(position, paged, False, rank))
        return True

    def _put(self, place: Place) -> None:
        self._places[place.position] = place
        heapq.heappush(self._order, (-place.rank, place.position))
        if self._ahead is not None:
            if len(self._ahead) > _SWEEP_MIN + 4 * len(self._places):
                self._ahead = None
            else:
                heapq.heappush(self._ahead, (-place.rank, place.position))
        deadline_ms = place.waiting.deadline_ms
        if deadline_ms:
            heapq.heappush(self._due, (deadline_ms, place.position))
        if len(self._due) + len(self._order) > _SWEEP_MIN + 4 * len(self._places):
            self._sweep()

    def _sweep(self) -> None:
        """Forget what has gone."""
        places = self._places.values()
        self._order = [(-place.rank, place.position) for place in places]
        heapq.heapify(self._order)
        self._due = [(place.waiting.deadline_ms, place.position) for place in places if place.waiting.deadline_ms]
        heapq.heapify(self._due)
        self._ahead = None

    def pop(self) -> tuple[int, Waiting, bool, int]:
        while True:
            place = self._places.pop(heapq.heappop(self._order)[1], None)
            if place is not None:
                return place

    @property
    def first(self) -> Entry | None:
        while self._order:
            place = self._places.get(self._order[0][1])
            if place is not None:
                return place[:2]
            heapq.heappop(self._order)
        return None

    def put_front(self, entries: Sequence[Entry], redelivered: bool, rank: int) -> None:
        for position, waiting in entries:
            self._put(Place(position, waiting, redelivered, rank))

    def put_back(self, position: int, waiting: Waiting, rank: int) -> None:
        self._put(Place(position, waiting, True, rank))

    def clear(self) -> None:
        self._places.clear()
        self._order.clear()
        self._due.clear()
        self._ahead = None

    @property
    def next_deadline_ms(self) -> int:
        while self._due:
            deadline_ms, position = self._due[0]
            place = self._places.get(position)
            if place is not None and place.waiting.deadline_ms == deadline_ms:
                return deadline_ms
            heapq.heappop(self._due)
        return 0

    def take_due(self, now_ms: int) -> Place | None:
        if 0 < self.next_deadline_ms <= now_ms:
            return self._places.pop(heapq.heappop(self._due)[1])
        return None

    def order(self, place: Place) -> int:
        return -place.rank

    def after(self, mark: Mark, most: int) -> list[Place]:
        if mark == BEGINNING:
            self._ahead = list(self._order)
        elif self._ahead is None or mark < self._ahead_of:
            self._ahead = [(-place.rank, place.position) for place in self._places.values() if _reaches(place, mark)]
            heapq.heapify(self._ahead)
        self._ahead_of = mark
        ahead = self._ahead
        found: dict[int, Place] = {}
        while ahead and len(found) < most:
            place = self._places.get(ahead[0][1])
            if place is not None and place.rank == -ahead[0][0] and _reaches(place, mark):
                found[place.position] = place
            heapq.heappop(ahead)
        if not found:
            self._ahead = None  # nobody is likely to ask again
        for place in found.values():
            heapq.heappush(ahead, (-place.rank, place.position))
        return list(found.values())

    def replace(self, rest: Mapping[int, Sequence[Entry]]) -> None:
        for position, entries in rest.items():
            place = self._places.pop(position)
            self.put_front(entries, place.redelivered, place.rank)

    def insert(self, place: Place) -> None:
        self._put(place)


class Scheduled:
    """What is due first goes first; every entry has a deadline."""

    __slots__ = ("_heap", "_sizes")

    def __init__(self) -> None:
        # Deadline, position, and of a single message in the journal no more than its size: what has numbers alone in
        # it, the garbage collector leaves alone.
        self._heap: list[tuple[int, int, Waiting | int, bool]] = []
        self._sizes: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[Place]:
        return map(_scheduled, sorted(self._heap, key=_due))

    def append(self, position: int, run: Run, rank: int) -> bool:
        heapq.heappush(self._heap, (run.deadline_ms, position, run, False))
        return True

    def append_paged(self, position: int, paged: Paged, rank: int) -> bool:
        self._put(position, paged, False)
        return True

    @property
    def single_count(self) -> int:
        return sum(isinstance(entry[2], int) for entry in self._heap)

    @staticmethod
    def is_single(waiting: Waiting) -> bool:
        """Whether an entry is kept as numbers alone."""
        return isinstance(waiting, Paged) and waiting.count == 1

    def append_each(self, position: int, sizes_bytes: Sequence[int], deadlines_ms: Sequence[int]) -> None:
        """The same with messages in a row of which each is an entry by itself."""
        heap = self._heap
        for size_bytes, deadline_ms in zip(sizes_bytes, deadlines_ms, strict=True):
            heapq.heappush(heap, (deadline_ms, position, self._size(size_bytes), False))
            position += 1

    def _put(self, position: int, waiting: Waiting, redelivered: bool) -> None:
        entry = self._size(waiting.size_bytes) if self.is_single(waiting) else waiting
        heapq.heappush(self._heap, (waiting.deadline_ms, position, entry, redelivered))

    def _size(self, size_bytes: int) -> int:
        """The number, as an object that others have as well."""
        if len(self._sizes) >= _SIZES_MAX:
            self._sizes.clear()
        return self._sizes.setdefault(size_bytes, size_bytes)

    def pop(self) -> tuple[int, Waiting, bool, int]:
        return _scheduled(heapq.heappop(self._heap))

    @property
    def first(self) -> Entry | None:
        return _scheduled(self._heap[0])[:2] if self._heap else None

    def put_front(self, entries: Sequence[Entry], redelivered: bool, rank: int) -> None:
        for position, waiting in entries:
            self._put(position, waiting, redelivered)

    def put_back(self, position: int, waiting: Waiting, rank: int) -> None:
        self._put(position, waiting, True)

    def clear(self) -> None:
        self._heap.clear()

    @property
    def next_deadline_ms(self) -> int:
        return self._heap[0][0] if self._heap else 0

    def take_due(self, now_ms: int) -> Place | None:
        return _scheduled(heapq.heappop(self._heap)) if 0 < self.next_deadline_ms <= now_ms else None

    def order(self, place: Place) -> int:
        return place.waiting.deadline_ms

    def after(self, mark: Mark, most: int) -> list[Place]:
        behind = (entry for entry in self._heap if (entry[0], entry[1] + _count(entry[2]) - 1) > mark)
        return list(map(_scheduled, heapq.nsmallest(most, behind, key=_due)))

    def replace(self, rest: Mapping[int, Sequence[Entry]]) -> None:
        gone = [entry for entry in self._heap if entry[1] in rest]
        self._heap = [entry for entry in self._heap if entry[1] not in rest]
        heapq.heapify(self._heap)
        for _, position, _, redelivered in gone:
            self.put_front(rest[position], redelivered, 0)

    def insert(self, place: Place) -> None:
        self._put(place.position, place.waiting, place.redelivered)


Line = Fifo | Ranked | Scheduled


def _position(entry: Entry) -> int:
    return entry[0]


def _due(entry: tuple[int, int, Waiting | int, bool]) -> Mark:
    return entry[:2]


def _scheduled(entry: tuple[int, int, Waiting | int, bool]) -> Place:
    deadline_ms, position, waiting, redelivered = entry
    if isinstance(waiting, int):
        waiting = Paged(1, waiting, deadline_ms)
    return Place(position, waiting, redelivered, 0)


def _count(waiting: Waiting | int) -> int:
    return 1 if isinstance(waiting, int) else len(waiting)


def _end(entry: Entry | Place) -> int:
    return entry[0] + len(entry[1])


def _reaches(place: Place, mark: Mark) -> bool:
    """Whether some of its messages stand behind a mark."""
    return (-place.rank, _end(place) - 1) > mark
