"""The log's files: their names and headers, and what somebody is told whose files they are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.store.workers import at_once

from menura.core.ports import Published
from menura.store import segments
from menura.store.disk import RealDisk
from menura.store.errors import StoreError
from menura.store.journal import Journal
from menura.store.segments import HEADER_BYTES, Segment, Segments, decode_header, encode_header, position_in_name

SALT = 0x01020304
FIRST = 0x140
HEADER_ONCE = "4d454e5552412d4a 0100 0100 04030201 4001000000000000 5cde7663 00000000"


def open_journal(folder: Path) -> Journal:
    journal = Journal(RealDisk(), str(folder), run_in_worker=at_once, call_back=at_once, segment_bytes=1024)
    journal.open()
    return journal


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """The three segments of a journal."""
    journal = open_journal(tmp_path)
    for position in range(3):
        journal.append(Published([(1, position)], "", ("",), [bytes(900)]))
    journal.flush()
    journal.close()
    (tmp_path / "checkpoint").unlink()
    return sorted(tmp_path.iterdir())


def said(folder: Path) -> str:
    """What a start on the folder is told; nothing in it may have changed."""
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with pytest.raises(StoreError) as caught:
        open_journal(folder)
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    return str(caught.value)


def test_a_header_has_these_octets_twice() -> None:
    segment = Segment(FIRST, FIRST + HEADER_BYTES, flags=segments.UNSYNCED)
    assert encode_header(segment, SALT).hex() == bytes.fromhex(2 * HEADER_ONCE).hex()


def test_a_header_survives_damage_to_one_of_its_copies() -> None:
    header = encode_header(Segment(FIRST, FIRST), SALT)
    for offset in range(HEADER_BYTES):
        damaged = bytearray(header)
        damaged[offset] ^= 0x10
        assert decode_header(bytes(damaged), FIRST, "path") == (SALT, 0)
    damaged = bytearray(header)
    damaged[0] ^= 1
    damaged[HEADER_BYTES // 2] ^= 1
    assert decode_header(bytes(damaged), FIRST, "path") is None


def test_a_file_is_named_by_its_first_position_in_twenty_digits() -> None:
    assert Segment(FIRST, FIRST).name == "00000000000000000320.log"
    assert position_in_name("00000000000000000320.log") == FIRST
    assert [position_in_name(name) for name in ("320.log", "checkpoint", "00000000000000000320.log.bak")] == [None] * 3


def test_the_segment_of_a_position_is_the_one_that_has_it() -> None:
    three = Segments([Segment(10, 20), Segment(20, 21), Segment(21, 40)])
    assert [three.index(three.at(position)) for position in (10, 19, 20, 21, 39)] == [0, 0, 1, 2, 2]


def test_a_share_of_a_segment_is_by_octets_not_by_number_of_messages() -> None:
    segment = Segment(0, 1_000_000)
    segment.record_bytes = 900_000
    segment.hold(1001, 800_000 + 1000 * 10)
    segment.lose(-1, -800_000)
    assert 850_000 < segment.live_bytes < 900_000
    segment.lose(1, 800_000)
    assert segment.live_bytes == 0


def test_a_newer_format_asks_for_the_newer_version(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(segments, "VERSION", 2)
        salt, _ = decode_header(files[1].read_bytes(), position_in_name(files[1].name), "") or (0, 0)
        header = encode_header(Segment(position_in_name(files[1].name), 0), salt)
    files[1].write_bytes(header + files[1].read_bytes()[HEADER_BYTES:])
    text = said(files[1].parent)
    assert str(files[1]) in text
    assert "format 2" in text
    assert "up to 1" in text
    assert "start that one" in text


def test_files_of_another_program_ask_for_another_folder(tmp_path: Path) -> None:
    foreign = tmp_path / "00000000000000000000.log"
    foreign.write_bytes(b"2026-11-21 all is well\n" * 100)
    text = said(tmp_path)
    assert str(tmp_path) in text
    assert "another program's" in text
    assert "choose another data directory" in text


def test_files_that_were_cut_before_their_first_record_everywhere_are_taken_as_new(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000000.log").write_bytes(b"MENURA-J")
    journal = open_journal(tmp_path)
    assert (journal.size_bytes, journal.queues()) == (0, [])
    journal.close()


def test_a_renamed_file_asks_for_its_name(files: list[Path]) -> None:
    renamed = files[0].with_name("00000000000000000007.log")
    files[0].rename(renamed)
    text = said(renamed.parent)
    assert str(renamed) in text
    assert "begins at 0" in text
    assert "give them their names back" in text


def test_files_of_two_journals_ask_for_the_strangers_to_be_taken_out(files: list[Path], tmp_path: Path) -> None:
    first = position_in_name(files[2].name)
    assert first is not None
    files[2].write_bytes(encode_header(Segment(first, first), SALT) + files[2].read_bytes()[HEADER_BYTES:])
    text = said(tmp_path)
    assert str(tmp_path) in text
    assert "more than one journal" in text
    assert "Take out" in text


def test_a_file_that_cannot_be_read_is_named(files: list[Path]) -> None:
    files[1].unlink()
    files[1].mkdir()
    text = said(files[1].parent)
    assert str(files[1]) in text


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"")
    with pytest.raises(StoreError, match=f"{path} is not a directory"):
        open_journal(path)
