"""The journal of a data directory that no broker uses, read with the same code as at a start, and without changing
anything: what a start would remove, sync or append stays undone.

Where the checkpoint fits it says what the queues hold, as it does at a start. `read` goes through the log all the same
and finds damage that a start would not have looked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import groupby, pairwise
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from menura.store import checkpoint, records
from menura.store.disk import RealDisk, RealFile
from menura.store.log import Job, Log
from menura.store.offline import unreadable
from menura.store.places import Entry, Places
from menura.store.recovery import Damage, Layout, Progress, Recovery, find_segments, read
from menura.store.segments import HEADER_BYTES, SEGMENT_BYTES, Segment, Segments, decode_header, encode_header

_READ_BYTES = 1024 * 1024


class _Disk(RealDisk):
    """Says why a file cannot be read; nothing here asks it to write."""

    def open(self, path: str) -> RealFile:
        try:
            return super().open(path)
        except PermissionError as error:
            raise unreadable(error, path) from error


class Message(NamedTuple):
    """A message in a queue; `content` is packed (see `core.content`), `at_ms` is 0 where the time is not known.

    `times` is how often it was handed out and `due_ms` until when it waits for another try, as far as that was noted.
    """

    position: int
    exchange: str
    keys: tuple[str, ...]
    content: bytes
    at_ms: int
    redelivered: bool
    times: int = 0
    due_ms: int = 0


class OfflineJournal:
    """The journal in `folder`, which need not exist.

    `segments` and `queues` (by queue id) are as a start would find them. Before `read` that is so only if
    `from_checkpoint`. `damages` and `record_counts`, by segment, come from `read` alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self._disk = _Disk()
        self._layout = self._find_segments()
        known = checkpoint.load(self._disk, self.folder)
        self._known = known if known is not None and self._layout.salt in (None, known.salt) else None
        self.from_checkpoint = self._known is not None and self._known.fits(self._layout.segments, self._layout.salt)
        self.segments: Segments = self._layout.segments
        self.queues: dict[int, Places] = {}
        if self._known is not None and self.from_checkpoint:
            self._use(self._known)
        self.damages: list[Damage] = []
        self.record_counts: list[int] = []
        self._log: Log | None = None

    def _find_segments(self) -> Layout:
        try:
            return find_segments(self._disk, self.folder)
        except FileNotFoundError:
            return Layout(Segments(), None, [])
        except OSError as error:
            raise unreadable(error, self.folder) from error

    def _use(self, known: checkpoint.Checkpoint) -> None:
        for mine, found in zip(known.segments, self._layout.segments, strict=True):
            mine.flags = found.flags
        self.segments, self.queues = known.segments, dict(known.queues)

    @property
    def has_segments(self) -> bool:
        return bool(self._layout.segments)

    @property
    def checkpoint_state(self) -> str:
        """What there is of a checkpoint: "fits", "does not fit", "cannot be used" or "none"."""
        if self.from_checkpoint:
            return "fits"
        if self._known is not None:
            return "does not fit"
        return "cannot be used" if os.path.exists(f"{self.folder}/{checkpoint.NAME}") else "none"

    def read(self, progress: Progress | None = None) -> None:
        """Go through every octet of the log. Raises StoreError."""
        known = self._known
        positions = (known.segments[0].first, known.end) if known is not None and known.segments else None
        recovery = Recovery(self._disk, self.folder, self._layout, positions)
        sums = [0]

        def count(done_bytes: int, total_bytes: int) -> None:
            sums.append(recovery.report.record_count)
            if progress is not None:
                progress(done_bytes, total_bytes)

        recovery.run(count)
        self.record_counts = [after - before for before, after in pairwise(sums)]
        self.damages = recovery.report.damages
        if not self.from_checkpoint:
            self.queues = recovery.queues

    def damaged_headers(self) -> list[Segment]:
        """Segments of whose header one of the two copies is damaged; `read` finds those that have lost both."""
        found = []
        for segment in self._layout.segments:
            path = f"{self.folder}/{segment.name}"
            data = read(self._disk, path, 0, HEADER_BYTES)
            header = decode_header(data, segment.first, path)
            if header is not None and data != encode_header(segment, header[0]):
                found.append(segment)
        return found

    def forget(self, queue: int) -> None:
        """Its definition is gone: a start would drop it."""
        self.queues.pop(queue).clear(self.segments)

    # -- messages --------------------------------------------------------------------------------------------

    def messages(self, queue: int, on_lost: Callable[[Damage, int, int], None]) -> Iterator[Message]:
        """What a queue holds, in order, with about a mebibyte or one record of it in memory at a time.

        `on_lost` is told of damaged records, with the first and last position of the queue's messages in them.
        """
        places = self.queues.get(queue)
        if places is None:
            return
        log = self._log = self._log or self._opened_log()
        for batch in _batches(places):
            wanted = [(entries[0].place, entries[0].size) for entries in batch]
            for entries, found in zip(batch, log.load(wanted), strict=True):
                if found is None:
                    on_lost(self._lost(entries[0]), entries[0].first, entries[-1].first + entries[-1].number - 1)
                else:
                    yield from _cut_out(entries, *found, places)

    def _opened_log(self) -> Log:
        log = Log(
            self._disk,
            self.folder,
            run_in_worker=_never,
            call_back=_never,
            sync=False,
            segment_bytes=SEGMENT_BYTES,
        )
        end = self.segments[-1].end if self.segments else 0
        log.begin(self.segments, end, end, self._layout.salt or 0)
        return log

    def _lost(self, entry: Entry) -> Damage:
        segment = self.segments.at(entry.place)
        path = f"{self.folder}/{segment.name}"
        return Damage(path, entry.place - segment.first, entry.size, entry.place, unfinished=False)

    def close(self) -> None:
        if self._log is not None:
            self._log.close()


def _never(job: Job) -> None:
    raise AssertionError("a journal that is only read has nothing to write")


def _batches(places: Places) -> Iterator[list[list[Entry]]]:
    """What a queue holds, by record; as many records together as are worth one read.

    Neighbours in one record stay together: one of which every other message is settled is many entries.
    """
    batch: list[list[Entry]] = []
    size_bytes = 0
    for _, group in groupby(places.live(), attrgetter("place")):
        entries = list(group)
        if batch and size_bytes + entries[0].size > _READ_BYTES:
            yield batch
            batch, size_bytes = [], 0
        batch.append(entries)
        size_bytes += entries[0].size
    if batch:
        yield batch


def _cut_out(entries: list[Entry], data: bytes, start: int, places: Places) -> Iterator[Message]:
    """The messages of these entries of one record, which begins at data[start]."""
    parts = []
    skip = 0
    for kind, part, _ in records.parts_of(data, start + records.HEAD_BYTES, start + entries[0].size):
        if kind <= records.COPIED:
            messages = records.Messages(data, part)
            parts.append((skip, messages, messages.names()))
            skip += messages.count
    for entry in entries:
        begin, messages, (exchange, keys) = next(part for part in reversed(parts) if part[0] <= entry.skip)
        index = entry.skip - begin
        for position in range(entry.first, entry.first + entry.number):
            (content,) = messages.contents(index, index + 1)
            noted = places.counts.at([position] if position in places.counts else [])
            _, times, due_ms = next(noted, (position, 0, 0))
            redelivered = position < places.delivered
            yield Message(position, exchange, keys, content, messages.at_ms, redelivered, times, due_ms)
            index += 1
