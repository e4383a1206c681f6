"""Reading a data directory without changing it: as a start would find it, whole or damaged."""

from __future__ import annotations

import json
import os
import platform
import random
import shutil
import sqlite3
import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from zlib import crc32

import pytest
from tests.seeds import first_seed
from tests.store.directories import Writer, flip, flip_in, message, segments, unchanged
from tests.store.identity import as_nobody
from tests.store.workers import at_once

from menura.core.content import body_of
from menura.core.definitions import ExchangeDefinition, QueueDefinition
from menura.store.directory import DataDirectory
from menura.store.disk import RealDisk, RealFile
from menura.store.errors import StoreError
from menura.store.journal import Journal
from menura.store.offline import OfflineDirectory, catalog_damages, load_catalog
from menura.store.offline_journal import Message, OfflineJournal
from menura.store.recovery import Damage
from menura.store.schema import VERSION_ZERO
from menura.store.survey import survey, verify


def opened(path: Path) -> OfflineDirectory:
    return OfflineDirectory(path, version="1.0")


def refusal(path: Path) -> str:
    with unchanged(path), pytest.raises(StoreError) as refused:
        opened(path).open()
    return str(refused.value)


@contextmanager
def journal_of(path: Path, whole: bool = True) -> Iterator[OfflineJournal]:
    with unchanged(path), closing(OfflineJournal(path / "journal")) as journal:
        if whole:
            journal.read()
        yield journal


def all_of(journal: OfflineJournal, queue: int) -> tuple[list[Message], list[tuple[Damage, int, int]]]:
    """The queue's messages, and what was lost of them."""
    lost: list[tuple[Damage, int, int]] = []
    return list(journal.messages(queue, lambda *what: lost.append(what))), lost


def bodies(journal: OfflineJournal, queue: int) -> list[bytes]:
    messages, lost = all_of(journal, queue)
    assert lost == []
    return [body_of(message.content) for message in messages]


# -- the directory and its lock --------------------------------------------------------------------------------


def test_it_says_of_which_format_the_directory_is_and_who_made_it(tmp_path: Path) -> None:
    Writer(tmp_path / "data").close()
    with unchanged(tmp_path), OfflineDirectory(tmp_path / "data", version="2.0") as directory:
        assert (directory.format, directory.created_by) == (1, "1.0")


def test_several_read_a_directory_and_no_broker_uses_it_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("menura.store.directory._HOLDER_SECONDS_MAX", 0.05)
    Writer(tmp_path).close()
    with unchanged(tmp_path):
        with opened(tmp_path), opened(tmp_path), pytest.raises(StoreError, match="in use"):
            DataDirectory(tmp_path, version="1.0").open()
    Writer(tmp_path).close()


def test_a_directory_in_use_is_refused_naming_who_uses_it(tmp_path: Path) -> None:
    with Writer(tmp_path):
        sentence = refusal(tmp_path)
    assert f"in use by a broker: process {os.getpid()} on {platform.node()}, since 20" in sentence
    assert "stop the broker first" in sentence


def test_a_copy_without_the_lock_is_readable(tmp_path: Path) -> None:
    Writer(tmp_path).close()
    (tmp_path / "lock").unlink()
    with unchanged(tmp_path), opened(tmp_path):
        pass


@pytest.mark.parametrize(
    ("name", "sentence"), [("none", "There is no directory"), ("file", "is not a directory"), ("empty", "menura.json")]
)
def test_what_is_no_data_directory_is_refused_and_stays_as_it_is(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    said = refusal(tmp_path / name)
    assert sentence in said
    assert str(tmp_path / name) in said
    assert "menura serve --data" in said


@pytest.mark.parametrize(
    ("content", "sentence"), [('{"format": 9, "created_by": "7.1"}', "newer Menura (7.1)"), ("{", "is damaged")]
)
def test_a_format_that_is_not_known_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "menura.json").write_text(content)
    assert sentence in refusal(tmp_path)


@pytest.mark.parametrize("closed", [".", "menura.json", "lock"])
def test_without_permission_it_says_which_file_cannot_be_read(open_folder: Path, closed: str) -> None:
    Writer(open_folder).close()
    for file in (open_folder, *open_folder.rglob("*")):
        file.chmod(0o755)
    (open_folder / closed).chmod(0)
    with as_nobody(), pytest.raises(StoreError) as refused:
        opened(open_folder).open()
    open_folder.chmod(0o755)
    assert f"No permission to read {(open_folder / closed)} " in str(refused.value)


@pytest.mark.parametrize("closed", ["journal", "journal/00000000000000000000.log", "catalog.sqlite3"])
def test_without_permission_for_a_part_it_says_which(open_folder: Path, closed: str) -> None:
    with Writer(open_folder) as writer:
        writer.publish(writer.declare("q"), message("m"))
    for file in (open_folder, *open_folder.rglob("*")):
        file.chmod(0o755)
    (open_folder / closed).chmod(0)
    with as_nobody(), opened(open_folder) as directory, pytest.raises(StoreError) as refused:
        survey(directory)
    (open_folder / closed).chmod(0o755)
    assert f"No permission to read {(open_folder / closed)} " in str(refused.value)


# -- the catalog -----------------------------------------------------------------------------------------------


def test_what_is_only_in_the_log_of_the_catalog_is_read_and_the_log_stays(tmp_path: Path) -> None:
    with Writer(tmp_path / "data") as writer:
        writer.declare("only in the log")
        crashed = writer.crash(tmp_path / "crashed")
    assert (crashed / "catalog.sqlite3-wal").stat().st_size > 0
    with unchanged(crashed):
        names = [queue.name for queue in load_catalog(crashed / "catalog.sqlite3").definitions.queues]
    assert names == ["only in the log"]


def test_an_older_catalog_is_read_and_not_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        for statement in VERSION_ZERO:
            connection.execute(statement)
        connection.commit()
    with unchanged(tmp_path):
        content = load_catalog(path)
    assert content.version == 0
    assert content.definitions.queues == ()


def test_no_catalog_is_an_empty_one(tmp_path: Path) -> None:
    with unchanged(tmp_path):
        assert load_catalog(tmp_path / "catalog.sqlite3").definitions.vhosts == ()


def test_what_is_wrong_with_a_catalog_names_the_file_itself_and_not_the_copy(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    path.write_bytes(b"no database" * 1000)
    with unchanged(tmp_path), pytest.raises(StoreError) as refused:
        load_catalog(path)
    assert str(refused.value).startswith(f"{path} is damaged")
    assert "menura-" not in str(refused.value)
    assert catalog_damages(path) == ["file is not a database"]


# -- the journal as a start finds it ---------------------------------------------------------------------------


def random_life(writer: Writer, queues: list[int], chance: random.Random) -> None:
    """Messages to one or several queues, settled in and out of order, delivered, compacted."""
    for _ in range(chance.randint(20, 120)):
        what = chance.random()
        queue = chance.choice(queues)
        ends = writer.journal.held(queue).next_position
        if what < 0.5:
            targets = sorted(chance.sample(queues, chance.randint(1, len(queues))))
            size = chance.choice([0, 10, 300])
            contents = [message(chance.randbytes(size)) for _ in range(chance.randint(1, 12))]
            writer.publish(targets, *contents, exchange=chance.choice(["", "e"]), at_ms=chance.randint(0, 9))
        elif what < 0.8 and ends:
            first = chance.randrange(ends)
            writer.settle(queue, first, min(ends - 1, first + chance.choice([0, 3, 40])))
        elif what < 0.9:
            writer.journal.delivered(queue, chance.randint(0, ends))
            writer.journal.counted(queue, chance.randint(0, ends), chance.randint(1, 3), chance.choice([0, 5000]))
            writer.journal.flush()
        else:
            writer.journal.compact(chance.choice([1, 100_000]))
            writer.journal.flush()


def as_a_start_finds_it(path: Path, queues: list[int]) -> dict[int, list[tuple[int, str, tuple[str, ...], bytes]]]:
    journal = Journal(RealDisk(), str(path / "journal"), run_in_worker=at_once, call_back=at_once, sync=False)
    journal.open()
    found = {}
    for queue in queues:
        delivered = journal.held(queue).delivered
        counts = {position: counted for position, *counted in journal.counts(queue, 0, 1 << 60)}
        found[queue] = [
            (
                stored.first + index,
                stored.exchange,
                stored.keys,
                content,
                stored.at_ms,
                stored.first + index < delivered,
                *counts.get(stored.first + index, (0, 0)),
            )
            for stored in journal.read(queue, 0, 1 << 60)
            for index, content in enumerate(stored.contents)
        ]
    journal.close()
    return found


@pytest.mark.parametrize("turn", range(12))
def test_it_finds_what_a_start_finds_after_a_clean_stop_and_after_a_crash(tmp_path: Path, turn: int) -> None:
    seed = first_seed() + turn
    print(f"seed {seed}")
    chance = random.Random(seed)
    with Writer(tmp_path / "stopped", segment_bytes=chance.choice([500, 3000, 1 << 20])) as writer:
        queues = [writer.declare(f"q{number}") for number in range(3)]
        random_life(writer, queues, chance)
        writer.crash(tmp_path / "crashed")
    for path in (tmp_path / "stopped", tmp_path / "crashed"):
        with journal_of(path) as journal:
            assert journal.checkpoint_state == ("fits" if path.name == "stopped" else "none")
            found = {queue: [tuple(each) for each in all_of(journal, queue)[0]] for queue in queues}
        assert found == as_a_start_finds_it(path, queues)


def test_with_a_checkpoint_messages_come_without_reading_the_whole_journal(tmp_path: Path) -> None:
    with Writer(tmp_path) as writer:
        queue = writer.declare("q")
        writer.publish(queue, message("a"), message("b"))
    with journal_of(tmp_path, whole=False) as journal:
        assert journal.from_checkpoint
        assert bodies(journal, queue) == [b"a", b"b"]


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    with journal_of(tmp_path) as journal:
        assert (journal.segments, journal.queues, journal.damages) == ([], {}, [])
        assert bodies(journal, 1) == []


def test_records_are_counted_by_segment(tmp_path: Path) -> None:
    with Writer(tmp_path, segment_bytes=1000) as writer:
        queue = writer.declare("q")
        for _ in range(9):
            writer.publish(queue, message(bytes(200)))
    with journal_of(tmp_path) as journal:
        assert len(journal.segments) > 2
        assert sum(journal.record_counts) == 9
        assert [segment.live for segment in journal.segments] == journal.record_counts


def test_a_record_is_read_once_however_many_gaps_are_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Writer(tmp_path) as writer:
        queue = writer.declare("q")
        writer.publish(queue, *(message(str(number)) for number in range(1000)))
        for number in range(0, 1000, 2):
            writer.settle(queue, number, number)
    reads: list[int] = []
    read_at = RealFile.read_at

    def counted(self: RealFile, offset: int, size_bytes: int) -> bytes:
        reads.append(size_bytes)
        return read_at(self, offset, size_bytes)

    with journal_of(tmp_path, whole=False) as journal:
        monkeypatch.setattr(RealFile, "read_at", counted)
        assert bodies(journal, queue) == [str(number).encode() for number in range(1, 1000, 2)]
        monkeypatch.undo()
    assert len(reads) == 1


def test_a_long_queue_is_not_held_in_memory(tmp_path: Path) -> None:
    body = bytes(1 << 20)
    with Writer(tmp_path, segment_bytes=8 << 20) as writer:
        queue = writer.declare("q")
        for _ in range(40):
            writer.publish(queue, message(body))
    with journal_of(tmp_path, whole=False) as journal:
        tracemalloc.start()
        count = sum(1 for _ in journal.messages(queue, lambda *what: None))
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert count == 40
    assert peak_bytes < 10 << 20


# -- damage ----------------------------------------------------------------------------------------------------


def three_records(path: Path, *, crash: bool) -> tuple[Path, int, str]:
    """A directory with the messages first, second and third, a record each; the queue's id and the segment's path."""
    with Writer(path) as writer:
        queue = writer.declare("q")
        for body in ("first", "second", "third"):
            writer.publish(queue, message(body))
        if crash:
            path = writer.crash(path.with_name("crashed"))
    (segment,) = segments(path)
    return path, queue, str(segment)


@pytest.mark.parametrize("crash", [False, True])
def test_a_flipped_bit_costs_the_record_it_hits_and_is_found_with_or_without_a_checkpoint(
    tmp_path: Path, crash: bool
) -> None:
    path, queue, segment = three_records(tmp_path / "data", crash=crash)
    offset = flip_in(Path(segment), b"second")
    with journal_of(path) as journal:
        (damage,) = journal.damages
        assert damage.path == segment
        assert damage.offset < offset < damage.offset + damage.size_bytes
        assert not damage.unfinished
        messages, lost = all_of(journal, queue)
        assert [(each.position, body_of(each.content)) for each in messages] == [(0, b"first"), (2, b"third")]
        assert [(first, last) for _, first, last in lost] == ([] if crash else [(1, 1)])


def test_a_tail_cut_off_after_a_crash_was_an_unfinished_write(tmp_path: Path) -> None:
    path, queue, segment = three_records(tmp_path / "data", crash=True)
    os.truncate(segment, Path(segment).stat().st_size - 3)
    with journal_of(path) as journal:
        (damage,) = journal.damages
        assert damage.unfinished
        assert bodies(journal, queue) == [b"first", b"second"]
    with unchanged(path), opened(path) as directory:
        assert verify(directory).sound


def test_a_tail_cut_off_after_a_clean_stop_is_damage(tmp_path: Path) -> None:
    path, queue, segment = three_records(tmp_path / "data", crash=False)
    os.truncate(segment, Path(segment).stat().st_size - 3)
    with journal_of(path) as journal:
        assert journal.checkpoint_state == "does not fit"
        assert {damage.unfinished for damage in journal.damages} == {False}
        assert bodies(journal, queue) == [b"first", b"second"]


def test_one_damaged_copy_of_a_header_is_found_though_nothing_is_lost(tmp_path: Path) -> None:
    path, queue, segment = three_records(tmp_path / "data", crash=True)
    for offset in (0, 33, 60):
        damaged = path.with_name(f"at {offset}")
        shutil.copytree(path, damaged)
        flip(segments(damaged)[0], offset)
        with journal_of(damaged) as journal:
            assert [each.name for each in journal.damaged_headers()] == [Path(segment).name]
            assert journal.damages == []
            assert len(bodies(journal, queue)) == 3
    with journal_of(path) as journal:
        assert journal.damaged_headers() == []


def test_a_damaged_checkpoint_is_told_and_the_journal_read_instead(tmp_path: Path) -> None:
    path, queue, _ = three_records(tmp_path / "data", crash=False)
    flip(path / "journal" / "checkpoint", 50)
    with journal_of(path) as journal:
        assert journal.checkpoint_state == "cannot be used"
        assert len(bodies(journal, queue)) == 3
    with unchanged(path), opened(path) as directory:
        (finding,) = verify(directory).findings
    assert "checkpoint is damaged" in finding.sentence
    assert "Nothing is lost" in finding.sentence


@pytest.mark.parametrize("offset", range(10))
def test_verify_finds_every_flipped_bit_of_the_journal(tmp_path: Path, offset: int) -> None:
    path, _, segment = three_records(tmp_path / "data", crash=False)
    original = Path(segment).read_bytes()
    for position in range(offset, len(original), 10):
        flip(Path(segment), position)
        with opened(path) as directory:
            assert not verify(directory).sound, position
        Path(segment).write_bytes(original)
    with opened(path) as directory:
        assert verify(directory) == (1, 3, len(original), [])


def test_verify_says_whose_messages_were_hit_if_a_checkpoint_knows(tmp_path: Path) -> None:
    path, _, segment = three_records(tmp_path / "data", crash=False)
    flip_in(Path(segment), b"second")
    with unchanged(path), opened(path) as directory:
        (finding,) = verify(directory).findings
    assert finding.sentence.endswith("Messages in them: 1 of queue 'q' in '/'.")


def test_verify_says_that_the_catalog_is_missing_if_there_are_messages(tmp_path: Path) -> None:
    path, _, _ = three_records(tmp_path / "data", crash=False)
    (path / "catalog.sqlite3").unlink()
    with unchanged(path), opened(path) as directory:
        (finding,) = verify(directory).findings
    assert f"{path / 'catalog.sqlite3'} is missing" in finding.sentence


def test_verify_finds_damage_of_the_catalog_and_goes_on(tmp_path: Path) -> None:
    path, _, segment = three_records(tmp_path / "data", crash=False)
    catalog = path / "catalog.sqlite3"
    data = bytearray(catalog.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    catalog.write_bytes(data)
    flip_in(Path(segment), b"second")
    with unchanged(path), opened(path) as directory:
        verdict = verify(directory)
    assert not verdict.sound
    assert any(str(catalog) in finding.sentence for finding in verdict.findings)
    assert any(segment in finding.sentence for finding in verdict.findings)


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path, _, segment = three_records(tmp_path / "data", crash=True)
    fields = struct.pack("<8sHHIQ", b"MENURA-J", 99, 0, 1, 0)
    with Path(segment).open("r+b") as file:
        file.write((fields + struct.pack("<II", crc32(fields), 0)) * 2)
    with unchanged(path), opened(path) as directory, pytest.raises(StoreError, match="format 99") as refused:
        survey(directory)
    assert segment in str(refused.value)


# -- the survey ------------------------------------------------------------------------------------------------


def test_the_survey_counts_what_there_is(tmp_path: Path) -> None:
    with Writer(tmp_path) as writer:
        first, second = writer.declare("first"), writer.declare("second", "v")
        writer.catalog.put(ExchangeDefinition("/", "e"))
        writer.publish([first, second], *(message(str(number)) for number in range(10)))
        writer.settle(first, 0, 3)
        writer.settle(first, 6, 6)
        writer.journal.delivered(first, 8)
        writer.journal.counted(first, 5, 2, 0)
        writer.journal.flush()
    size_bytes = len(message("0"))
    with unchanged(tmp_path), opened(tmp_path) as directory:
        found = survey(directory)
    assert found.definitions | {"vhosts": 2, "exchanges": 1, "queues": 2, "users": 0} == found.definitions
    assert found.queues == [
        ("/", "first", first, 5, 5 * size_bytes, 4, 9, 3, 1),
        ("v", "second", second, 10, 10 * size_bytes, 0, 9, 0, 0),
    ]
    (segment,) = found.segments
    assert (segment.records, segment.live_messages, segment.unsynced) == (4, 15, True)
    assert segment.size_bytes == segments(tmp_path)[0].stat().st_size
    assert found.damages == found.deleted_queues == []
    json.dumps(found.as_json())


def test_a_queue_whose_definition_is_gone_is_shown_and_its_messages_do_not_count_as_living(tmp_path: Path) -> None:
    with Writer(tmp_path / "data") as writer:
        kept, deleted, empty = (writer.declare(name) for name in ("kept", "deleted", "empty"))
        writer.publish([kept, deleted, empty], message("m"))
        writer.settle(empty, 0, 0)
        for name in ("deleted", "empty"):
            writer.catalog.delete(QueueDefinition("/", name, 0))
        writer.catalog.flush()
        crashed = writer.crash(tmp_path / "crashed")
    with unchanged(crashed), opened(crashed) as directory:
        found = survey(directory)
    assert [row.name for row in found.queues] == ["kept"]
    assert found.deleted_queues == [(deleted, 1, len(message("m")))]
    assert sum(row.live_messages for row in found.segments) == 1
