"""The catalog's SQLite file: made whole or not at all, checked and brought up to date when opened, one transaction
per batch.

A new file is built under another name and renamed when it is complete. So a file under its real name that is empty
or lacks its tables has been damaged, and is refused, never filled with fresh tables. Everything that can be known
by reading is found out before the first write.

WAL mode with synchronous=FULL: a commit returns after the log has been synced. With `sync=False` nothing is synced,
for runs whose data nobody needs after a power cut.

One thread at a time may use a Database, no matter which.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from menura.core.definitions import Definitions
from menura.store.errors import StoreError, explained
from menura.store.schema import MIGRATIONS, TABLES, VERSION_ZERO, Change

Migrations = Sequence[Sequence[str]]

# How long a commit waits for another program that is writing to the file.
_BUSY_SECONDS_MAX = 30.0
# SQLite asks for room in pieces of this size.
_FULL_BYTES = 32 * 1024
# Shorter files count as empty databases with SQLite.
_HEADER_BYTES = 512


class Database:
    """An open catalog file. `starts` is how often it has been opened, this time included, as it is on disk."""

    def __init__(self, path: Path, *, sync: bool = True, migrations: Migrations = MIGRATIONS) -> None:
        self._path = path
        with _telling(path):
            if not path.exists():
                _create(path)
            # A connection that can write would move the log into the file when it is closed, whatever it has seen.
            with closing(_connect(path, "ro")) as reader:
                version, starts = _checked(path, reader, len(migrations))
            self._connection = _connect(path, "rw")
        try:
            with _telling(path):
                self._begin(sync, [statement for step in migrations[version:] for statement in step], len(migrations))
                self.starts = starts + 1
        except BaseException:
            self._connection.close()
            raise

    def load(self) -> Definitions:
        """Everything in the file."""
        with _telling(self._path):
            rows = {table: self._connection.execute(table.select).fetchall() for table in TABLES.values()}
        try:
            return Definitions(**{table.name: tuple(map(table.definition, rows[table])) for table in rows})
        except (ValueError, TypeError) as error:
            raise _damaged(self._path, str(error)) from error

    def commit(self, changes: Iterable[Change]) -> None:
        """Carry out all changes or none; they are on disk when this returns."""
        with _telling(self._path):
            self._transact(changes)

    def close(self) -> None:
        self._connection.close()

    def _begin(self, sync: bool, steps: Iterable[str], version: int) -> None:
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if sync else 'OFF'}")
        started = Change("UPDATE meta SET version = ?, starts = starts + 1", (version,))
        self._transact([*(Change(statement, ()) for statement in steps), started])

    def _transact(self, changes: Iterable[Change]) -> None:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            for statement, values in changes:
                execute(statement, values)
            execute("COMMIT")
        except BaseException:
            # SQLite rolls back by itself after some errors.
            with suppress(sqlite3.Error):
                execute("ROLLBACK")
            raise


# -- opening -----------------------------------------------------------------------------------------------------


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS_MAX,
        isolation_level=None,
        check_same_thread=False,
    )


def _checked(path: Path, reader: sqlite3.Connection, newest: int) -> tuple[int, int]:
    """Version and starts of a file that is fit to be used."""
    version, starts = _read_meta(path, reader)
    if version > newest:
        raise StoreError(
            f"{path} was written by a newer Menura: its format is {version}, and this one knows formats up to "
            f"{newest}. Nothing was changed. Start the newer version, or choose another data directory."
        )
    (found,) = reader.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise _damaged(path, found)
    return version, starts


def _read_meta(path: Path, reader: sqlite3.Connection) -> tuple[int, int]:
    try:
        version, starts = reader.execute("SELECT version, starts FROM meta").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
    except TypeError:
        pass  # no row
    else:
        if isinstance(version, int) and isinstance(starts, int):
            return version, starts
    what = "empty or cut off" if path.stat().st_size < _HEADER_BYTES else "a database of another program"
    raise StoreError(
        f"{path} is {what}: there is no catalog in it. Nothing was changed. "
        "Put it back from a backup, or choose another data directory."
    )


def _create(path: Path) -> None:
    new = path.with_name(path.name + ".new")
    try:
        new.unlink(missing_ok=True)
        os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # it will hold password hashes
        with closing(_connect(new, "rw")) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            for statement in VERSION_ZERO:
                connection.execute(statement)
        new.rename(path)
        sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def sync_folder(path: Path) -> None:
    """Make names in a folder survive a power cut."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# -- errors as sentences -----------------------------------------------------------------------------------------


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """What SQLite and the system complain about, as StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explained(path, error) from error
    except OSError as error:
        raise explained(error, error.filename or path) from error


def _explained(path: Path, error: sqlite3.Error) -> StoreError:
    # The low octet is the primary code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return _damaged(path, "it is not a SQLite database")
    if code == sqlite3.SQLITE_CORRUPT:
        return _damaged(path, str(error))
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path.parent)):
        return StoreError(f"The disk is full: cannot write {path} ({error}). Make room and start again.")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH):
        return StoreError(
            f"No permission to write {path} or beside it ({error}). "
            "Give the broker's user the right to write there, or choose another data directory."
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(f"Another program has been writing to {path} for too long ({error}). End it and start again.")
    return StoreError(f"Cannot use {path}: {error}. Look at the system's log and the state of the disk.")


def _is_full(folder: Path) -> bool:
    # SQLite says "I/O error" where there was no room for its shared index.
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize < _FULL_BYTES


def _damaged(path: Path, what: str) -> StoreError:
    return StoreError(
        f"{path} is damaged: {what}. Nothing was changed. Put it back from a backup, or save what can be saved with "
        f"'sqlite3 {path} .recover'."
    )
