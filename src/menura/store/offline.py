"""A data directory that no broker uses, read without changing anything in it: not an octet, not a name, not a time.

The directory's lock is shared while it is read: several readers at a time, no broker meanwhile, and the lock's file
stays as it is. SQLite would move its log into the catalog's file, so the catalog is copied to a temporary folder, log
included, and opened there like any other, which also brings older ones up to date. For the journal see
`offline_journal`.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self

from menura.core.definitions import Definitions
from menura.store.database import Database
from menura.store.directory import DataDirectory, holder
from menura.store.errors import StoreError, explained

_WHICH = "Name the directory that 'menura serve --data' was given."


def unreadable(error: OSError, path: str | os.PathLike[str]) -> StoreError:
    """The sentence for what the system said when `path` was to be read."""
    if isinstance(error, PermissionError):
        return StoreError(
            f"No permission to read {path} ({error.strerror}). Do this as the user who runs the broker, or as root."
        )
    return explained(error, path)


# -- the directory -----------------------------------------------------------------------------------------------


class OfflineDirectory(DataDirectory):
    """To be opened before anything in it is read. `format` and `created_by` are what its `menura.json` says."""

    def open(self) -> Self:
        """Raises StoreError: no data directory, one that cannot be read, or one in use."""
        try:
            self._find()
            self._check_format()
            content = json.loads((self.path / "menura.json").read_bytes())
            self._lock = self._share_lock()
        except OSError as error:
            raise unreadable(error, error.filename or self.path) from error
        self.format: int = content["format"]
        self.created_by = str(content.get("created_by", "unknown"))
        return self

    def close(self) -> None:
        """Let brokers have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _find(self) -> None:
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            raise StoreError(f"There is no directory {self.path}. {_WHICH}") from None
        except NotADirectoryError:
            raise StoreError(f"{self.path} is not a directory. {_WHICH}") from None
        if "menura.json" not in names:
            raise StoreError(f"{self.path} is not a data directory of Menura: there is no menura.json in it. {_WHICH}")

    def _share_lock(self) -> int | None:
        """None if there is no lock's file, as in a copy of a directory."""
        try:
            file = os.open(self.path / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            who = holder(file)
            os.close(file)
            if not isinstance(error, BlockingIOError):
                raise
            raise StoreError(
                f"{self.path} is in use by a broker{who}. What is in it changes while it is read: "
                "stop the broker first, or read a copy that `menura data backup` has made."
            ) from None
        return file


# -- the catalog -------------------------------------------------------------------------------------------------


class CatalogContent(NamedTuple):
    """`version` is that of the schema the file has, 0 if there is no file."""

    version: int
    definitions: Definitions


def load_catalog(path: Path) -> CatalogContent:
    """All definitions. Raises StoreError."""
    if not path.exists():
        return CatalogContent(0, Definitions())
    with _copied(path) as copy:
        version = _schema_version(copy)
        with closing(Database(copy, sync=False)) as database:
            return CatalogContent(version, database.load())


def catalog_damages(path: Path) -> list[str]:
    """What SQLite finds wrong with the file, at most a hundred things."""
    with _copied(path) as copy:
        try:
            with closing(sqlite3.connect(copy)) as connection:
                found = [str(line) for (line,) in connection.execute("PRAGMA integrity_check")]
        except sqlite3.DatabaseError as error:
            found = [str(error)]
        return [] if found == ["ok"] else found


@contextmanager
def _copied(path: Path) -> Iterator[Path]:
    try:
        folder = TemporaryDirectory(prefix="menura-")
    except OSError as error:
        raise StoreError(
            f"Cannot make a temporary folder for a copy of {path} ({error.strerror}). "
            "Let TMPDIR name a folder that can be written to."
        ) from error
    with folder:
        copy = Path(folder.name) / path.name
        for suffix in ("", "-wal"):
            try:
                shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
            except FileNotFoundError:
                pass
            except OSError as error:
                full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                raise unreadable(error, folder.name if full else f"{path}{suffix}") from error
        try:
            yield copy
        except StoreError as error:
            raise StoreError(str(error).replace(str(copy), str(path))) from error


def _schema_version(path: Path) -> int:
    try:
        with closing(sqlite3.connect(path)) as connection:
            return int(connection.execute("SELECT version FROM meta").fetchone()[0])
    except (sqlite3.Error, TypeError, ValueError):
        return 0  # no catalog: Database says so better
