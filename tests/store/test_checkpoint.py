"""The checkpoint: a clean stop makes the next start immediate, and nothing relies on one that does not fit."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from tests.simulation.disk import SimulatedDisk
from tests.store.workers import at_once

from menura.core.ports import Published
from menura.store.disk import RealDisk
from menura.store.errors import StoreError
from menura.store.journal import Journal
from menura.store.recovery import Report


def a_journal(disk: RealDisk | SimulatedDisk, folder: str = "j") -> Journal:
    return Journal(disk, folder, run_in_worker=at_once, call_back=at_once, segment_bytes=1024)


def fill(journal: Journal) -> None:
    """Something of everything a checkpoint keeps."""
    for position in range(20):
        journal.append(Published([(1, position), (2, 2 * position)], "x", ("k",), [b"%d" % position * 100]))
    journal.settle(1, 0, 4)
    journal.settle(1, 7, 8)
    journal.settle(2, 30, 30)
    journal.delivered(2, 11)
    journal.counted(1, 9, 2, 0)
    journal.counted(2, 6, (1 << 63) - 1, (1 << 63) - 1)
    journal.flush()


def state(journal: Journal) -> dict:
    return {
        queue: (journal.held(queue), journal.read(queue, 0, 100), journal.counts(queue, 0, 100))
        for queue in sorted(journal.queues())
    }


def start(disk: RealDisk | SimulatedDisk, folder: str = "j") -> tuple[Report, Journal]:
    journal = a_journal(disk, folder)
    return journal.open(), journal


def test_a_start_after_a_clean_stop_reads_no_record_and_knows_the_same(tmp_path: Path) -> None:
    _, journal = start(RealDisk(), str(tmp_path))
    fill(journal)
    journal.close()
    report, again = start(RealDisk(), str(tmp_path))
    assert (report.from_checkpoint, report.record_count, report.damages) == (True, 0, [])
    assert state(again) == state(journal)
    assert (again.live_bytes, again.size_bytes) == (journal.live_bytes, journal.size_bytes)
    again.close()
    (tmp_path / "checkpoint").unlink()
    report, read = start(RealDisk(), str(tmp_path))
    assert not report.from_checkpoint
    assert state(read) == state(journal)
    read.close()


def test_it_is_used_again_when_nothing_was_written_in_between() -> None:
    disk = SimulatedDisk(Random(1))
    _, journal = start(disk)
    fill(journal)
    journal.close()
    for _ in range(3):
        report, journal = start(disk)
        assert report.from_checkpoint
        journal.close()


def test_after_a_clean_stop_no_power_cut_costs_the_checkpoint() -> None:
    disk = SimulatedDisk(Random(1))
    _, journal = start(disk)
    fill(journal)
    journal.close()
    for seed in range(50):
        assert start(disk.power_cut(Random(seed)))[0].from_checkpoint


def test_it_is_gone_before_anything_else_is_written() -> None:
    disk = SimulatedDisk(Random(1))
    _, journal = start(disk)
    fill(journal)
    journal.close()
    _, journal = start(disk)
    fitting: list[bool] = []

    def look() -> None:
        if len(disk.list("j")) > count:
            fitting.append("checkpoint" in disk.list("j"))

    count = len(disk.list("j"))
    disk.on_change = look
    journal.append(Published([(1, 50)], "", ("",), [b"m"]))
    journal.flush()
    disk.on_change = lambda: None
    assert "checkpoint" not in disk.list("j")
    assert not any(fitting)
    report, again = start(disk.killed(Random(1)))
    assert (report.from_checkpoint, report.damages) == (False, [])
    assert again.held(1).ranges[-1] == (50, 50)


def test_after_a_crash_none_is_used(tmp_path: Path) -> None:
    _, journal = start(RealDisk(), str(tmp_path))
    fill(journal)
    journal._log.close()  # a crash of the process
    report, again = start(RealDisk(), str(tmp_path))
    assert (report.from_checkpoint, report.record_count > 0) == (False, True)
    again.close()


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_one_costs_only_time(seed: int) -> None:
    disk = SimulatedDisk(Random(1))
    _, journal = start(disk)
    fill(journal)
    expected = state(journal)
    journal.close()
    disk.flip_bit("j/checkpoint", Random(seed))
    report, again = start(disk)
    assert (report.from_checkpoint, report.damages) == (False, [])
    assert state(again) == expected


def test_one_of_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SimulatedDisk(Random(1))
    _, journal = start(disk)
    fill(journal)
    journal.close()
    monkeypatch.setattr("menura.store.checkpoint.VERSION", 1)
    assert not start(disk)[0].from_checkpoint


@pytest.mark.parametrize("which", ["oldest", "one in the middle", "newest", "all"])
def test_a_file_that_went_missing_since_is_reported_and_its_place_is_named(which: str) -> None:
    disk = SimulatedDisk(Random(1))
    _, journal = start(disk)
    fill(journal)
    journal.close()
    names = [name for name in disk.list("j") if name.endswith(".log")]
    gone = {"oldest": names[:1], "one in the middle": names[3:4], "newest": names[-1:], "all": names}[which]
    size_bytes = sum(disk.size(f"j/{name}") for name in gone)
    for name in gone:
        disk.remove(f"j/{name}")
    report, again = start(disk)
    assert not report.from_checkpoint
    assert sum(damage.size_bytes for damage in report.damages) == size_bytes
    assert [damage.position for damage in report.damages] == [int(gone[0].removesuffix(".log"))]
    assert not any(damage.unfinished for damage in report.damages)
    again.append(Published([(1, 50)], "", ("",), [b"m"]))
    again.flush()
    assert again.durable == again.appended


def test_a_stop_that_the_disk_refuses_says_so_and_costs_only_time() -> None:
    disk = SimulatedDisk(Random(1))
    _, journal = start(disk)
    fill(journal)
    expected = state(journal)
    disk.fail("write", 0, 28)
    with pytest.raises(StoreError, match="disk is full"):
        journal.close()
    report, again = start(disk)
    assert not report.from_checkpoint
    assert state(again) == expected
