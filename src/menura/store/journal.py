"""What must outlive the process: the messages of durable queues, on top of the log.

`append` takes messages and settlements into the batch that is gathering, `settle`, `delivered` and `counted` are marks
that are put together and follow with the next `flush`, and `flush` starts to write what has gathered. When a batch is
on the disk, `durable` has grown and `on_durable` is told. Nobody waits for marks, so `flush(marks=False)` starts
nothing for their sake.

The journal knows by itself where the messages of a queue lie (`places`): the owner names them by queue id and
position in the queue, for settling as for reading back. So it is the journal's own affair that segments without
live messages are removed, that `compact` copies what lives in the oldest one forward, and what a checkpoint holds.

Everything is called in the owner's thread and nothing waits for the disk, except `open`, `read`,
`compact` (which reads) and `close`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence

from menura.core.ports import Counted, Held, Published, Settled, Stored
from menura.store import checkpoint, records
from menura.store.compaction import Compaction, sparse
from menura.store.disk import Disk
from menura.store.errors import explained
from menura.store.log import Job, Log
from menura.store.marks import Marks
from menura.store.places import Entry, Places
from menura.store.recovery import Damage, Progress, Recovery, Report, find_segments
from menura.store.repetition import repeat
from menura.store.segments import SEGMENT_BYTES, UNSYNCED, Segment
from menura.store.use import DiskUse


class Journal:
    """See the head of this file. `open` comes first, `close` last."""

    def __init__(
        self,
        disk: Disk,
        folder: str,
        *,
        run_in_worker: Callable[[Job], object],
        call_back: Callable[[Job], object],
        sync: bool = True,
        segment_bytes: int = SEGMENT_BYTES,
        salt: Callable[[], int] = lambda: secrets.randbits(32),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.on_durable: Callable[[int], None] = lambda position: None
        self.on_failure: Callable[[str], None] = lambda reason: None
        self.on_damage: Callable[[Damage], None] = lambda damage: None
        self.message_bytes = 0
        self._disk = disk
        self._folder = folder
        self._sync = sync
        self._salt = salt
        self._log = Log(
            disk,
            folder,
            run_in_worker=run_in_worker,
            call_back=call_back,
            sync=sync,
            segment_bytes=segment_bytes,
            clock=clock,
        )
        self._log.before_first_write = lambda: checkpoint.discard(disk, folder, sync)
        self._log.on_finished = self._finished
        self._log.on_failure = self._failed
        self._queues: dict[int, Places] = {}
        self._marks = Marks()
        self._wanted = self._closing = False
        self._attest = False
        self._compaction: Compaction | None = None

    # -- state -----------------------------------------------------------------------------------------------

    @property
    def appended(self) -> int:
        """The end of what was taken. Grows with every `append`."""
        return self._log.appended

    @property
    def durable(self) -> int:
        """What was appended when `appended` had this value, or less, survives a crash."""
        return self._log.durable

    @property
    def has_marks(self) -> bool:
        """There are settlements, deliveries or counts that no batch has taken yet."""
        return bool(self._marks)

    @property
    def failure(self) -> str | None:
        """Why nothing can become durable any more."""
        return self._log.failure

    @property
    def busy(self) -> bool:
        """A batch is under way."""
        return self._log.busy

    @property
    def stalled_seconds(self) -> float:
        """For how long the disk has been at the batch under way."""
        return self._log.stalled_seconds

    @property
    def written_bytes(self) -> int:
        """All octets written since the start; over `message_bytes` it is the write amplification."""
        return self._log.written_bytes

    @property
    def use(self) -> DiskUse:
        """How much was asked of the disk."""
        return self._log.use

    @property
    def size_bytes(self) -> int:
        """The length of all segments."""
        return sum(segment.size_bytes for segment in self._log.segments)

    @property
    def live_bytes(self) -> int:
        """How much of `size_bytes` is still needed, about."""
        return sum(segment.live_bytes for segment in self._log.segments)

    @property
    def segment_count(self) -> int:
        return len(self._log.segments)

    # -- start and end ---------------------------------------------------------------------------------------

    def open(self, progress: Progress | None = None) -> Report:
        """Read what is there; StoreError if that is not possible. `queues` and `held` then say what was found."""
        disk, folder = self._disk, self._folder
        try:
            disk.make_folder(folder)
            layout = find_segments(disk, folder)
            for name in layout.leftovers:
                disk.remove(f"{folder}/{name}")
            for segment in layout.segments:
                if self._sync and segment.flags & UNSYNCED:
                    self._sync_file(segment)
        except OSError as error:
            raise explained(error, folder) from error
        known = checkpoint.load(disk, folder)
        if known is not None and layout.salt not in (None, known.salt):
            known = None
        if known is not None and known.fits(layout.segments, layout.salt):
            self._queues = dict(known.queues)
            self._log.begin(known.segments, known.end, known.end, known.salt)
            return Report(self.size_bytes, from_checkpoint=True)
        positions = (known.segments[0].first, known.end) if known is not None and known.segments else None
        recovery = Recovery(disk, folder, layout, positions)
        recovery.run(progress)
        self._queues = recovery.queues
        salt = self._salt() if layout.salt is None else layout.salt
        self._log.begin(recovery.segments, recovery.end, recovery.certain, salt)
        if recovery.uncertain:
            repeat(recovery, self._log, self._queues, self._marks)
            self._attest = True
        return recovery.report

    def _sync_file(self, segment: Segment) -> None:
        file = self._disk.open(f"{self._folder}/{segment.name}")
        try:
            file.sync()
        finally:
            file.close()

    def close(self) -> None:
        """Write what has gathered and a checkpoint, in this thread, and let go of the files.

        To be called when the worker runs, or has run, everything it was given.
        """
        log = self._log
        self._closing = True
        try:
            log.wait()
            while self.failure is None and (log.gathered or self._marks or self._dead()):
                if not log.divided:
                    self._write_marks()
                log.start(self._dead(), run=_at_once)
                log.wait()
            if self.failure is None:
                state = checkpoint.Checkpoint(log.appended, log.salt, log.segments, self._queues)
                checkpoint.save(self._disk, self._folder, state, self._sync)
        except OSError as error:
            raise explained(error, self._folder) from error
        finally:
            log.close()

    # -- queues ----------------------------------------------------------------------------------------------

    def queues(self) -> list[int]:
        """The ids of all queues the journal has heard of."""
        return list(self._queues)

    def held(self, queue: int) -> Held:
        """What the journal has of a queue."""
        places = self._queues.get(queue)
        if places is None:
            return Held([], 0, 0, 0, 0)
        return Held(places.ranges(), *places.totals(), places.next_position, places.delivered)

    def forget(self, queue: int) -> None:
        """The queue has been deleted. Its id must never be used again."""
        self._marks.forget(queue)
        places = self._queues.pop(queue, None)
        if places is not None:
            places.clear(self._log.segments)

    # -- appending -------------------------------------------------------------------------------------------

    def append(self, *parts: Published | Settled) -> int:
        """Take messages and settlements that happen together or not at all: the value of `appended` behind them.

        Positions in a queue only grow. Raises JournalFailed.
        """
        if len(parts) == 1 and isinstance(published := parts[0], Published):
            body, content_bytes = records.encode_messages(published)
            place, size = self._log.append(records.PUBLISHED, body)
            self._log.segments[-1].record_bytes += size
            self._place(published, place, 0, size, content_bytes)
        else:
            self._append_together(parts)
        return self._log.appended

    def _append_together(self, parts: Sequence[Published | Settled]) -> None:
        settled = [part for part in parts if isinstance(part, Settled)]
        if any(map(self._follows_a_step, settled)):
            self._log.divide()
        bodies = []
        for part in parts:
            if isinstance(part, Published):
                bodies.append((records.PUBLISHED, *records.encode_messages(part)))
            else:
                bodies.append((records.SETTLED, records.numbers_to_bytes(part), 0))
        payload = records.parts_to_bytes([(kind, body) for kind, body, _ in bodies])
        place, size = self._log.append_payload(payload)
        self._log.segments[-1].record_bytes += size
        if settled:
            self._log.step(place)
        skip = 0
        for part, (_, _, content_bytes) in zip(parts, bodies, strict=True):
            if isinstance(part, Published):
                self._place(part, place, skip, size, content_bytes)
                skip += len(part.contents)
            elif part.queue in self._queues:
                self._queues[part.queue].settle(part.first, part.last, self._log.segments)

    def _follows_a_step(self, settled: Settled) -> bool:
        """Whether messages came to where they leave now by a record that no disk has seen yet.

        After a crash that spared this record and not that one they would be where they had come from as well.
        """
        places = self._queues.get(settled.queue)
        if places is None:
            return False
        return any(self._log.is_step(entry.place) for entry in places.live(settled.first, settled.last))

    def _place(self, published: Published, place: int, skip: int, size: int, content_bytes: int) -> None:
        queues = self._queues
        count = len(published.contents)
        for queue, first in published.queues:
            places = queues.get(queue)
            if places is None:
                places = queues[queue] = Places()
            assert first >= places.end
            places.add(first, count, place, skip, size, content_bytes)
        segment = self._log.segments[-1]
        queue_count = len(published.queues)
        segment.hold(count * queue_count, content_bytes * queue_count)
        segment.lose(-count * queue_count, -content_bytes * queue_count)
        self.message_bytes += content_bytes

    def settle(self, queue: int, first: int, last: int) -> None:
        """Messages first .. last have left the queue for good. Settling twice does no harm."""
        self._marks.settle(queue, first, last)

    def delivered(self, queue: int, high: int) -> None:
        """Everything below position `high` has been handed out at least once."""
        self._marks.deliver(queue, high)

    def counted(self, queue: int, position: int, times: int, due_ms: int) -> None:
        """A message was handed out so many `times` and is still there; it waits until `due_ms`, if that is not 0."""
        self._marks.count(queue, position, times, due_ms)

    def counts(self, queue: int, first: int, last: int) -> list[Counted]:
        """What batches have of that about messages first .. last, as far as they are still there, in order."""
        places = self._queues.get(queue)
        return [] if places is None else list(places.counts.at(places.counts.positions(first, last)))

    def _write_marks(self) -> None:
        if self._marks:
            payload = self._marks.take(self._queues, self._log.segments)
            if payload:
                self._log.append_payload(payload)

    # -- writing ---------------------------------------------------------------------------------------------

    def flush(self, marks: bool = True) -> None:
        """Start to write what has gathered, now or as soon as the batch under way is done."""
        log = self._log
        if log.failure is not None:
            return
        if log.busy:
            self._wanted = self._wanted or marks or log.gathered
            return
        if not marks and not log.gathered:
            return
        self._write_marks()
        self._wanted = log.divided
        dead = self._dead()
        if log.gathered or dead:
            log.start(dead)

    def _dead(self) -> list[Segment]:
        """The oldest segments, as far as nothing in them lives. The newest stays."""
        if self._log.divided:
            return []
        segments = self._log.segments
        count = 0
        while count < len(segments) - 1 and not segments[count].live:
            count += 1
        return segments[:count]

    def _finished(self) -> None:
        if self._attest:
            # The first record behind what was repeated says that it is safe, so that the next start need not.
            self._attest = False
            self._log.append(records.NOTED, b"")
            self._wanted = True
        # The disk goes on first: it works while the owner tells who waited for what is durable now.
        if self._wanted and not self._log.busy and not self._closing:
            self._wanted = False
            self.flush()
        self.on_durable(self._log.durable)

    def _failed(self, reason: str) -> None:
        self.on_failure(reason)

    # -- reading back ----------------------------------------------------------------------------------------

    def read(self, queue: int, first: int, last: int) -> list[Stored]:
        """What lives of messages first .. last of a queue, in order.

        Waits for the disk unless the system has it in memory. What turns out to be damaged is missing, and
        `on_damage` is told.
        """
        return self.read_ranges(queue, [(first, last)])

    def read_ranges(self, queue: int, ranges: Sequence[tuple[int, int]]) -> list[Stored]:
        """The same of several such ranges; what several of them want of one record is read once."""
        places = self._queues.get(queue)
        if places is None:
            return []
        entries = [entry for first, last in ranges for entry in places.live(first, last)]
        wanted = list({entry.place: entry.size for entry in entries}.items())
        loaded = dict(zip((place for place, _ in wanted), self._log.load(wanted), strict=True))
        stored = []
        for entry in entries:
            found = loaded[entry.place]
            if found is None:
                self._lost(entry.place, entry.size)
            else:
                stored.append(_cut_out(entry, *found))
        return stored

    def _lost(self, place: int, size: int) -> None:
        segment = self._log.segments.at(place)
        path = f"{self._folder}/{segment.name}"
        self.on_damage(Damage(path, place - segment.first, size, place, unfinished=False))

    def compact(self, size_bytes: int = 1024 * 1024) -> bool:
        """Copy about so much of the oldest segment forward if that is due; whether there is more to copy.

        What was copied is flushed like anything else, and then the segment goes.
        """
        if self.failure is not None:
            return False
        if self._compaction is not None and not self._compaction.segment.live:
            self._compaction = None  # all settled in the meantime
        if self._compaction is None:
            segment = sparse(self._log)
            if segment is None:
                return False
            self._compaction = Compaction(self._log, self._queues, segment)
        if not self._compaction.step(size_bytes, self._lost):
            return True
        self._compaction.finish(self._marks)
        self._compaction = None
        return sparse(self._log) is not None


def _at_once(job: Job) -> None:
    job()


def _cut_out(entry: Entry, data: bytes, start: int) -> Stored:
    """The messages of an entry from its record, which begins at data[start]."""
    skip = entry.skip
    for kind, part, _ in records.parts_of(data, start + records.HEAD_BYTES, start + entry.size):
        if kind > records.COPIED:
            continue
        messages = records.Messages(data, part)
        if skip < messages.count:
            return Stored(entry.first, *messages.names(), messages.contents(skip, skip + entry.number), messages.at_ms)
        skip -= messages.count
    raise AssertionError(f"record at {entry.place} has no message {entry.skip}")
