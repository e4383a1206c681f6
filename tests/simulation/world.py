"""A broker's life with its journal, from one seed, and a power cut at every moment of it.

The life is random: messages to one or several queues, transactions, settlements in and out of order, flushes,
batches that are written while the next gathers, compaction, deleted queues, clean stops, full disks, failing writes
and syncs, crashes. After everything that changes the disk the power is cut on a copy: a journal is opened on
what is left and compared with the model. Some cuts are gone on with, so crashes follow each other.

Segments are a few sectors long, so that all of it happens often.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from random import Random

from tests.simulation.disk import SimulatedDisk
from tests.simulation.model import BrokenPromise, Group, Message, Model

from menura.core.ports import Published, Settled
from menura.store.errors import StoreError
from menura.store.journal import Journal
from menura.store.log import JournalFailed

FOLDER = "journal"
STEPS = 150
# Some lives are longer and looked at less often, so that the log has been through more.
LONG_STEPS = 1000
LONG_LOOKS = 0.15
QUEUES_MAX = 4


HAPPENINGS = (
    "power cuts",
    "processes killed",
    "starts after damage by a power cut",
    "clean stops",
    "failures told",
    "transactions",
    "counts noted",
    "copies by compaction",
    "deleted queues",
)


class World:
    """`run` lives one life; `cuts` counts the crashes looked at, `counts` what happened."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.cuts = 0
        self.random = Random(seed)
        self.segment_bytes = self.random.choice((1024, 2048, 8192))
        self.long = self.random.random() < 0.3
        self.stuck = self.random.random() < 0.5  # the oldest messages of a queue stay for long
        self.quiet = self.random.random() < 0.5  # one queue has little to do, so what it has gets old
        self.steps = 0
        self.model = Model()
        self.disk = SimulatedDisk(self.random)
        self.counts = self.disk.counts
        self.jobs: list[Callable[[], None]] = []
        self.failures: list[str] = []
        self.queue_ids = list(range(1, QUEUES_MAX + 1))
        self.forgotten: set[int] = set()
        self.journal = self._start(self.disk)

    def run(self, enough: Callable[[int], bool] = lambda cuts: False) -> int:
        steps = (
            (30, self.publish), (6, self.transact), (25, self.settle), (6, self.deliver), (6, self.count),
            (20, self.flush), (20, self.work), (8, self.compact), (0.3, self.forget), (1, self.stop),
            (1, self.crash), (1, self.break_down),
        )  # fmt: skip
        weights = [weight for weight, _ in steps]
        actions = [action for _, action in steps]
        for _ in range(LONG_STEPS if self.long else STEPS):
            self.steps += 1
            self.random.choices(actions, weights)[0]()
            if self.journal.failure is not None:
                self.crash()
            if enough(self.cuts):
                break
        return self.cuts

    # -- the journal -----------------------------------------------------------------------------------------

    def _journal(self, disk: SimulatedDisk, run: Callable) -> Journal:
        salt = self.random.getrandbits(32)
        return Journal(
            disk,
            FOLDER,
            run_in_worker=run,
            call_back=lambda call: call(),
            segment_bytes=self.segment_bytes,
            salt=lambda: salt,
        )

    def _start(self, disk: SimulatedDisk) -> Journal:
        """Open the journal that the life goes on with."""
        self.jobs = []
        self.failures = []
        self.disk = disk
        disk.on_change = self.look
        self.journal = journal = self._journal(disk, self._take_job)
        journal.on_durable = self._durable
        journal.on_failure = self.failures.append
        journal.on_damage = self._damaged
        self._open(journal)
        self.model.durable = journal.durable
        return journal

    def _open(self, journal: Journal) -> None:
        report = journal.open()
        self.counts["starts after damage by a power cut"] += bool(report.damages)
        for damage in report.damages:
            if not damage.unfinished:
                raise BrokenPromise(f"damage where nothing was damaged: {damage}")
        for queue in self.forgotten.intersection(journal.queues()):
            journal.forget(queue)

    def _take_job(self, job: Callable[[], None]) -> None:
        self.model.marks_written(self.journal.appended)
        self.jobs.append(job)

    def _durable(self, position: int) -> None:
        self.model.durable = position
        self.model.forget_history()

    def _damaged(self, damage) -> None:
        raise BrokenPromise(f"damage where nothing was damaged: {damage}")

    # -- crashes ---------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Cut the power here and now, on a copy."""
        if self.long and self.random.random() > LONG_LOOKS:
            return
        self.cuts += 1
        self.counts["power cuts"] += 1
        self._inspect(self.disk.power_cut(self.random))
        if self.random.random() < 0.2:
            self.look_twice()

    def look_twice(self) -> None:
        """Only the process dies; the next one starts, perhaps writes, and then the power goes."""
        self.cuts += 1
        self.counts["processes killed"] += 1
        disk = self.disk.killed(self.random)
        journal = self._inspect(disk)
        if self.random.random() < 0.5:
            journal.flush()
            if journal.failure is None and journal.durable != journal.appended:
                raise BrokenPromise("a flush with no worker left something behind")
        self.counts["power cuts"] += 1
        self._inspect(disk.power_cut(self.random))

    def _inspect(self, disk: SimulatedDisk) -> Journal:
        journal = self._journal(disk, lambda job: job())
        journal.on_damage = self._damaged
        self._open(journal)
        self.model.check(journal)
        return journal

    def crash(self) -> None:
        """The life goes on after a crash of the process or of the machine."""
        self.cuts += 1
        if self.journal.failure is not None and len(self.failures) != 1:
            raise BrokenPromise(f"a failure was told {len(self.failures)} times")
        self.counts["failures told"] += len(self.failures)
        certain = self.random.random() < 0.5
        disk = self.disk.power_cut(self.random) if certain else self.disk.killed(self.random)
        self.counts["power cuts" if certain else "processes killed"] += 1
        durable_before = self.model.durable
        journal = self._start(disk)
        self.model.durable = durable_before
        found = self.model.check(journal)
        self.model.adopt(journal, found, 0 if certain else journal.appended)

    def stop(self) -> None:
        """A clean stop, and the start after it."""
        self.work()
        before = self.journal
        try:
            before.close()
        except StoreError:
            self.crash()
            return
        if before.failure is not None:
            return
        self.counts["clean stops"] += 1
        self.model.marks_written(before.appended)
        self.disk.mend()
        journal = self._start(self.disk)
        self.model.adopt(journal, self.model.check(journal), 0)

    def break_down(self) -> None:
        """From now on something does not work."""
        what = self.random.choice(("write", "sync", "sync", "name"))
        self.disk.fail(what, self.random.randrange(4), self.random.choice((errno.EIO, errno.ENOSPC)))

    # -- what a broker does ----------------------------------------------------------------------------------

    def publish(self) -> None:
        self._append([self._messages()])

    def _busy(self) -> list[int]:
        """The queues that something may happen to now."""
        if self.quiet and self.steps > 20 and self.random.random() < 0.98:
            return self.queue_ids[1:]
        return self.queue_ids

    def transact(self) -> None:
        queue = self.random.choice(self.queue_ids)
        parts: list = [self._messages() for _ in range(self.random.randrange(1, 3))]
        live = self.model.live(queue)
        if live:
            position = self.random.choice(live)
            parts.append(Settled(queue, position, position))
        self._append(parts)
        self.counts["transactions"] += 1

    def _messages(self) -> Published:
        random, model = self.random, self.model
        sizes = (0, 1, 30, 100, 300, 700) if random.random() < 0.95 else (3000, 9000)
        contents = [random.randbytes(random.choice(sizes)) for _ in range(random.choice((1, 1, 2, 5)))]
        queues = []
        for queue in random.sample(self._busy(), random.choice((1, 1, 1, 2, 3))):
            first = model.next_positions.get(queue, 0)
            if random.random() < 0.1:
                first += random.randrange(3)  # messages in between that need not be kept
            model.next_positions[queue] = first + len(contents)
            queues.append((queue, first))
        keys = tuple(random.choice(("", "a", "b.ä")) for _ in range(random.choice((1, 1, 2))))
        return Published(queues, random.choice(("", "x")), keys, contents, random.randrange(1 << 41))

    def _append(self, parts: list) -> None:
        try:
            promise = self.journal.append(*parts)
        except JournalFailed:
            return
        group = Group([], [])
        for part in parts:
            if isinstance(part, Settled):
                self.model.settle((part.queue, part.first), promise)
                group.settled.append((part.queue, part.first))
                continue
            for queue, first in part.queues:
                for number, content in enumerate(part.contents):
                    key = queue, first + number
                    self.model.messages[key] = Message(content, part.exchange, part.keys, part.at_ms, promise)
                    group.published.append(key)
        if len(parts) > 1:
            self.model.groups.append(group)

    def settle(self) -> None:
        queue = self.random.choice(self._busy())
        live = self.model.live(queue)
        if not live:
            return
        start = 0 if self.random.random() < 0.7 else self.random.randrange(len(live))
        if self.stuck and self.random.random() < 0.95:
            start = max(start, self.random.randrange(4))
        if start >= len(live):
            return
        first = live[start]
        last = first
        for position in live[start + 1 : start + self.random.choice((1, 2, 5, 20))]:
            if position != last + 1:
                break
            last = position
        self.journal.settle(queue, first, last)
        for position in range(first, last + 1):
            self.model.settle((queue, position))

    def deliver(self) -> None:
        queue = self.random.choice(self._busy())
        live = self.model.live(queue)
        if live:
            high = self.random.choice(live) + 1
            self.journal.delivered(queue, high)
            self.model.delivered.setdefault(queue, []).append((high, None))

    def count(self) -> None:
        """A message has come back once more, and perhaps waits for another try; most that do so do it again."""
        queue = self.random.choice(self._busy())
        live = self.model.live(queue)
        if not live:
            return
        position = self.random.choice(live[:3] if self.random.random() < 0.7 else live)
        noted = self.model.counted.setdefault((queue, position), [])
        times, due_ms, _ = noted[-1] if noted else (0, 0, None)
        if times and not due_ms and self.random.random() < 0.5:
            due_ms = self.random.randrange(1, 1 << 41)
        else:
            times, due_ms = times + 1, 0
        self.journal.counted(queue, position, times, due_ms)
        noted.append((times, due_ms, None))
        self.counts["counts noted"] += 1

    def flush(self) -> None:
        self.journal.flush(marks=self.random.random() < 0.7)

    def work(self) -> None:
        """The worker gets to its job."""
        while self.jobs:
            self.jobs.pop()()

    def compact(self) -> None:
        before = self.journal.appended
        with suppress(JournalFailed):
            self.journal.compact(self.random.choice((1, 500, 100_000)))
        self.counts["copies by compaction"] += self.journal.appended > before

    def forget(self) -> None:
        """A queue is deleted, and another one made."""
        index = self.random.randrange(len(self.queue_ids))
        queue = self.queue_ids[index]
        self.counts["deleted queues"] += 1
        self.journal.forget(queue)
        self.model.forget(queue)
        self.forgotten.add(queue)
        self.queue_ids[index] = QUEUES_MAX + 1 + len(self.forgotten)
