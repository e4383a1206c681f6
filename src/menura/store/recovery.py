"""Reading the log after a start: what is in it, what of that is certain, and what is damaged.

Every record stands for itself. Where the octets are no record the next one is looked for by its mark, its position
and its checksum, so damage costs what it hit and nothing behind it. What such a hole means shows only at the end:

- *damage*, when it lies below what some later record says was synced before it: confirmed messages may be lost;
- *unfinished*, when nothing says so: the last batch was being written when the power went or the process died
  (or, which looks the same, that very batch was damaged later);
- nothing new, when a NOTED record says that it has been reported before.

The octets from `certain` on, the last batch, may so far be in the system's cache only, even in one that a failed
sync has made look clean. What is whole in them is therefore appended again before anything relies on it. No
file is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from menura.store import records
from menura.store.disk import Disk
from menura.store.errors import StoreError, explained
from menura.store.intervals import Intervals
from menura.store.places import Places
from menura.store.segments import HEADER_BYTES, Segment, Segments, decode_header, position_in_name

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Damage:
    """Octets of the log that are no record. `unfinished`: perhaps never written to the end."""

    path: str
    offset: int
    size_bytes: int
    position: int
    unfinished: bool

    def __str__(self) -> str:
        where = f"{self.path}: {self.size_bytes:,} octets from offset {self.offset:,} on"
        if self.unfinished:
            return (
                f"{where} belong to a write that was not finished when the broker stopped; they are left out. "
                "No message in them was confirmed, unless the disk has damaged them since."
            )
        return f"{where} are damaged; what was in them is lost, the records behind them are not."


@dataclass
class Report:
    """What a start found."""

    size_bytes: int = 0
    record_count: int = 0
    from_checkpoint: bool = False
    damages: list[Damage] = field(default_factory=list)


class Layout(NamedTuple):
    """The log's files. `leftovers` are files whose creation a crash interrupted."""

    segments: Segments
    salt: int | None
    leftovers: list[str]


def find_segments(disk: Disk, folder: str) -> Layout:
    """The segments there are, by their headers; StoreError where they are not ours to read."""
    names = [name for name in disk.list(folder) if position_in_name(name) is not None]
    segments, leftovers, salts = Segments(), [], set()
    for name in names:
        first = position_in_name(name)
        assert first is not None
        path = f"{folder}/{name}"
        size = disk.size(path)
        header = decode_header(read(disk, path, 0, HEADER_BYTES), first, path)
        if header is None and size <= HEADER_BYTES and name == names[-1]:
            leftovers.append(name)
            continue
        flags = 0
        if header is not None:
            salts.add(header[0])
            flags = header[1]
        segments.append(Segment(first, first + size, flags))
    if len(salts) > 1:
        raise StoreError(f"{folder} has files of more than one journal. Take out those that do not belong to it.")
    if not salts and all(segment.size_bytes <= HEADER_BYTES for segment in segments):
        leftovers += [segment.name for segment in segments]
        segments.clear()
    if segments and not salts:
        raise StoreError(
            f"No file in {folder} begins as one of the journal's does: they are another program's, or badly damaged. "
            "Put back a copy of the folder, or choose another data directory; nothing has been changed."
        )
    return Layout(segments, salts.pop() if salts else None, leftovers)


def read(disk: Disk, path: str, offset: int, size_bytes: int) -> bytes:
    try:
        file = disk.open(path)
        try:
            return file.read_at(offset, size_bytes)
        finally:
            file.close()
    except OSError as error:
        raise explained(error, path) from error


def stretches(data: bytes, first: int, salt: int) -> Iterator[tuple[bool, int, int]]:
    """A segment's octets from its first record on: (True, start, end) of a record, (False, start, end) of a hole."""
    view = memoryview(data)
    size = len(data)
    start = HEADER_BYTES
    while start < size:
        end = records.record_end(data, view, start, first + start, salt)
        if end:
            yield True, start, end
        else:
            end = data.find(records.MARK, start + 1)
            while end >= 0 and not records.record_end(data, view, end, first + end, salt):
                end = data.find(records.MARK, end + 1)
            if end < 0:
                end = size
            yield False, start, end
        start = end


class Recovery:
    """Reads everything; then `queues`, `tail`, `holes` and `certain` say what there is."""

    def __init__(self, disk: Disk, folder: str, layout: Layout, known: tuple[int, int] | None = None) -> None:
        """`known`: the log is known to have had, synced, these positions."""
        self.segments = layout.segments
        known_first, known_end = known or (0, 0)
        self.queues: dict[int, Places] = {}
        self.certain = known_end
        self.tail: list[tuple[int, int]] = []  # (position, size) of the records from `certain` on
        self.end = max(known_end, self.segments[-1].end if self.segments else 0)
        self.report = Report(sum(segment.size_bytes for segment in self.segments))
        self._disk = disk
        self._folder = folder
        self._salt = layout.salt or 0
        first = self.segments[0].first if self.segments else known_end
        self._holes = [(known_first, first)] if known and known_first < first else []
        self.noted = Intervals()

    def run(self, progress: Progress | None = None) -> None:
        done = 0
        for number, segment in enumerate(self.segments):
            following = self.segments[number + 1].first if number + 1 < len(self.segments) else self.end
            self._read_segment(segment, following)
            done += segment.size_bytes
            if progress is not None:
                progress(done, self.report.size_bytes)
        for places in self.queues.values():
            places.settle_down(self.segments)
        self._judge()

    def _read_segment(self, segment: Segment, following: int) -> None:
        path = f"{self._folder}/{segment.name}"
        first = segment.first
        data = read(self._disk, path, 0, min(segment.size_bytes, following - first))
        segment.end = first + len(data)
        if decode_header(data, first, path) is None:
            self._holes.append((first, first + min(HEADER_BYTES, len(data))))
        for valid, start, end in stretches(data, first, self._salt):
            if not valid:
                self._holes.append((first + start, first + end))
                continue
            self.report.record_count += 1
            self._certify(first + start, end - start, records.HEAD.unpack_from(data, start)[4])
            self._take(data, start, end, segment)
        if segment.end < following:
            self._holes.append((segment.end, following))

    def _certify(self, position: int, size: int, synced: int) -> None:
        if synced > self.certain:
            self.certain = synced
        if self.tail and self.tail[0][0] < self.certain:
            self.tail = [record for record in self.tail if record[0] >= self.certain]
        if position >= self.certain:
            self.tail.append((position, size))

    def _take(self, data: bytes, start: int, end: int, segment: Segment) -> None:
        """A valid record data[start:end]."""
        place = segment.first + start
        queues = self.queues
        skip = 0
        for kind, part, part_end in records.parts_of(data, start + records.HEAD_BYTES, end):
            if kind <= records.COPIED:
                _, count, queue_count, _, names_size = records.MESSAGES.unpack_from(data, part)
                offset = part + records.MESSAGES.size
                content_bytes = part_end - offset - 16 * queue_count - 4 * count - names_size
                for _ in range(queue_count):
                    queue, first = records.PAIR.unpack_from(data, offset)
                    offset += 16
                    places = queues.get(queue)
                    if places is None:
                        places = queues[queue] = Places()
                    places.add(first, count, place, skip, end - start, content_bytes)
                segment.messages += count * queue_count
                segment.content_bytes += content_bytes * queue_count
                if not skip:
                    segment.record_bytes += end - start
                skip += count
                continue
            numbers = records.decode_numbers(data, part, part_end)
            if kind == records.SETTLED:
                for queue, first, last in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True):
                    queues.setdefault(queue, Places()).saw_settled(first, last)
            elif kind == records.DELIVERED:
                for queue, high in zip(numbers[::2], numbers[1::2], strict=True):
                    queues.setdefault(queue, Places()).saw_delivered(high)
            elif kind == records.COUNTED:
                for queue, *counted in records.decode_counts(data, part, part_end):
                    queues.setdefault(queue, Places()).saw_counted(*counted)
            else:
                for first, last in zip(numbers[::2], numbers[1::2], strict=True):
                    self.noted.add(first, last)

    @property
    def uncertain(self) -> bool:
        """The last batch has to be appended again, or its holes noted."""
        return self.end > self.certain

    def _judge(self) -> None:
        """Say what the holes mean."""
        for first, end in self._holes:
            if not self.noted.missing(first, end - 1):
                continue
            segment = next((segment for segment in reversed(self.segments) if segment.first <= first), None)
            path, offset = self._folder, 0
            if segment is not None:
                path, offset = f"{self._folder}/{segment.name}", first - segment.first
            self.report.damages.append(Damage(path, offset, end - first, first, first >= self.certain))
