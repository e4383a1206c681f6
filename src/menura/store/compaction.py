"""Copying what lives in the oldest segment forward, so that an old message does not keep the log from shrinking.

Done when the log is more than twice what lives in it, and some spare segments; so the octets copied in the long run are
never more than the octets new. The log's oldest segment is always the one: only it can be removed, and once all
have been through nothing dead is left. A copy says COPIED and carries the messages that still live, each with its
own position in its queue. Marks of what was delivered, and how often, are repeated, as the old ones may go too.

A step copies a little, so that nobody waits long. Until the last step messages are read at their old place; then
the queues learn the new ones and nothing lives in the segment any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from menura.core.ports import Published
from menura.store import records
from menura.store.log import Log
from menura.store.marks import Marks
from menura.store.places import Entry, Places
from menura.store.records import Messages
from menura.store.segments import Segment

SPARE_SEGMENTS = 4
_FILES_SPARE = 16
_READ_BYTES = 1024 * 1024


def sparse(log: Log) -> Segment | None:
    """The segment to copy forward, if it is worth it."""
    segments = log.segments
    if len(segments) < 2 or not segments[0].live:
        return None
    size_bytes = sum(segment.size_bytes for segment in segments)
    live_bytes = sum(segment.live_bytes for segment in segments)
    too_long = size_bytes > 2 * live_bytes + SPARE_SEGMENTS * log.segment_bytes
    # Every start begins a file, however short the one before is.
    too_many = len(segments) > 2 * (size_bytes // log.segment_bytes) + _FILES_SPARE
    return segments[0] if too_long or too_many else None


class Compaction:
    """One segment's way to the end of the log."""

    def __init__(self, log: Log, queues: dict[int, Places], segment: Segment) -> None:
        self._log = log
        self._queues = queues
        self.segment = segment
        sizes: dict[int, int] = {}
        for places in queues.values():
            sizes.update(places.in_segment(segment.first, segment.end))
        self._waiting = sorted(sizes.items(), reverse=True)
        self._moved: dict[int, list[Entry]] = {}
        self._lost = False

    def step(self, size_bytes: int, on_lost: Callable[[int, int], None]) -> bool:
        """Copy about so much; whether that was all. `on_lost` is told the places and sizes of damaged records."""
        while self._waiting and size_bytes > 0:
            wanted = []
            read_bytes = 0
            while self._waiting and read_bytes < min(size_bytes, _READ_BYTES):
                wanted.append(self._waiting.pop())
                read_bytes += wanted[-1][1]
            size_bytes -= read_bytes
            for (place, size), found in zip(wanted, self._log.load(wanted), strict=True):
                if found is None:
                    self._lost = True
                    on_lost(place, size)
                else:
                    self._copy(place, size, *found)
        return not self._waiting

    def _copy(self, place: int, size: int, data: bytes, start: int) -> None:
        copies: list[Published] = []
        for kind, part, _ in records.parts_of(data, start + records.HEAD_BYTES, start + size):
            if kind <= records.COPIED:
                copies += self._living(Messages(data, part), place)
        if not copies:
            return
        bodies = [records.encode_messages(published) for published in copies]
        payload = records.parts_to_bytes([(records.COPIED, body) for body, _ in bodies])
        new_place, new_size = self._log.append_payload(payload)
        self._log.use.copied_bytes += new_size
        segment = self._log.segments[-1]
        segment.record_bytes += new_size
        skip = 0
        for published, (_, content_bytes) in zip(copies, bodies, strict=True):
            count = len(published.contents)
            for queue, first in published.queues:
                entry = Entry(first, count, new_place, skip, new_size, content_bytes)
                self._moved.setdefault(queue, []).append(entry)
            segment.hold(count * len(published.queues), content_bytes * len(published.queues))
            skip += count

    def _living(self, messages: Messages, place: int) -> Iterator[Published]:
        """What lives of one part of a record, cut where the queues that still want it change."""
        wanted: list[tuple[int, int, int, int]] = []  # queue, its first position, start and stop in the part
        for queue, first in messages.queues:
            places = self._queues.get(queue)
            if places is not None:
                for entry in places.live(first, first + messages.count - 1):
                    if entry.place == place:
                        wanted.append((queue, first, entry.first - first, entry.first - first + entry.number))
        cuts = sorted({cut for _, _, start, stop in wanted for cut in (start, stop)})
        exchange, keys = messages.names()
        for start, stop in pairwise(cuts):
            queues = [(queue, first + start) for queue, first, low, high in wanted if low <= start < high]
            if queues:
                yield Published(queues, exchange, keys, messages.contents(start, stop), messages.at_ms)

    def finish(self, marks: Marks) -> None:
        """Let the queues know the new places, and repeat the marks of what is there now."""
        segments = self._log.segments
        for queue, entries in self._moved.items():
            places = self._queues.get(queue)
            if places is not None:
                places.move(entries, segments)
                if places.delivered:
                    marks.deliver(queue, places.delivered)
                for entry in entries:
                    moved = places.counts.positions(entry.first, entry.first + entry.number - 1)
                    for counted in places.counts.at(moved):
                        marks.count(queue, *counted)
        if self._lost:
            for places in self._queues.values():
                places.drop(self.segment.first, self.segment.end, segments)
