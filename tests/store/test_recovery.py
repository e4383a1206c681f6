"""A start after a crash: what comes back, what is reported, and in which words."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from tests.store.workers import at_once

from menura.core.ports import Published, Settled
from menura.store import records
from menura.store.disk import RealDisk
from menura.store.journal import Journal
from menura.store.recovery import Damage, Report

SEGMENT_BYTES = 4096
CONTENT = 300


def make(folder: Path) -> Journal:
    return Journal(RealDisk(), str(folder), run_in_worker=at_once, call_back=at_once, segment_bytes=SEGMENT_BYTES)


def start(folder: Path) -> tuple[Report, Journal]:
    journal = make(folder)
    return journal.open(), journal


def crash(journal: Journal) -> None:
    """The process is gone; its files are as they were."""
    journal._log.close()


def content_of(position: int) -> bytes:
    return b"%05d" % position * (CONTENT // 5)


def publish(journal: Journal, queue: int, *positions: int) -> None:
    for position in positions:
        journal.append(Published([(queue, position)], "x", ("k",), [content_of(position)]))


def fill(folder: Path, count: int = 40) -> None:
    """A crash behind so many messages of queue 1, each in a batch of its own."""
    _, journal = start(folder)
    for position in range(count):
        publish(journal, 1, position)
        journal.flush()
    crash(journal)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.log"))


def place_of(folder: Path, position: int) -> tuple[Path, int]:
    """The file that has a message, and where its content begins."""
    for path in files(folder):
        offset = path.read_bytes().find(content_of(position))
        if offset >= 0:
            return path, offset
    raise AssertionError(f"no file has message {position}")


def damage(path: Path, offset: int, octets: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[offset : offset + len(octets)] = octets
    path.write_bytes(data)


def positions(journal: Journal, queue: int = 1) -> list[int]:
    found = []
    for stored in journal.read(queue, 0, 1 << 40):
        for number, content in enumerate(stored.contents):
            assert content == content_of(stored.first + number)
            found.append(stored.first + number)
    return found


def test_messages_come_back_in_the_order_of_their_queues(tmp_path: Path) -> None:
    _, journal = start(tmp_path)
    for position in range(30):
        publish(journal, 1 + position % 3, position)
        journal.flush()
    crash(journal)
    report, journal = start(tmp_path)
    assert [positions(journal, queue) for queue in (1, 2, 3)] == [list(range(first, 30, 3)) for first in range(3)]
    assert (report.damages, report.from_checkpoint) == ([], False)
    assert report.record_count >= 30
    journal.close()


def test_what_was_settled_does_not_come_back_and_positions_go_on(tmp_path: Path) -> None:
    _, journal = start(tmp_path)
    publish(journal, 1, *range(20))
    journal.settle(1, 0, 9)
    journal.settle(1, 15, 19)
    journal.flush()
    crash(journal)
    _, journal = start(tmp_path)
    assert (journal.held(1).ranges, journal.held(1).next_position) == ([(10, 14)], 20)
    journal.close()


def test_what_had_been_delivered_is_known(tmp_path: Path) -> None:
    _, journal = start(tmp_path)
    publish(journal, 1, *range(10))
    journal.delivered(1, 6)
    journal.counted(1, 4, 2, 0)
    journal.counted(1, 5, 3, 7000)
    journal.flush()
    journal.settle(1, 4, 4)
    journal.flush()
    crash(journal)
    for _ in range(3):
        _, journal = start(tmp_path)
        assert journal.held(1).delivered == 6
        assert journal.counts(1, 0, 9) == [(5, 3, 7000)]
        journal.flush()
        crash(journal)


def test_what_was_never_flushed_does_not_come_back(tmp_path: Path) -> None:
    _, journal = start(tmp_path)
    publish(journal, 1, 0)
    journal.flush()
    publish(journal, 1, 1)
    crash(journal)
    _, journal = start(tmp_path)
    assert positions(journal) == [0]
    journal.close()


@pytest.mark.parametrize("cut", [1, CONTENT // 2, CONTENT + 30])
def test_a_torn_tail_is_left_out_and_reported_as_unfinished(tmp_path: Path, cut: int) -> None:
    fill(tmp_path)
    last = files(tmp_path)[-1]
    whole = last.stat().st_size
    _, content = place_of(tmp_path, 39)
    data = last.read_bytes()[:-cut]
    last.write_bytes(data)
    report, journal = start(tmp_path)
    assert positions(journal) == list(range(39))
    (found,) = report.damages
    assert (found.path, found.unfinished) == (str(last), True)
    assert found.offset + found.size_bytes == whole - cut
    assert found.offset < content
    assert last.read_bytes() == data
    publish(journal, 1, 39)
    journal.flush()
    crash(journal)
    report, journal = start(tmp_path)
    assert (positions(journal), report.damages) == (list(range(40)), [])
    journal.close()


def test_a_tail_torn_between_records_is_nothing_to_report(tmp_path: Path) -> None:
    fill(tmp_path)
    last, content = place_of(tmp_path, 39)
    data = last.read_bytes()
    last.write_bytes(data[: data.rindex(records.MARK, 0, content)])
    report, journal = start(tmp_path)
    assert (positions(journal), report.damages) == (list(range(39)), [])
    journal.close()


def test_damage_in_the_middle_is_reported_with_its_place_and_bounded_to_itself(tmp_path: Path) -> None:
    fill(tmp_path)
    path, offset = place_of(tmp_path, 17)
    damage(path, offset + 100, b"?")
    before = {file: file.read_bytes() for file in files(tmp_path)}
    report, journal = start(tmp_path)
    assert positions(journal) == [*range(17), *range(18, 40)]
    (found,) = report.damages
    assert (found.path, found.unfinished) == (str(path), False)
    assert found.offset < offset + 100 < found.offset + found.size_bytes
    assert CONTENT < found.size_bytes < CONTENT + 120
    assert str(path) in str(found)
    assert f"offset {found.offset:,}" in str(found)
    assert f"{found.size_bytes:,} octets" in str(found)
    assert "lost" in str(found)
    assert {file: file.read_bytes() for file in before} == before
    journal.close()


def test_damage_is_reported_by_every_start_until_its_file_is_gone(tmp_path: Path) -> None:
    fill(tmp_path)
    path, offset = place_of(tmp_path, 3)
    damage(path, offset, b"?")
    reports = []
    for _ in range(3):
        report, journal = start(tmp_path)
        reports.append(report.damages)
        journal.flush()
        crash(journal)
    assert len(reports[0]) == 1
    assert reports[0] == reports[1] == reports[2]
    _, journal = start(tmp_path)
    journal.settle(1, 0, 39)
    journal.flush()
    crash(journal)
    report, journal = start(tmp_path)
    assert report.damages == []
    assert journal.held(1).ranges == []
    journal.close()


@pytest.mark.parametrize("size", [1, 50, 2000])
def test_a_stretch_of_zeros_costs_what_it_covers(tmp_path: Path, size: int) -> None:
    fill(tmp_path)
    path, offset = place_of(tmp_path, 15)
    end = min(offset + size, path.stat().st_size)
    data = path.read_bytes()
    lost = [position for position in range(40) if offset - CONTENT < data.find(content_of(position)) < end + 80]
    damage(path, offset, bytes(end - offset))
    report, journal = start(tmp_path)
    assert set(range(40)) - set(positions(journal)) <= set(lost)
    assert 15 not in positions(journal)
    assert len(report.damages) == 1
    journal.close()


def test_a_damaged_header_costs_no_record(tmp_path: Path) -> None:
    fill(tmp_path)
    damage(files(tmp_path)[1], 0, bytes(64))
    report, journal = start(tmp_path)
    assert positions(journal) == list(range(40))
    (found,) = report.damages
    assert (found.path, found.offset, found.size_bytes) == (str(files(tmp_path)[1]), 0, 64)
    journal.close()


def test_a_missing_file_in_the_middle_is_reported_and_the_rest_loads(tmp_path: Path) -> None:
    fill(tmp_path)
    gone = files(tmp_path)[1]
    data = gone.read_bytes()
    lost = [position for position in range(40) if content_of(position) in data]
    gone.unlink()
    report, journal = start(tmp_path)
    assert positions(journal) == [position for position in range(40) if position not in lost]
    (found,) = report.damages
    assert (found.size_bytes, found.unfinished) == (len(data), False)
    journal.close()


@pytest.mark.parametrize(("guess", "queues"), [(5, [1, 9]), (0, [1])])
def test_a_message_that_looks_like_a_record_is_none_unless_its_sender_knows_the_salt(
    tmp_path: Path, guess: int, queues: list[int]
) -> None:
    """Damage before it makes the search for the next record look at what clients have sent."""
    disk = RealDisk()
    journal = Journal(disk, str(tmp_path), run_in_worker=at_once, call_back=at_once, salt=lambda: 5)
    journal.open()
    publish(journal, 1, 0)
    around = len(records.encode_messages(Published([(1, 1)], "", ("",), [b""]))[0])
    place = journal.appended + records.HEAD_BYTES + records.PART.size + around
    body, _ = records.encode_messages(Published([(9, 0)], "", ("",), [b"forged"]))
    forged = b"".join(records.record_of(records.PUBLISHED, body, place, 0, guess))
    journal.append(Published([(1, 1)], "", ("",), [forged]))
    publish(journal, 1, 2)
    journal.flush()
    crash(journal)
    damage(files(tmp_path)[0], place - 1, b"?")
    _, journal = start(tmp_path)
    assert sorted(journal.queues()) == queues
    assert positions(journal) == [0, 2]
    journal.close()


def test_a_transaction_comes_back_whole_or_not_at_all(tmp_path: Path) -> None:
    _, journal = start(tmp_path)
    publish(journal, 1, 0)
    journal.flush()
    parts = [Published([(queue, 5)], "x", ("k",), [content_of(5)]) for queue in (2, 3)]
    journal.append(*parts, Settled(1, 0, 0))
    journal.flush()
    crash(journal)
    last = files(tmp_path)[-1]
    whole = last.read_bytes()
    last.write_bytes(whole[:-1])
    _, journal = start(tmp_path)
    assert (positions(journal, 1), positions(journal, 2), positions(journal, 3)) == ([0], [], [])
    crash(journal)
    last.write_bytes(whole)
    _, journal = start(tmp_path)
    assert (positions(journal, 1), positions(journal, 2), positions(journal, 3)) == ([], [5], [5])
    journal.close()


def test_starting_again_and_again_does_not_grow_the_log(tmp_path: Path) -> None:
    fill(tmp_path)
    sizes = []
    for _ in range(8):
        _, journal = start(tmp_path)
        assert positions(journal) == list(range(40))
        journal.flush()
        crash(journal)
        sizes.append(sum(path.stat().st_size for path in files(tmp_path)))
    grown = [after - before for before, after in pairwise(sizes[1:])]
    assert max(grown) < 1000


def test_progress_is_told_up_to_the_end(tmp_path: Path) -> None:
    fill(tmp_path)
    told: list[tuple[int, int]] = []
    journal = make(tmp_path)
    report = journal.open(lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1] == (report.size_bytes, report.size_bytes)
    assert {total for _, total in told} == {report.size_bytes}
    journal.close()


def test_what_a_damage_means_is_said_in_words() -> None:
    lost = str(Damage("j/1.log", 1000, 2048, 1000, unfinished=False))
    torn = str(Damage("j/1.log", 1000, 2048, 1000, unfinished=True))
    assert "j/1.log: 2,048 octets from offset 1,000 on are damaged" in lost
    assert "the records behind them are not" in lost
    assert "not finished when the broker stopped" in torn
    assert "No message in them was confirmed" in torn
