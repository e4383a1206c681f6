"""What the journal tells its owner, on a real disk unless the disk has to fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.simulation.disk import SimulatedDisk
from tests.store.workers import HeldWorker, Worker, at_once

from menura.core.ports import Published, Settled
from menura.store.disk import RealDisk
from menura.store.journal import Journal
from menura.store.log import JournalFailed
from menura.store.recovery import Damage


def open_journal(folder: Path, **more) -> Journal:
    options = {"run_in_worker": at_once, "call_back": at_once, "segment_bytes": 4096} | more
    journal = Journal(options.pop("disk", RealDisk()), str(folder), **options)
    journal.open()
    return journal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = open_journal(tmp_path)
    yield journal
    journal.close()


def messages(queue: int, first: int, *contents: bytes) -> Published:
    return Published([(queue, first)], "x", ("k",), contents, 7)


def read(journal: Journal, queue: int, first: int = 0, last: int = 1000) -> dict[int, bytes]:
    return {
        stored.first + number: content
        for stored in journal.read(queue, first, last)
        for number, content in enumerate(stored.contents)
    }


def test_a_message_lies_in_every_queue_it_went_to_and_is_written_once(journal: Journal) -> None:
    journal.append(Published([(1, 0), (2, 40)], "x", ("a", "b"), [b"m" * 500], 7))
    journal.flush()
    assert read(journal, 1) == {0: b"m" * 500}
    assert read(journal, 2) == {40: b"m" * 500}
    (stored,) = journal.read(2, 40, 40)
    assert (stored.exchange, stored.keys, stored.at_ms) == ("x", ("a", "b"), 7)
    assert journal.message_bytes == 500
    assert journal.written_bytes < 700


def test_any_range_can_be_read_back_before_it_is_written_and_after(tmp_path: Path) -> None:
    worker = HeldWorker()
    journal = open_journal(tmp_path, run_in_worker=worker.run_in_worker)
    expected = {position: b"%d" % position * 50 for position in range(120)}
    for first in range(0, 40, 4):
        journal.append(messages(1, first, *(expected[first + number] for number in range(4))))
    journal.flush()
    worker.work()
    for first in range(40, 80, 4):
        journal.append(messages(1, first, *(expected[first + number] for number in range(4))))
    journal.flush()
    for first in range(80, 120, 4):
        journal.append(messages(1, first, *(expected[first + number] for number in range(4))))
    for first, last in ((0, 119), (5, 5), (38, 41), (41, 79), (79, 80), (118, 500), (119, 119)):
        wanted = range(first, min(last, 119) + 1)
        assert list(read(journal, 1, first, last).items()) == [(position, expected[position]) for position in wanted]
    assert read(journal, 1, 120, 500) == read(journal, 2) == {}
    worker.work()
    journal.close()


def test_what_is_settled_is_read_no_more_once_the_mark_is_written(journal: Journal) -> None:
    journal.append(messages(1, 0, b"a", b"b", b"c"))
    journal.settle(1, 1, 1)
    assert read(journal, 1) == {0: b"a", 1: b"b", 2: b"c"}
    journal.flush()
    assert read(journal, 1) == {0: b"a", 2: b"c"}
    journal.settle(1, 1, 2)
    journal.flush()
    assert journal.held(1).ranges == [(0, 0)]


def test_held_says_what_there_is(journal: Journal) -> None:
    assert journal.queues() == []
    journal.append(messages(1, 3, b"aa", b"bbb"))
    journal.append(messages(1, 9, b"cccc"))
    journal.delivered(1, 4)
    journal.flush()
    held = journal.held(1)
    assert (held.ranges, held.message_count, held.size_bytes) == ([(3, 4), (9, 9)], 3, 9)
    assert (held.next_position, held.delivered) == (10, 4)
    assert journal.queues() == [1]


def test_durable_is_told_in_order_and_reaches_what_was_appended(tmp_path: Path) -> None:
    told: list[int] = []
    with Worker() as worker:
        journal = open_journal(tmp_path, run_in_worker=worker.run_in_worker, call_back=worker.call_back)
        journal.on_durable = told.append
        for position in range(200):
            last = journal.append(messages(1, position, b"m"))
            journal.flush()
        worker.run_until(lambda: journal.durable == last)
        journal.close()
        worker.run_all()
    assert told == sorted(told)
    assert told[-1] >= last


def test_a_flush_while_the_worker_writes_follows_by_itself(tmp_path: Path) -> None:
    worker = HeldWorker()
    journal = open_journal(tmp_path, run_in_worker=worker.run_in_worker)
    journal.append(messages(1, 0, b"a"))
    journal.flush()
    last = journal.append(messages(1, 1, b"b"))
    journal.flush()
    journal.flush()
    assert len(worker.tasks) == 1
    worker.work()
    assert len(worker.tasks) == 1
    assert journal.durable < last
    worker.work()
    assert (journal.durable, worker.tasks) == (last, [])
    journal.close()


def test_marks_alone_can_wait(tmp_path: Path) -> None:
    worker = HeldWorker()
    journal = open_journal(tmp_path, run_in_worker=worker.run_in_worker)
    journal.append(messages(1, 0, b"a"))
    journal.flush(marks=False)
    worker.work()
    journal.settle(1, 0, 0)
    journal.flush(marks=False)
    assert worker.tasks == []
    journal.flush()
    assert len(worker.tasks) == 1
    worker.work()
    journal.close()


def test_without_news_nothing_is_written(journal: Journal) -> None:
    journal.append(messages(1, 0, b"a"))
    journal.flush()
    written = journal.written_bytes
    journal.flush()
    journal.settle(77, 0, 5)  # a queue with nothing in the journal
    journal.flush()
    assert journal.written_bytes == written


def test_what_is_appended_together_settles_too(journal: Journal) -> None:
    journal.append(messages(1, 0, b"a", b"b"))
    journal.append(messages(2, 0, b"c"), Settled(1, 0, 0), messages(1, 2, b"d"))
    journal.flush()
    assert read(journal, 1) == {1: b"b", 2: b"d"}
    assert read(journal, 2) == {0: b"c"}


def test_a_deleted_queue_is_gone_with_its_marks(journal: Journal) -> None:
    journal.append(Published([(1, 0), (2, 0)], "", ("",), [b"m"]))
    journal.settle(1, 0, 0)
    journal.forget(1)
    journal.forget(1)
    journal.flush()
    assert journal.queues() == [2]
    assert (journal.held(1).message_count, read(journal, 1)) == (0, {})
    assert read(journal, 2) == {0: b"m"}


def test_segments_nothing_lives_in_are_removed(journal: Journal, tmp_path: Path) -> None:
    for position in range(100):
        journal.append(messages(1, position, bytes(500)))
    journal.flush()
    assert journal.segment_count > 10
    journal.settle(1, 0, 99)
    journal.flush()
    assert journal.segment_count == 1
    assert len(list(tmp_path.glob("*.log"))) == 1
    assert journal.size_bytes == sum(path.stat().st_size for path in tmp_path.glob("*.log"))


def test_damage_found_when_reading_is_told_and_costs_only_itself(journal: Journal, tmp_path: Path) -> None:
    told: list[Damage] = []
    journal.on_damage = told.append
    for position in range(3):
        journal.append(messages(1, position, b"%d" % position * 100))
    journal.flush()
    (file,) = tmp_path.glob("*.log")
    data = bytearray(file.read_bytes())
    at = data.index(b"1" * 100) + 50
    data[at] ^= 1
    file.write_bytes(data)
    assert read(journal, 1) == {0: b"0" * 100, 2: b"2" * 100}
    (damage,) = told
    assert damage.path == str(file)
    assert damage.offset <= at < damage.offset + damage.size_bytes
    assert damage.size_bytes < 250
    assert not damage.unfinished


def test_after_a_failure_nothing_is_taken_and_what_there_was_can_be_read() -> None:
    disk = SimulatedDisk(Random(1))
    journal = open_journal(Path("j"), disk=disk)
    told: list[int] = []
    reasons: list[str] = []
    journal.on_durable, journal.on_failure = told.append, reasons.append
    durable = journal.append(messages(1, 0, b"a"))
    journal.flush()
    journal.append(messages(1, 1, b"b"))
    disk.fail("sync", 0)
    journal.flush()
    assert (told, journal.durable, len(reasons), journal.failure) == ([durable], durable, 1, reasons[0])
    with pytest.raises(JournalFailed):
        journal.append(messages(1, 2, b"c"))
    journal.settle(1, 0, 0)
    journal.delivered(1, 1)
    journal.flush()
    assert not journal.compact()
    assert read(journal, 1)[0] == b"a"
    journal.close()
    assert (told, len(reasons)) == ([durable], 1)
    assert "checkpoint" not in disk.list("j")


def test_a_clean_stop_writes_what_has_gathered(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append(messages(1, 0, b"a", b"b"))
    journal.settle(1, 0, 0)
    journal.close()
    again = open_journal(tmp_path)
    assert read(again, 1) == {1: b"b"}
    again.close()


def test_positions_of_the_log_only_grow_over_starts(tmp_path: Path) -> None:
    last = 0
    for position in range(4):
        journal = open_journal(tmp_path)
        assert journal.appended >= last
        last = journal.append(messages(1, position, b"m"))
        journal.flush()
        assert journal.durable == journal.appended >= last
        if position % 2:
            journal.close()
        else:
            journal._log.close()  # a crash of the process


def test_what_was_written_without_sync_is_safe_with_the_first_batch_of_a_start_that_syncs() -> None:
    disk = SimulatedDisk(Random(1))
    expected = {position: b"%d" % position * 100 for position in range(100)}
    journal = open_journal(Path("j"), disk=disk, sync=False)
    for position in range(50):
        journal.append(messages(1, position, expected[position]))
        journal.flush()
    assert any(read(open_journal(Path("j"), disk=disk.power_cut(Random(seed))), 1) == {} for seed in range(20))
    for crash in (False, True):
        again = disk.killed(Random(1))
        if not crash:
            open_journal(Path("j"), disk=again, sync=False).close()
        journal = open_journal(Path("j"), disk=again)
        journal.append(*(messages(1, position, expected[position]) for position in range(50, 100)))
        journal.flush()
        for seed in range(30):
            assert read(open_journal(Path("j"), disk=again.power_cut(Random(seed))), 1) == expected


def test_a_purge_of_a_long_queue_is_one_mark(journal: Journal) -> None:
    for first in range(20_000):
        journal.append(messages(1, first, b""))
    journal.flush()
    written = journal.written_bytes
    journal.settle(1, 0, 19_999)
    journal.flush()
    assert journal.written_bytes - written < 200
    assert (journal.held(1).message_count, journal.live_bytes) == (0, 0)
