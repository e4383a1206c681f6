"""An append-only log in segment files: records in, "durable up to here" out. It knows nothing of queues.

`append` only puts a record into the batch that is gathering; `start` hands that batch to a worker thread, which
writes it with one `write` and one `sync` per file (nearly always one), while the next batch gathers. A batch's
records say how far the log was synced before it (`records`), which holds because batches are written one at a
time. Positions are given out at once, so a record may be read back before it is written.

A crash may leave any part of a batch. Where what comes next makes sense only together with what has gathered,
`divide` makes two batches of them: the second is not begun before the first is on the disk.

A log is never opened for writing where it ended: what follows a start goes to a new segment, made when there is
something to write. So no file is changed that a crash may have left in doubt.

Errors are final. After an OSError nothing is durable that was not before, `on_failure` is told why, once, and `append`
refuses. Nothing is tried again: the system may have dropped what a failed sync did not write.

`run_in_worker` takes a job for the one worker thread and `call_back` a call for the owner's thread, so tests run
everything in line.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from threading import Event

from menura.store import records
from menura.store.disk import Disk, File
from menura.store.errors import StoreError, explained
from menura.store.segments import HEADER_BYTES, UNSYNCED, Segment, Segments, encode_header
from menura.store.use import DiskUse

Job = Callable[[], None]
_OPEN_FILES_MAX = 64
# Records for one read lie at most so far apart, and make at most so much together (unless one alone is larger).
_GAP_BYTES_MAX = 64 * 1024
_SPAN_BYTES_MAX = 1024 * 1024


class JournalFailed(StoreError):
    """The disk has refused a write or a sync; nothing more can be made durable."""


class Batch:
    """Records that are written together; `records` holds those not yet in a file by their position.

    When it is written everything below `synced` is on the disk. `steps` has the records in it that take messages from
    one place to another.
    """

    __slots__ = ("chunks", "end", "error", "finished", "first", "records", "removed", "started_at", "steps", "synced")

    def __init__(self, first: int, synced: int) -> None:
        self.first = self.end = first
        self.synced = synced
        self.chunks: list[tuple[Segment, list[bytes]]] = []
        self.records: dict[int, list[bytes]] = {}
        self.steps: set[int] = set()
        self.removed: list[str] = []
        self.started_at = 0.0
        self.error: BaseException | None = None
        self.finished = Event()


class Log:
    """`appended` is the end of the log, `durable` how much of it survives a crash."""

    def __init__(
        self,
        disk: Disk,
        folder: str,
        *,
        run_in_worker: Callable[[Job], object],
        call_back: Callable[[Job], object],
        sync: bool,
        segment_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.disk = disk
        self.folder = folder
        self.sync = sync
        self.segment_bytes = segment_bytes
        self.segments = Segments()
        self.salt = 0
        self.appended = self.durable = 0
        self.written_bytes = 0
        self.use = DiskUse()
        self.failure: str | None = None
        self.before_first_write: Job = lambda: None
        self.on_finished: Callable[[], None] = lambda: None
        self.on_failure: Callable[[str], None] = lambda reason: None
        self._run_in_worker = run_in_worker
        self._call_back = call_back
        self._clock = clock
        self._active: Segment | None = None
        self._file: File | None = None  # the worker's: what it appends to, of the segment `_written`
        self._written: Segment | None = None
        self._changed = False
        self._readers: dict[int, File] = {}
        self._divided: deque[Batch] = deque()  # gathered ahead of the one that gathers
        self._pending = Batch(0, 0)
        self._writing: Batch | None = None

    def begin(self, segments: Sequence[Segment], end: int, certain: int, salt: int) -> None:
        """The log so far, as found on the disk, and how much of it is certain to be there."""
        self.segments[:] = segments
        self.appended = self.durable = end
        self.salt = salt
        self._pending = Batch(end, certain)

    # -- records in ------------------------------------------------------------------------------------------

    def append(self, kind: int, body: bytes) -> tuple[int, int]:
        """Take a record of one part: its position and size."""
        size_bytes = records.HEAD_BYTES + records.PART.size + len(body)
        batch, position = self._place(size_bytes)
        batch.records[position] = chunks = records.record_of(kind, body, position, batch.synced, self.salt)
        batch.chunks[-1][1].extend(chunks)
        return position, size_bytes

    def append_payload(self, payload: bytes) -> tuple[int, int]:
        """Take a record of several parts, encoded by `parts_to_bytes`."""
        size_bytes = records.HEAD_BYTES + len(payload)
        batch, position = self._place(size_bytes)
        batch.records[position] = chunks = records.record_around(payload, position, batch.synced, self.salt)
        batch.chunks[-1][1].extend(chunks)
        return position, size_bytes

    def _place(self, size_bytes: int) -> tuple[Batch, int]:
        """Room for a record: the batch it belongs to, with the segment's chunks last, and its position."""
        if self.failure is not None:
            raise JournalFailed(self.failure)
        if size_bytes > records.PAYLOAD_BYTES_MAX:
            raise ValueError(f"{size_bytes} octets are more than one record of the journal takes")
        segment = self._active
        if segment is None or HEADER_BYTES < segment.size_bytes > self.segment_bytes - size_bytes:
            segment = self._roll()
        batch = self._pending
        if not batch.chunks or batch.chunks[-1][0] is not segment:
            batch.chunks.append((segment, []))
        position = segment.end
        segment.end = self.appended = batch.end = position + size_bytes
        return batch, position

    def _roll(self) -> Segment:
        flags = 0 if self.sync else UNSYNCED
        self._active = segment = Segment(self.appended, self.appended + HEADER_BYTES, flags)
        self.segments.append(segment)
        return segment

    def step(self, place: int) -> None:
        """The record at `place`, the last one, takes messages from one place to another."""
        self._pending.steps.add(place)

    def is_step(self, place: int) -> bool:
        """Whether the record at `place` is one, in the batch that gathers."""
        return place in self._pending.steps

    def divide(self) -> None:
        """Let what comes next wait until all that has gathered is on the disk."""
        self._divided.append(self._pending)
        self._pending = Batch(self.appended, self.appended)

    # -- batches out -----------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """A batch is being written."""
        return self._writing is not None

    @property
    def gathered(self) -> bool:
        """There are records that no batch being written has."""
        return bool(self._pending.chunks or self._divided)

    @property
    def divided(self) -> bool:
        """What has gathered takes more than one batch: nothing may go that only the last of them makes needless."""
        return bool(self._divided)

    @property
    def stalled_seconds(self) -> float:
        """For how long the batch under way has been so."""
        return self._clock() - self._writing.started_at if self._writing else 0.0

    def start(self, dead: Sequence[Segment] = (), run: Callable[[Job], object] | None = None) -> None:
        """Write what has gathered; once that is durable remove the `dead` segments, the oldest of the log.

        Of what is `divided` the first batch is written.
        """
        assert self._writing is None
        assert not (dead and self._divided)
        assert self.segments[: len(dead)] == list(dead)
        if self.failure is not None:
            return
        if self._divided:
            batch = self._divided.popleft()
        else:
            batch, self._pending = self._pending, Batch(self.appended, self.appended)
        self._writing = batch
        del self.segments[: len(dead)]
        batch.removed = [segment.name for segment in dead]
        for segment in dead:
            self._close_reader(segment)
        batch.started_at = self._clock()
        (run or self._run_in_worker)(lambda: self._write(batch))

    def wait(self) -> None:
        """Return when no batch is under way; for the end, when the owner's thread has nothing else to do."""
        batch = self._writing
        if batch is not None:
            batch.finished.wait()
            self._finish(batch)

    def _write(self, batch: Batch) -> None:
        """In the worker's thread."""
        try:
            if not self._changed:
                self.before_first_write()
                self._changed = True
            for segment, chunks in batch.chunks:
                file = self._file_of(segment)
                self._write_chunks(file, chunks)
            for name in batch.removed:
                self.disk.remove(f"{self.folder}/{name}")
                # Each for itself: what remains after a crash must be the end of the log, without a hole.
                if self.sync:
                    self.disk.sync_folder(self.folder)
        except Exception as error:
            batch.error = error
        batch.finished.set()
        self._call_back(lambda: self._finish(batch))

    def _write_chunks(self, file: File, chunks: list[bytes]) -> None:
        use, begun = self.use, self._clock()
        file.write(chunks)
        self.written_bytes += sum(map(len, chunks))
        written = self._clock()
        use.writes += 1
        use.write_seconds += written - begun
        if self.sync:
            file.sync()
            use.sync_times.observe(self._clock() - written)

    def _file_of(self, segment: Segment) -> File:
        """The file to append to. A new one gets its header onto the disk before anything follows."""
        if self._file is not None and self._written is segment:
            return self._file
        if self._file is not None:
            self._file.close()
            self._file = None
        self._written = segment
        self._file = self.disk.create(f"{self.folder}/{segment.name}")
        self._file.write([encode_header(segment, self.salt)])
        self.written_bytes += HEADER_BYTES
        if self.sync:
            self._file.sync()
            self.disk.sync_folder(self.folder)
        return self._file

    def _finish(self, batch: Batch) -> None:
        if batch is not self._writing:
            return
        self._writing = None
        if batch.error is None:
            self.durable = batch.end
            self.on_finished()
            return
        error = batch.error
        self.failure = str(explained(error, self.folder) if isinstance(error, OSError) else repr(error))
        self.on_failure(self.failure)

    def close(self) -> None:
        """Let go of the files; nothing is written."""
        self.wait()
        if self._file is not None:
            self._file.close()
            self._file = None
        for file in self._readers.values():
            file.close()
        self._readers.clear()

    # -- records back ----------------------------------------------------------------------------------------

    def load(self, wanted: Sequence[tuple[int, int]]) -> list[tuple[bytes, int] | None]:
        """For each (position, size) of a record the octets that have it and where in them it begins.

        None for one that is damaged or cannot be read. Neighbours are read together.
        """
        found: list[tuple[bytes, int] | None] = []
        index = 0
        while index < len(wanted):
            position = wanted[index][0]
            chunks = self._unwritten(position)
            if chunks is not None:
                found.append((b"".join(chunks), 0))
                index += 1
                continue
            stop, end = self._together(wanted, index)
            found += self._load_span(wanted[index:stop], position, end)
            index = stop
        return found

    def _batches(self) -> Iterator[Batch]:
        """What is not in a file yet, in order."""
        if self._writing is not None:
            yield self._writing
        yield from self._divided
        yield self._pending

    def _unwritten(self, position: int) -> list[bytes] | None:
        return next((found for batch in self._batches() if (found := batch.records.get(position)) is not None), None)

    def _together(self, wanted: Sequence[tuple[int, int]], index: int) -> tuple[int, int]:
        """How many records from `index` on are worth one read: the index behind them and where the last ends."""
        first = wanted[index][0]
        segment = self.segments.at(first)
        written = next(self._batches()).first
        end = first + wanted[index][1]
        for later in range(index + 1, len(wanted)):
            position, size = wanted[later]
            if not end <= position <= end + _GAP_BYTES_MAX or position + size > min(
                segment.end, written, first + _SPAN_BYTES_MAX
            ):
                return later, end
            end = position + size
        return len(wanted), end

    def _load_span(self, wanted: Sequence[tuple[int, int]], first: int, end: int) -> list[tuple[bytes, int] | None]:
        segment = self.segments.at(first)
        use, begun = self.use, self._clock()
        try:
            data = self._reader(segment).read_at(first - segment.first, end - first)
        except OSError:
            return [None] * len(wanted)
        use.reads += 1
        use.read_bytes += len(data)
        use.read_seconds += self._clock() - begun
        view = memoryview(data)
        found: list[tuple[bytes, int] | None] = []
        for position, size in wanted:
            start = position - first
            valid = records.record_end(data, view, start, position, self.salt) == start + size
            found.append((data, start) if valid else None)
        return found

    def _reader(self, segment: Segment) -> File:
        file = self._readers.pop(segment.first, None)
        if file is None:
            file = self.disk.open(f"{self.folder}/{segment.name}")
        self._readers[segment.first] = file
        if len(self._readers) > _OPEN_FILES_MAX:
            self._readers.pop(next(iter(self._readers))).close()
        return file

    def _close_reader(self, segment: Segment) -> None:
        file = self._readers.pop(segment.first, None)
        if file is not None:
            file.close()
