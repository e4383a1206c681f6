"""The data directory: one broker at a time, and nothing in it is touched before it is known to be ours."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.store.identity import as_nobody

from menura.store.directory import FORMAT, DataDirectory
from menura.store.errors import StoreError

# Opens the directory, says so or why not, and holds it until its standard input ends.
HOLDER = """
import sys
from menura.store.directory import DataDirectory
from menura.store.errors import StoreError
try:
    with DataDirectory(sys.argv[1], version="1.0"):
        print("open", flush=True)
        sys.stdin.read()
except StoreError as error:
    print(error, flush=True)
"""


def directory(path: Path) -> DataDirectory:
    return DataDirectory(path, version="1.0")


def start(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def snapshot(path: Path) -> dict[str, bytes | None]:
    return {str(file): file.read_bytes() if file.is_file() else None for file in sorted(path.rglob("*"))}


def refusal(path: Path) -> str:
    """The sentence with which the directory is refused, after which it is what it was."""
    before = snapshot(path)
    with pytest.raises(StoreError) as refused:
        directory(path).open()
    assert snapshot(path) == before
    return str(refused.value)


# -- making and opening ----------------------------------------------------------------------------------------


def test_a_directory_is_made_with_its_parents_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    with directory(path) as opened:
        assert opened.catalog == path / "catalog.sqlite3"
        assert opened.journal == path / "journal"
    assert path.stat().st_mode & 0o777 == 0o700
    assert json.loads((path / "menura.json").read_text()) == {"format": FORMAT, "created_by": "1.0"}


def test_a_directory_opens_again_and_remembers_who_made_it(tmp_path: Path) -> None:
    directory(tmp_path).open().close()
    with DataDirectory(tmp_path, version="2.0"):
        assert json.loads((tmp_path / "menura.json").read_text())["created_by"] == "1.0"


@pytest.mark.parametrize("leftovers", [{"lock": ""}, {"lock": "x", "menura.json.new": '{"form'}])
def test_a_start_that_was_cut_short_does_not_spoil_the_directory(tmp_path: Path, leftovers: dict[str, str]) -> None:
    for name, content in leftovers.items():
        (tmp_path / name).write_text(content)
    directory(tmp_path).open().close()
    assert set(os.listdir(tmp_path)) == {"lock", "menura.json"}


def test_a_file_system_of_its_own_is_as_good_as_an_empty_directory(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    directory(tmp_path).open().close()


# -- the lock --------------------------------------------------------------------------------------------------


def test_the_second_opener_is_told_who_was_first(tmp_path: Path) -> None:
    with directory(tmp_path):
        sentence = refusal(tmp_path)
        assert f"process {os.getpid()} on {platform.node()}" in sentence
        assert re.search(r"since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", sentence)
        assert str(tmp_path) in sentence
    directory(tmp_path).open().close()


def test_of_processes_that_race_for_a_directory_one_wins_and_the_others_name_it(tmp_path: Path) -> None:
    for turn in range(3):
        path = tmp_path / str(turn)
        racers = [start(path) for _ in range(4)]
        said = {racer.pid: racer.stdout.readline() for racer in racers if racer.stdout}
        for racer in racers:
            racer.communicate()
        winners = [pid for pid, line in said.items() if line == "open\n"]
        assert len(winners) == 1, said
        assert all(f"process {winners[0]} on" in line for pid, line in said.items() if pid not in winners), said


def test_a_killed_holder_holds_nothing_and_is_never_named_instead_of_the_next_one(tmp_path: Path) -> None:
    for _ in range(3):
        holder = start(tmp_path)
        assert holder.stdout
        assert holder.stdout.readline() == "open\n"
        assert f"process {holder.pid} on" in refusal(tmp_path)
        holder.send_signal(signal.SIGKILL)
        holder.communicate()


def test_a_holder_that_has_not_said_who_it_is_keeps_the_directory_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("menura.store.directory._HOLDER_SECONDS_MAX", 0.05)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here = {"host": platform.node(), "started": "then"}
    with directory(tmp_path):
        for content in [
            "",
            "{",
            "[]",
            "{}",
            {"pid": "x", **here},
            {"pid": 1 << 80, **here},
            {"pid": ended.pid, **here},
        ]:
            text = content if isinstance(content, str) else json.dumps(content)
            (tmp_path / "lock").write_text(text)
            assert "in use by another broker, or being read by `menura data`. " in refusal(tmp_path), text


def test_a_holder_on_another_host_is_named(tmp_path: Path) -> None:
    with directory(tmp_path):
        (tmp_path / "lock").write_text('{"pid": 0, "host": "elsewhere.invalid", "started": "then"}')
        assert "process 0 on elsewhere.invalid, since then." in refusal(tmp_path)


# -- what is not ours ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["photo.jpg", "catalog.sqlite3", ".hidden"])
def test_a_directory_of_another_program_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    sentence = refusal(tmp_path)
    assert "not a data directory of Menura" in sentence
    assert f"'{name}'" in sentence


def test_a_directory_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "menura.json").write_text('{"format": 99, "created_by": "7.1"}')
    sentence = refusal(tmp_path)
    assert "newer Menura (7.1)" in sentence
    assert "99" in sentence
    assert str(tmp_path) in sentence


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"format": "1"}', '{"format": 0}', '{"format": true}', "\xff"]
)
def test_a_damaged_format_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "menura.json").write_bytes(content.encode("latin-1"))
    sentence = refusal(tmp_path)
    assert "menura.json is damaged" in sentence
    assert "backup" in sentence


def test_messages_without_a_catalog_are_refused_not_thrown_away(tmp_path: Path) -> None:
    directory(tmp_path).open().close()
    (tmp_path / "journal").mkdir()
    directory(tmp_path).open().close()
    (tmp_path / "journal" / "00000000000000000000.log").write_bytes(b"x")
    assert "catalog.sqlite3 is missing" in refusal(tmp_path)


@pytest.mark.parametrize("below", ["", "data"])
def test_a_path_that_is_a_file_is_refused(tmp_path: Path, below: str) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(StoreError, match="not a directory"):
        directory(file / below).open()
    assert file.read_text() == "mine"


# -- no permission, no room ------------------------------------------------------------------------------------


def test_a_directory_without_write_permission_is_refused(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    with as_nobody():
        assert f"No permission to read and write {open_folder}" in refusal(open_folder)
        with pytest.raises(StoreError, match="No permission"):
            directory(open_folder / "new").open()
    open_folder.chmod(0o755)


def test_a_data_directory_of_another_user_is_refused(open_folder: Path) -> None:
    path = open_folder / "data"
    directory(path).open().close()
    path.chmod(0o000)
    with as_nobody(), pytest.raises(StoreError, match="No permission"):
        directory(path).open()
    path.chmod(0o700)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_told_and_the_directory_can_be_used_when_there_is_room(tmp_path: Path) -> None:
    (tmp_path / "menura.json.new").symlink_to("/dev/full")
    with pytest.raises(StoreError, match="The disk is full"):
        directory(tmp_path).open()
    (tmp_path / "menura.json.new").unlink()
    directory(tmp_path).open().close()
