"""The log: batches, failures, segments and reading back. The worker does its job when the test says so."""

from __future__ import annotations

import errno
from collections.abc import Callable
from random import Random

import pytest
from tests.simulation.disk import SimulatedDisk, SimulatedFile
from tests.store.workers import HeldWorker, at_once

from menura.store import records
from menura.store.log import JournalFailed, Log
from menura.store.segments import HEADER_BYTES, SEGMENT_BYTES


class CountingDisk(SimulatedDisk):
    """Says what was done to the segments' files, in order."""

    def __init__(self) -> None:
        super().__init__(Random(1))
        self.done: list[str] = []

    def create(self, path: str) -> SimulatedFile:
        self.done.append("create")
        return CountingFile(self, super().create(path)._node)

    def sync_folder(self, path: str) -> None:
        self.done.append("sync folder")
        super().sync_folder(path)

    def remove(self, path: str) -> None:
        self.done.append("remove")
        super().remove(path)


class CountingFile(SimulatedFile):
    def write(self, chunks: list[bytes]) -> None:  # type: ignore[override]
        self._disk.done.append("write")  # type: ignore[attr-defined]
        super().write(chunks)

    def sync(self) -> None:
        self._disk.done.append("sync")  # type: ignore[attr-defined]
        super().sync()


class Setting:
    """A log, its disk, the worker, and what the owner was told."""

    def __init__(self, segment_bytes: int = SEGMENT_BYTES, sync: bool = True) -> None:
        self.disk = CountingDisk()
        self.worker = HeldWorker()
        self.now = 0.0
        self.told: list[int] = []
        self.failures: list[str] = []
        self.log = self.make(self.worker.run_in_worker, segment_bytes, sync)
        self.log.on_finished = lambda: self.told.append(self.log.durable)
        self.log.on_failure = self.failures.append
        self.log.begin([], 0, 0, 99)

    def make(self, run: Callable, segment_bytes: int, sync: bool) -> Log:
        return Log(
            self.disk, "j", run_in_worker=run, call_back=at_once, sync=sync,
            segment_bytes=segment_bytes, clock=lambda: self.now,
        )  # fmt: skip

    def append(self, body: bytes = b"") -> tuple[int, int]:
        return self.log.append(records.PUBLISHED, body)

    def write(self) -> None:
        """One batch, to its end."""
        self.log.start()
        self.worker.work()

    def bodies(self, wanted: list[tuple[int, int]]) -> list[bytes | None]:
        found = []
        for (_, size), each in zip(wanted, self.log.load(wanted), strict=True):
            start = records.HEAD_BYTES + records.PART.size
            found.append(each and each[0][each[1] + start : each[1] + size])
        return found


def test_a_batch_is_one_write_and_one_sync() -> None:
    setting = Setting()
    setting.append(b"first")
    setting.write()
    assert setting.disk.done == ["create", "write", "sync", "sync folder", "write", "sync"]
    setting.disk.done.clear()
    for _ in range(1000):
        setting.append(b"more")
    assert setting.disk.done == []
    setting.write()
    assert setting.disk.done == ["write", "sync"]


def test_the_next_batch_gathers_while_one_is_written() -> None:
    setting = Setting()
    setting.append()
    setting.log.start()
    in_batch = setting.log.appended
    setting.append()
    assert (setting.log.busy, setting.log.gathered, setting.log.durable) == (True, True, 0)
    setting.worker.work()
    assert (setting.log.busy, setting.log.gathered, setting.log.durable) == (False, True, in_batch)
    setting.write()
    assert setting.told == [in_batch, setting.log.appended]


def test_nothing_is_durable_before_its_sync_has_returned() -> None:
    setting = Setting()
    setting.append()
    seen = []
    setting.disk.on_change = lambda: seen.append(setting.log.durable)
    setting.write()
    assert set(seen) == {0}
    assert setting.log.durable == setting.log.appended > 0


def test_without_sync_nothing_is_synced() -> None:
    setting = Setting(sync=False, segment_bytes=100)
    for _ in range(4):
        setting.append(bytes(40))
        setting.write()
    assert not any("sync" in done for done in setting.disk.done)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("what", ["write", "sync", "name"])
def test_a_failure_is_final_and_told_once(what: str, number: int) -> None:
    setting = Setting()
    setting.append()
    setting.write()
    durable = setting.log.durable
    setting.append()
    if what == "name":
        setting = Setting()
        durable = 0
        setting.append()
    setting.disk.fail(what, 0, number)
    setting.write()
    assert len(setting.failures) == 1
    assert ("full" in setting.failures[0]) == (number == errno.ENOSPC)
    assert "j" in setting.failures[0]
    assert setting.log.failure == setting.failures[0]
    done = list(setting.disk.done)
    with pytest.raises(JournalFailed, match=r"disk"):
        setting.append()
    setting.log.start()
    assert (setting.worker.tasks, setting.disk.done, setting.log.durable) == ([], done, durable)
    setting.log.close()
    assert len(setting.failures) == 1


def test_what_gathered_behind_a_failing_batch_is_not_written() -> None:
    setting = Setting()
    setting.append()
    setting.disk.fail("sync", 0)
    setting.log.start()
    setting.append()
    setting.worker.work()
    setting.log.start()
    assert (setting.worker.tasks, setting.log.durable, setting.told) == ([], 0, [])


def test_a_sync_that_takes_long_shows() -> None:
    setting = Setting()
    assert setting.log.stalled_seconds == 0.0
    setting.append()
    setting.log.start()
    setting.now = 7.5
    assert setting.log.stalled_seconds == 7.5
    setting.worker.work()
    assert setting.log.stalled_seconds == 0.0


def test_a_record_lies_in_one_segment_whatever_its_size() -> None:
    setting = Setting(segment_bytes=1000)
    wanted = [setting.append(bytes([size % 251]) * size) for size in (300, 300, 500, 5000, 1, 900, 900)]
    setting.write()
    segments = setting.log.segments
    for position, size in wanted:
        segment = segments.at(position)
        assert segment.first + HEADER_BYTES <= position
        assert position + size <= segment.end
    assert [segment.first for segment in segments[1:]] == [segment.end for segment in segments[:-1]]
    assert all(segment.size_bytes <= 1000 or segment.size_bytes > 5000 for segment in segments)
    assert [len(body or b"") for body in setting.bodies(wanted)] == [300, 300, 500, 5000, 1, 900, 900]


def test_a_segment_begins_on_the_disk_before_a_record_follows() -> None:
    setting = Setting(segment_bytes=200)
    for _ in range(2):
        setting.append(bytes(120))
    setting.write()
    begin = ["create", "write", "sync", "sync folder", "write", "sync"]
    assert setting.disk.done == begin * 2


def test_dead_segments_go_oldest_first_each_for_certain_and_after_the_batch() -> None:
    setting = Setting(segment_bytes=200)
    for _ in range(3):
        setting.append(bytes(120))
    setting.write()
    setting.append(bytes(120))
    setting.disk.done.clear()
    dead = setting.log.segments[:2]
    setting.log.start(dead)
    setting.worker.work()
    assert setting.disk.done[-6:] == ["write", "sync", "remove", "sync folder", "remove", "sync folder"]
    assert setting.disk.list("j") == [segment.name for segment in setting.log.segments]


def test_records_are_read_back_before_while_and_after_they_are_written() -> None:
    setting = Setting()
    wanted = [setting.append(b"one")]
    assert setting.bodies(wanted) == [b"one"]
    setting.log.start()
    wanted.append(setting.append(b"two"))
    assert setting.bodies(wanted) == [b"one", b"two"]
    setting.worker.work()
    setting.write()
    wanted.append(setting.append(b"three"))
    assert setting.bodies(wanted[::-1]) == [b"three", b"two", b"one"]


def test_a_damaged_record_is_none_and_its_neighbours_are_read() -> None:
    setting = Setting()
    wanted = [setting.append(bytes([number]) * 10) for number in range(3)]
    setting.write()
    node = setting.disk.names[f"j/{setting.log.segments[0].name}"]
    node.seen[wanted[1][0] + records.HEAD_BYTES + 8] ^= 1
    assert setting.bodies(wanted) == [bytes(10), None, bytes([2]) * 10]


def test_what_cannot_be_read_is_none() -> None:
    setting = Setting()
    wanted = [setting.append(b"one")]
    setting.write()
    setting.disk.fail("read", 0)
    assert setting.bodies(wanted) == [None]
    assert setting.bodies(wanted) == [b"one"]


def test_every_record_says_how_much_was_synced_before_its_batch() -> None:
    setting = Setting()
    wanted = [setting.append(), setting.append()]
    setting.log.start()
    end = setting.log.appended
    wanted.append(setting.append())
    setting.worker.work()
    setting.write()
    found = [records.HEAD.unpack_from(*each)[4] for each in setting.log.load(wanted) if each]
    assert found == [0, 0, end]


def test_a_record_that_no_size_field_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "PAYLOAD_BYTES_MAX", 1000)
    setting = Setting()
    with pytest.raises(ValueError, match="octets are more"):
        setting.append(bytes(1000))
    setting.append(bytes(900))


def test_what_is_asked_of_the_disk_is_counted_and_timed() -> None:
    setting = Setting()
    setting.write()
    assert setting.log.use.writes == setting.log.use.syncs == 0
    places = [setting.append(bytes(100)) for _ in range(3)]

    def slowly() -> None:
        setting.now += {"write": 0.25, "sync": 2.0}.get(setting.disk.done[-1], 0.0)

    setting.disk.on_change = slowly
    setting.write()
    use = setting.log.use
    assert (use.writes, use.syncs, use.reads) == (1, 1, 0)
    assert (use.write_seconds, use.sync_times.sum) == (0.25, 2.0)  # but for making the file
    setting.log.load(places)
    assert (use.reads, use.read_bytes) == (1, sum(size for _, size in places))


def test_a_log_that_does_not_sync_has_no_times_of_syncs() -> None:
    setting = Setting(sync=False)
    setting.append()
    setting.write()
    assert (setting.log.use.writes, setting.log.use.syncs) == (1, 0)
