"""The catalog's file: older formats become newer ones; what is no catalog is refused in a sentence and untouched."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.store.identity import as_nobody

from menura.core.definitions import Definitions, QueueDefinition, VHostDefinition
from menura.store.database import Database
from menura.store.errors import StoreError
from menura.store.schema import MIGRATIONS, TABLES, VERSION_ZERO


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite3"


def make(path: Path, *queues: QueueDefinition) -> None:
    with closing(Database(path, sync=False)) as database:
        database.commit([TABLES[QueueDefinition].put(queue) for queue in queues])


def refusal(path: Path) -> str:
    """The sentence with which the file is refused, after which it is what it was."""
    before = path.read_bytes(), path.stat().st_mtime_ns
    with pytest.raises(StoreError) as refused:
        Database(path).load()
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    return str(refused.value)


# -- formats ---------------------------------------------------------------------------------------------------


def test_a_file_of_version_0_goes_through_all_steps(path: Path) -> None:
    with closing(sqlite3.connect(path)) as old, old:
        for statement in VERSION_ZERO:
            old.execute(statement)
        old.execute("UPDATE meta SET starts = 41")
    with closing(Database(path)) as database:
        assert database.starts == 42
        assert database.load() == Definitions()
    with closing(sqlite3.connect(path)) as new:
        assert new.execute("SELECT version, starts FROM meta").fetchone() == (len(MIGRATIONS), 42)


def test_a_file_of_this_version_is_brought_up_to_a_later_one_with_its_rows(path: Path) -> None:
    make(path, QueueDefinition("/", "kept", 1))
    later = (*MIGRATIONS, ("ALTER TABLE queues ADD COLUMN kind TEXT NOT NULL DEFAULT 'classic'",))
    Database(path, migrations=later).close()
    Database(path, migrations=later).close()  # the step is taken once
    with closing(sqlite3.connect(path)) as new:
        assert new.execute("SELECT name, kind FROM queues").fetchall() == [("kept", "classic")]
        assert new.execute("SELECT version FROM meta").fetchone() == (len(later),)
    assert "newer Menura" in refusal(path)


def test_a_step_that_fails_leaves_the_file_at_its_version_with_its_rows(path: Path) -> None:
    make(path, QueueDefinition("/", "kept", 1))
    broken = (*MIGRATIONS, ("DROP TABLE queues", "DROP TABLE no_such_table"))
    with pytest.raises(StoreError, match="no_such_table"):
        Database(path, migrations=broken)
    with closing(Database(path)) as database:
        assert database.load().queues == (QueueDefinition("/", "kept", 1),)


# -- what is no catalog ----------------------------------------------------------------------------------------


def test_a_newer_format_is_refused(path: Path) -> None:
    make(path)
    with closing(sqlite3.connect(path)) as newer, newer:
        newer.execute("UPDATE meta SET version = 99")
    sentence = refusal(path)
    assert "newer Menura" in sentence
    assert "99" in sentence
    assert str(path) in sentence


def test_a_newer_format_is_refused_while_a_log_left_by_a_crash_stays_as_it_is(path: Path) -> None:
    make(path)
    crash = f"""
import os, sqlite3
c = sqlite3.connect({str(path)!r}, isolation_level=None)
c.execute("UPDATE meta SET version = 99")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", crash], check=True)
    log = Path(f"{path}-wal")
    before = log.read_bytes()
    assert before
    assert "newer Menura" in refusal(path)
    assert log.read_bytes() == before


@pytest.mark.parametrize("content", [b"hello " * 10_000, bytes(8192)], ids=["text", "zeros"])
def test_what_is_no_database_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    sentence = refusal(path)
    assert "not a SQLite database" in sentence
    assert "backup" in sentence


@pytest.mark.parametrize("content", [b"", b"x"])
def test_an_empty_file_is_refused_and_not_filled(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "is empty or cut off" in refusal(path)


def test_a_database_of_another_program_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE songs (title)")
    assert "another program" in refusal(path)


@pytest.mark.parametrize("meta", ["(version, starts)", "(words)"])
def test_a_table_meta_that_says_nothing_is_refused(path: Path, meta: str) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(f"CREATE TABLE meta {meta}")
    assert "no catalog in it" in refusal(path)


def test_a_truncated_file_is_refused(path: Path) -> None:
    make(path, *(QueueDefinition("/", str(number), number) for number in range(2000)))
    os.truncate(path, path.stat().st_size // 2)
    assert "damaged" in refusal(path)


def test_every_page_that_is_overwritten_is_found(path: Path) -> None:
    make(path, *(QueueDefinition("/", str(number), number) for number in range(500)))
    whole = path.read_bytes()
    pages = len(whole) // 4096
    assert pages > 15
    for page in range(pages):
        path.write_bytes(whole[: page * 4096] + b"\xa5" * 4096 + whole[(page + 1) * 4096 :])
        assert "damaged" in refusal(path), page


def test_values_that_cannot_be_read_back_are_damage(path: Path) -> None:
    make(path, QueueDefinition("/", "q", 1))
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE queues SET arguments = x'00000005ff'")
    with closing(Database(path)) as database, pytest.raises(StoreError, match="damaged"):
        database.load()


# -- no permission, no room ------------------------------------------------------------------------------------


def test_a_file_without_write_permission_is_refused(open_folder: Path) -> None:
    path = open_folder / "catalog.sqlite3"
    make(path)
    path.chmod(0o444)
    open_folder.chmod(0o555)
    with as_nobody():
        sentence = refusal(path)
    open_folder.chmod(0o755)
    assert "No permission" in sentence
    assert str(path) in sentence


def test_a_folder_without_write_permission_is_refused(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    with as_nobody(), pytest.raises(StoreError, match="No permission"):
        Database(open_folder / "catalog.sqlite3")
    open_folder.chmod(0o755)
    assert list(open_folder.iterdir()) == []


def test_a_file_that_another_program_writes_for_too_long_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(path)
    monkeypatch.setattr("menura.store.database._BUSY_SECONDS_MAX", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "Another program" in refusal(path)
        other.execute("ROLLBACK")
    with closing(Database(path)) as database:
        database.commit([TABLES[VHostDefinition].put(VHostDefinition("v"))])
