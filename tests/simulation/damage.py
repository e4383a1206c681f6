"""A life as in `world`, without crashes in between, and then bits flip on the disk.

What may be missing afterwards is computed from the sound log: the messages whose only place is a record that was hit.
Everything that was hit has to be reported, and nothing else; what was settled may return only if a record
that says so was hit.
"""

from __future__ import annotations

from random import Random

from tests.simulation.disk import SimulatedDisk
from tests.simulation.model import BrokenPromise
from tests.simulation.world import FOLDER, World

from menura.store import records
from menura.store.checkpoint import NAME
from menura.store.recovery import Recovery, find_segments, stretches
from menura.store.segments import HEADER_BYTES

HAPPENINGS = ("damaged disks", "damages reported", "damages that cost messages", "damages in the middle")


class DamagedWorld(World):
    """`run` returns the number of damaged disks looked at."""

    def look(self) -> None:
        """Nothing is cut here."""

    def run(self, rounds: int = 20) -> int:
        super().run()
        self.work()
        if self.journal.failure is None:
            self.journal.flush()
            self.work()
        self._start_sound()
        if self.random.random() < 0.3:
            self.journal.close()
            self.model.marks_written(self.journal.appended)
            self.model.durable = self.journal.appended
        for _ in range(rounds):
            self._damage(self.disk.killed(Random(self.random.random())))
        return rounds

    def _start_sound(self) -> None:
        """Whatever the life ended with: crash, go on, and have everything on the disk."""
        self.crash()
        for _ in range(3):
            self.publish()
        self.settle()
        self.journal.flush()
        self.work()
        if self.journal.durable != self.journal.appended:
            raise BrokenPromise("a flush on a sound disk left something behind")

    def _damage(self, disk: SimulatedDisk) -> None:
        layout = find_segments(disk, FOLDER)
        sound = Recovery(disk, FOLDER, layout)
        sound.run()
        hit: set[int] = set()
        for _ in range(self.random.choice((1, 1, 2, 5))):
            path = self.random.choice([f"{FOLDER}/{name}" for name in disk.list(FOLDER)])
            offset = disk.flip_bit(path, self.random)
            if offset >= 0 and not path.endswith(NAME):
                first = next(s.first for s in layout.segments if path.endswith(s.name))
                hit.add(first + offset)
        if f"{FOLDER}/{NAME}" in disk.names:
            disk.remove(f"{FOLDER}/{NAME}")  # with it, damage shows only when it is read
        self._compare(disk, sound, layout, hit)

    def _compare(self, disk: SimulatedDisk, sound: Recovery, layout, hit: set[int]) -> None:
        hit_records: set[int] = set()
        expected: set[int] = set()  # octets that may be reported
        marks_hit = False
        for segment in layout.segments:
            data = bytes(self.disk.names[f"{FOLDER}/{segment.name}"].seen)
            expected |= set(range(segment.first, segment.first + HEADER_BYTES))
            for valid, start, end in stretches(data, segment.first, layout.salt):
                octets = range(segment.first + start, segment.first + end)
                if not valid:
                    expected |= set(octets)
                elif hit.intersection(octets):
                    hit_records.add(octets.start)
                    expected |= set(octets)
                    kinds = {kind for kind, _, _ in records.parts_of(data, start + records.HEAD_BYTES, end)}
                    marks_hit |= not kinds <= {records.PUBLISHED, records.COPIED}
        lost = {
            (queue, position)
            for queue, places in sound.queues.items()
            for entry in places.live()
            if entry.place in hit_records
            for position in range(entry.first, entry.first + entry.number)
        }
        journal = self._journal(disk, lambda job: job())
        report = journal.open()
        for queue in self.forgotten.intersection(journal.queues()):
            journal.forget(queue)
        self.model.check(journal, lost=lost | {(0, 0)}, returned=marks_hit)
        self.counts["damaged disks"] += 1
        self.counts["damages reported"] += len(report.damages)
        self.counts["damages that cost messages"] += bool(lost)
        self.counts["damages in the middle"] += any(d.position + d.size_bytes < sound.end for d in report.damages)
        reported = {position for d in report.damages for position in range(d.position, d.position + d.size_bytes)}
        known = {position for first, last in _pairs(sound.noted.flat()) for position in range(first, last + 1)}
        if not reported <= expected:
            raise BrokenPromise(f"sound octets are reported: {sorted(reported - expected)[:5]} ...")
        missed = {place for place in hit_records if place not in reported and place not in known}
        if missed:
            raise BrokenPromise(f"records at {missed} were hit, and nobody said so")


def _pairs(numbers: list[int]) -> list[tuple[int, int]]:
    return list(zip(numbers[::2], numbers[1::2], strict=True))
