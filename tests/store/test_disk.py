"""The disk's port, on the real file system and on the simulated one that stands in for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from tests.simulation.disk import SimulatedDisk

from menura.store.disk import Disk, RealDisk

DISKS: dict[str, Callable[[], Disk]] = {"real": RealDisk, "simulated": lambda: SimulatedDisk(Random(1))}


@pytest.fixture(params=DISKS)
def disk(request: pytest.FixtureRequest) -> Disk:
    return DISKS[request.param]()


@pytest.fixture
def folder(disk: Disk, tmp_path: Path) -> str:
    path = f"{tmp_path}/a/b"
    disk.make_folder(path)
    disk.make_folder(path)
    return path


def written(disk: Disk, path: str, data: bytes) -> None:
    file = disk.create(path)
    file.write([data])
    file.close()


def content(disk: Disk, path: str) -> bytes:
    file = disk.open(path)
    try:
        return file.read_at(0, disk.size(path))
    finally:
        file.close()


def test_what_is_written_can_be_read_at_once(disk: Disk, folder: str) -> None:
    file = disk.create(f"{folder}/x")
    file.write([b"ab", b"", b"cd"])
    file.write([])
    file.write([b"ef"])
    file.sync()
    reader = disk.open(f"{folder}/x")
    assert [reader.read_at(*where) for where in ((0, 6), (3, 2), (4, 100), (6, 1))] == [b"abcdef", b"de", b"ef", b""]
    assert disk.size(f"{folder}/x") == 6
    reader.close()
    file.close()


def test_a_write_takes_more_chunks_than_the_system_does_at_once(disk: Disk, folder: str) -> None:
    chunks = [b"%07d\n" % number for number in range(5000)]
    file = disk.create(f"{folder}/x")
    file.write(chunks)
    file.close()
    assert content(disk, f"{folder}/x") == b"".join(chunks)


def test_nothing_that_is_there_is_opened_for_writing(disk: Disk, folder: str) -> None:
    written(disk, f"{folder}/x", b"precious")
    with pytest.raises(FileExistsError):
        disk.create(f"{folder}/x")
    assert content(disk, f"{folder}/x") == b"precious"


def test_names_are_listed_in_order(disk: Disk, folder: str) -> None:
    for name in ("b", "c", "a"):
        written(disk, f"{folder}/{name}", b"")
    disk.remove(f"{folder}/b")
    disk.sync_folder(folder)
    assert disk.list(folder) == ["a", "c"]


def test_a_rename_takes_the_place_of_what_had_the_name(disk: Disk, folder: str) -> None:
    written(disk, f"{folder}/old", b"old")
    written(disk, f"{folder}/new", b"new")
    disk.rename(f"{folder}/new", f"{folder}/old")
    assert disk.list(folder) == ["old"]
    assert content(disk, f"{folder}/old") == b"new"


def test_what_is_not_there_is_said_so(disk: Disk, folder: str) -> None:
    for attempt in (disk.open, disk.remove, disk.size):
        with pytest.raises(FileNotFoundError):
            attempt(f"{folder}/x")


def test_there_is_room(disk: Disk, folder: str) -> None:
    assert disk.free_bytes(folder) > 0


def test_a_write_that_the_system_takes_in_part_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Systems do so on signals and near limits, which cannot be had on demand."""
    system = os.writev
    monkeypatch.setattr(os, "writev", lambda descriptor, chunks: system(descriptor, [b"".join(chunks)[:5]]))
    file = RealDisk().create(f"{tmp_path}/x")
    file.write([b"abc", b"defg", b"hi"])
    file.close()
    assert (tmp_path / "x").read_bytes() == b"abcdefghi"


def test_files_are_not_for_everybody_to_read(tmp_path: Path) -> None:
    RealDisk().make_folder(f"{tmp_path}/folder")
    RealDisk().create(f"{tmp_path}/folder/x").close()
    assert (tmp_path / "folder").stat().st_mode & 0o007 == 0
    assert (tmp_path / "folder" / "x").stat().st_mode & 0o007 == 0


# -- the simulated one alone ------------------------------------------------------------------------------------


def cuts(disk: SimulatedDisk, number: int = 300) -> list[SimulatedDisk]:
    return [disk.power_cut(Random(seed)) for seed in range(number)]


def contents(disks: list[SimulatedDisk], path: str) -> set[bytes]:
    return {content(disk, path) for disk in disks if path in disk.names}


def test_a_power_cut_leaves_what_was_synced_and_any_part_of_the_rest() -> None:
    disk = SimulatedDisk(Random(1))
    file = disk.create("f/x")
    file.write([b"s" * 700])
    file.sync()
    disk.sync_folder("f")
    file.write([b"u" * 2000])
    found = contents(cuts(disk), "f/x")
    assert all(data.startswith(b"s" * 700) for data in found)
    assert b"s" * 700 in found
    assert b"s" * 700 + b"u" * 2000 in found
    lengths = {len(data) for data in found}
    assert any(length % 512 for length in lengths - {700, 2700}), "no sector was torn"
    assert any(b"\0u" in data for data in found), "no sector was lost before one that was kept"
    assert any(set(data[700:]) - set(b"u\0") for data in found), "no junk was seen"


def test_a_power_cut_may_lose_names_that_were_not_synced() -> None:
    disk = SimulatedDisk(Random(1))
    for name in ("kept", "old"):
        disk.create(f"f/{name}").sync()
    disk.sync_folder("f")
    disk.create("f/new").sync()
    disk.remove("f/old")
    assert {tuple(found.list("f")) for found in cuts(disk)} == {
        ("kept",), ("kept", "new"), ("kept", "old"), ("kept", "new", "old"),
    }  # fmt: skip


def test_a_rename_is_one_change() -> None:
    disk = SimulatedDisk(Random(1))
    disk.create("f/old")
    disk.create("f/new").write([b"new"])
    disk.sync_folder("f")
    disk.rename("f/new", "f/old")
    assert {tuple(found.list("f")) for found in cuts(disk)} == {("old",), ("new", "old")}


def test_a_sync_that_failed_has_dropped_octets_and_the_next_one_says_nothing() -> None:
    disk = SimulatedDisk(Random(1))
    file = disk.create("f/x")
    disk.sync_folder("f")
    file.write([b"a" * 5000])
    disk.fail("sync", 0)
    with pytest.raises(OSError, match="Input/output error"):
        file.sync()
    file.sync()
    assert content(disk, "f/x") == b"a" * 5000
    assert content(disk.killed(Random(1)), "f/x") == b"a" * 5000
    assert b"a" * 5000 not in contents(cuts(disk), "f/x")


def test_the_power_can_be_cut_after_everything_that_changes_the_disk() -> None:
    disk = SimulatedDisk(Random(1))
    changes: list[None] = []
    disk.on_change = lambda: changes.append(None)
    file = disk.create("f/x")
    file.write([b"a"])
    file.sync()
    disk.sync_folder("f")
    disk.rename("f/x", "f/y")
    disk.remove("f/y")
    assert len(changes) == 6
