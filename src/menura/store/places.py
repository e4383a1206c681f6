"""Where a queue's messages lie in the log, and which of them are still needed.

Messages are known by their position in the queue. An *entry* says: `counts` messages from position `firsts` on are
those from the `skips`-th on of the record at `places`, which takes `sizes` octets of the log. Entries are sorted and
never overlap; what no entry covers was never in the journal. They stand in arrays, 32 octets each, since ten million
messages may have come one by one.

What has been settled is below `floor`, or in `settled` when it happened out of order. Entries below the floor are
dropped from time to time, so a queue of any age costs what it holds. Of messages that have come back, `counts` has how
often they were handed out.

While the log is read after a start the order of things means nothing (see `records`): entries that would not be in
order wait in `moved` and settlements of messages never seen are kept. `settle_down` then sorts it out.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain
from struct import Struct
from typing import NamedTuple

from menura.store.counts import Counts
from menura.store.intervals import Intervals
from menura.store.segments import Segments

_HEAD = Struct("=5Q2I")
# Dropped entries are cut off the arrays when there are this many, and more of them than others.
_TRIM_AT = 1024


class Entry(NamedTuple):
    """Messages first .. first + number - 1 of a queue, of `content_bytes` together: those from the `skip`-th on of
    the record at `place`, which takes `size` octets."""

    first: int
    number: int
    place: int
    skip: int
    size: int
    content_bytes: int

    def cut(self, start: int, stop: int) -> Entry:
        """The messages at positions start .. stop - 1, taken to be of equal size."""
        number = stop - start
        if number == self.number:
            return self
        content_bytes = self.content_bytes * number // self.number
        return Entry(start, number, self.place, self.skip + start - self.first, self.size, content_bytes)


class Places:
    """One queue's messages in the log."""

    __slots__ = (
        "_content_bytes", "_counts", "_firsts", "_moved", "_places", "_sizes", "_skips", "_sorted_from", "_start",
        "counts", "delivered", "end", "floor", "next_position", "settled",
    )  # fmt: skip

    def __init__(self) -> None:
        self._firsts = array("Q")
        self._counts = array("I")
        self._places = array("Q")
        self._skips = array("I")
        self._sizes = array("I")
        self._content_bytes = array("I")
        self._start = 0  # entries before this one are dropped
        self._sorted_from = 0  # entries from this position on are in the order of their places
        self._moved: list[Entry] = []
        self.end = 0  # the position behind the last entry
        self.floor = 0  # everything below is gone
        self.settled = Intervals()
        self.next_position = 0  # above every position ever heard of
        self.delivered = 0  # everything below has been handed out at least once
        self.counts = Counts()

    # -- changes ---------------------------------------------------------------------------------------------

    def add(self, first: int, count: int, place: int, skip: int, size: int, content_bytes: int) -> None:
        """Messages new to the queue, or, while the log is being read, any."""
        if first < self.end:
            self._moved.append(Entry(first, count, place, skip, size, content_bytes))
            self.next_position = max(self.next_position, first + count)
            return
        self._firsts.append(first)
        self._counts.append(count)
        self._places.append(place)
        self._skips.append(skip)
        self._sizes.append(size)
        self._content_bytes.append(content_bytes)
        self.end = end = first + count
        if end > self.next_position:
            self.next_position = end

    def saw_settled(self, first: int, last: int) -> None:
        """Read from the log: these are settled, whether they were seen or not."""
        self.settled.add(first, last)
        if last >= self.next_position:
            self.next_position = last + 1

    def saw_delivered(self, high: int) -> None:
        self.delivered = max(self.delivered, high)
        self.next_position = max(self.next_position, high)

    def saw_counted(self, position: int, times: int, due_ms: int) -> None:
        """Read from the log: a message was counted, whether it was seen or not."""
        self.counts.note(position, times, due_ms)
        self.next_position = max(self.next_position, position + 1)

    def settle_down(self, segments: Segments) -> None:
        """The log has been read: put the entries in order and count what lives."""
        self._overlay(self._moved)
        self._moved = []
        self._raise_floor()
        for first, last in self._unsettled():
            self._tell(first, last, segments, 1)
        for position in [position for position in self.counts if not self.has(position)]:
            del self.counts[position]

    def settle(self, first: int, last: int, segments: Segments) -> None:
        """These messages are needed no more. What is gone already may be among them."""
        first = max(first, self.floor)
        if first > last:
            return
        for start, stop in self.settled.add(first, last):
            self._tell(start, stop, segments, -1)
        if self.counts:
            self.counts.forget(first, last)
        if self.settled.firsts[0] <= self._lowest():
            self._raise_floor()

    def move(self, entries: Iterable[Entry], segments: Segments) -> None:
        """Those of these messages that still live have a new place."""
        moved = []
        for entry in entries:
            for old in self.live(entry.first, entry.first + entry.number - 1):
                moved.append(new := entry.cut(old.first, old.first + old.number))
                segments.at(old.place).lose(old.number, old.content_bytes)
                segments.at(new.place).lose(-new.number, -new.content_bytes)
        self._overlay(moved)

    def drop(self, first: int, end: int, segments: Segments) -> None:
        """What lives at first..end-1 of the log is lost."""
        lost = [entry for entry in self.live() if first <= entry.place < end]
        for entry in lost:
            self.settle(entry.first, entry.first + entry.number - 1, segments)

    def clear(self, segments: Segments) -> None:
        """The queue is no more."""
        for first, last in self._unsettled():
            self._tell(first, last, segments, -1)

    # -- questions -------------------------------------------------------------------------------------------

    def live(self, first: int = 0, last: int | None = None) -> Iterator[Entry]:
        """What still lives of first..last, in order, as pieces of entries."""
        first = max(first, self.floor)
        last = self.end - 1 if last is None else last
        if first > last:
            return
        if not self.settled.firsts:
            yield from self._entries(first, last)
            return
        for entry in self._entries(first, last):
            for start, stop in self.settled.missing(entry.first, entry.first + entry.number - 1):
                yield entry.cut(start, stop + 1)

    def has(self, position: int) -> bool:
        """Whether this message lives."""
        return next(self.live(position, position), None) is not None

    def ranges(self) -> list[tuple[int, int]]:
        """What lives, as (first, last) in order."""
        found: list[tuple[int, int]] = []
        for first, last in self._unsettled():
            cut, low, high = self._within(first, last)
            pieces = [(entry.first, entry.number) for entry in cut]
            if self._unbroken(low, high):
                end = self._firsts[high - 1] + self._counts[high - 1]
                pieces.append((self._firsts[low], end - self._firsts[low]))
            else:
                pieces += zip(self._firsts[low:high], self._counts[low:high], strict=True)
            for start, number in sorted(pieces):
                if found and found[-1][1] + 1 == start:
                    start, number = found[-1][0], start + number - found.pop()[0]
                found.append((start, start + number - 1))
        return found

    def totals(self) -> tuple[int, int]:
        """How many messages live, and the octets of their contents."""
        count = content_bytes = 0
        for first, last in self._unsettled():
            cut, low, high = self._within(first, last)
            count += sum(self._counts[low:high]) + sum(entry.number for entry in cut)
            content_bytes += sum(self._content_bytes[low:high]) + sum(entry.content_bytes for entry in cut)
        return count, content_bytes

    def in_segment(self, first: int, end: int) -> dict[int, int]:
        """The places in first..end-1 of the log that have entries, with the sizes of the records there."""
        places, firsts, sorted_from = self._places, self._firsts, self._sorted_from
        found = {}
        for index in range(self._start, len(places)):
            if first <= places[index] < end:
                found[places[index]] = self._sizes[index]
            elif places[index] >= end and firsts[index] >= sorted_from:
                break
        return found

    # -- kept over a clean stop ------------------------------------------------------------------------------

    def encode(self) -> bytes:
        """For `decode`; numbers are the machine's own, since a checkpoint does not travel."""
        self._trim()
        columns = (array("Q", self.settled.firsts), array("Q", self.settled.lasts), *self._columns)
        numbers = (self.end, self.floor, self.next_position, self.delivered, self._sorted_from)
        head = _HEAD.pack(*numbers, len(self.settled.firsts), len(self._firsts))
        counts = array("Q", chain.from_iterable(self.counts.all()))
        return b"".join((head, *(column.tobytes() for column in columns), counts.tobytes()))

    @classmethod
    def decode(cls, data: bytes) -> Places:
        self = cls()
        *numbers, settled, entries = _HEAD.unpack_from(data)
        self.end, self.floor, self.next_position, self.delivered, self._sorted_from = numbers
        offset = _HEAD.size
        firsts, lasts = array("Q"), array("Q")
        for column in (firsts, lasts, *self._columns):
            size = column.itemsize * (settled if column is firsts or column is lasts else entries)
            column.frombytes(data[offset : offset + size])
            offset += size
        self.settled.firsts, self.settled.lasts = list(firsts), list(lasts)
        counts = array("Q", data[offset:])
        for counted in zip(counts[::3], counts[1::3], counts[2::3], strict=True):
            self.counts.note(*counted)
        return self

    # -- within ----------------------------------------------------------------------------------------------

    def _unsettled(self) -> list[tuple[int, int]]:
        return self.settled.missing(self.floor, self.end - 1)

    def _within(self, first: int, last: int) -> tuple[list[Entry], int, int]:
        """The entries of first..last: those that reach beyond, cut, and the indexes from and to which they do not."""
        firsts, counts = self._firsts, self._counts
        low = bisect_left(firsts, first, self._start)
        high = bisect_right(firsts, last, low)
        cut = []
        if low > self._start and firsts[low - 1] + counts[low - 1] > first:
            before = self._entry(low - 1)
            cut.append(before.cut(first, min(before.first + before.number, last + 1)))
        if high > low and firsts[high - 1] + counts[high - 1] > last + 1:
            high -= 1
            cut.append(self._entry(high).cut(firsts[high], last + 1))
        return cut, low, high

    def _unbroken(self, low: int, high: int) -> bool:
        """There are entries low..high-1, and they follow each other without a gap."""
        if low >= high:
            return False
        return self._firsts[high - 1] + self._counts[high - 1] - self._firsts[low] == sum(self._counts[low:high])

    def _tell(self, first: int, last: int, segments: Segments, sign: int) -> None:
        """Tell the segments that first..last, as far as there are entries, live (1) or no longer do (-1).

        A queue of millions may be purged at once, so what lies in one segment is summed up in one go.
        """
        cut, index, high = self._within(first, last)
        for entry in cut:
            segments.at(entry.place).lose(-sign * entry.number, -sign * entry.content_bytes)
        places, firsts, counts, content_bytes = self._places, self._firsts, self._counts, self._content_bytes
        while index < high:
            segment = segments.at(places[index])
            stop = index + 1
            if stop < high and firsts[index] >= self._sorted_from:
                stop = bisect_left(places, segment.end, stop, high)
            segment.lose(-sign * sum(counts[index:stop]), -sign * sum(content_bytes[index:stop]))
            index = stop

    def _entries(self, first: int, last: int) -> Iterator[Entry]:
        """What entries there are of first..last, settled or not, cut to these ends."""
        firsts, counts = self._firsts, self._counts
        index = max(bisect_right(firsts, first, self._start) - 1, self._start)
        while index < len(firsts) and firsts[index] <= last:
            start = firsts[index]
            end = start + counts[index]
            if end > first:
                yield self._entry(index).cut(max(start, first), min(end, last + 1))
            index += 1

    def _entry(self, index: int) -> Entry:
        return Entry(
            self._firsts[index],
            self._counts[index],
            self._places[index],
            self._skips[index],
            self._sizes[index],
            self._content_bytes[index],
        )

    @property
    def _columns(self) -> tuple[array[int], ...]:
        """In the order of an Entry."""
        return self._firsts, self._counts, self._places, self._skips, self._sizes, self._content_bytes

    def _lowest(self) -> int:
        """No message below lives."""
        start = self._start
        return max(self.floor, self._firsts[start]) if start < len(self._firsts) else self.end

    def _raise_floor(self) -> None:
        """Let go of everything before the first message that lives."""
        firsts, counts, settled = self._firsts, self._counts, self.settled
        start, size = self._start, len(firsts)
        floor = self.floor
        while start < size:
            floor = max(floor, firsts[start])
            if settled.firsts and settled.firsts[0] <= floor:
                floor = max(floor, settled.lasts[0] + 1)
                settled.forget_below(floor)
            if floor < firsts[start] + counts[start]:
                break
            start += 1
        else:
            floor = max(floor, self.end)
            settled.forget_below(floor)
        self._start, self.floor = start, floor
        if start > _TRIM_AT and 2 * start > size:
            self._trim()

    def _trim(self) -> None:
        for column in self._columns:
            del column[: self._start]
        self._start = 0

    def _overlay(self, moved: list[Entry]) -> None:
        """Put entries over those that are there; where they overlap, the later place counts."""
        if not moved:
            return
        lowest = min(entry.first for entry in moved)
        highest = max(entry.first + entry.number - 1 for entry in moved)
        self.end = max(self.end, highest + 1)
        self._sorted_from = max(self._sorted_from, highest + 1)
        low = max(bisect_right(self._firsts, lowest, self._start) - 1, self._start)
        high = bisect_right(self._firsts, highest, low)
        rows = _painted([*map(self._entry, range(low, high)), *moved])
        for number, column in enumerate(self._columns):
            column[low:high] = array(column.typecode, [row[number] for row in rows])


def _painted(entries: list[Entry]) -> list[Entry]:
    """Entries without overlap: of several for a message, the one with the latest place."""
    covered = Intervals()
    pieces = []
    for entry in sorted(entries, key=lambda entry: entry.place, reverse=True):
        for start, stop in covered.add(entry.first, entry.first + entry.number - 1):
            pieces.append(entry.cut(start, stop + 1))
    return sorted(pieces)
