"""A copy of a data directory, made while a broker uses it or while none does; nothing in the directory changes.

What makes it hot: the journal's files are only ever appended to and removed, oldest first, and an open file stays
whole when its name goes. So all of them are opened, until the names are still the same afterwards; from then on time is
on our side. What makes it consistent: the copy is what a crash at one moment would have left. At that moment the
catalog is held by a read transaction of SQLite's, and the length of each file is taken. That no change of the catalog
came in between is seen by SQLite's `data_version`; otherwise it is done again. A moment later both may go on: the
transaction keeps its view, and of the files only so much is copied.

The broker counts on its directory after a crash, so whatever it has confirmed before a copy began is in the copy.
`menura.json`, without which no broker takes a directory, is written last.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from menura.store.database import sync_folder
from menura.store.directory import DataDirectory
from menura.store.errors import StoreError, explained
from menura.store.offline import OfflineDirectory
from menura.store.segments import position_in_name

_CHUNK_BYTES = 1024 * 1024
_TRY_SECONDS_MAX = 30.0


class Copied(NamedTuple):
    """`hot`: a broker used the directory meanwhile."""

    files: int
    size_bytes: int
    hot: bool


def back_up(source: str, destination: str, *, version: str) -> Copied:
    """Copy the data directory to a place where nothing is. Raises StoreError."""
    directory = _Source(source, version=version)
    target = Path(os.path.abspath(destination))
    if target.is_relative_to(directory.path):
        raise StoreError(f"{target} is in the data directory itself. Choose a place elsewhere.")
    with ExitStack() as stack:
        hot = directory.claim()
        stack.callback(directory.close)
        try:
            _make_empty(target)
            with _segments(directory.journal) as segments:
                size_bytes = _copy_all(directory, segments, target, hot)
                files = len(segments.sizes)
            _copy_whole(directory.path / "menura.json", target / "menura.json.new")
            (target / "menura.json.new").rename(target / "menura.json")
            sync_folder(target)
            sync_folder(target.parent)
        except OSError as error:
            raise explained(error, error.filename or target) from error
    return Copied(files, size_bytes, hot)


class _Source(OfflineDirectory):
    def claim(self) -> bool:
        """Keep brokers away while it is read, unless one is there already: then True."""
        try:
            self._find()
            self._check_format()
        except OSError as error:
            raise explained(error, error.filename or self.path) from error
        try:
            self._lock = os.open(self.path / "lock", os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            self._lock = None
        except BlockingIOError:
            return True
        except OSError as error:
            raise explained(error, self.path / "lock") from error
        return False


def _make_empty(target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StoreError(f"{target} is not empty. Nothing was changed. Choose a place where nothing is.")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    (target / "journal").mkdir(mode=0o700)


# -- the journal -------------------------------------------------------------------------------------------------


class _Vanished(Exception):
    """A file has been removed before it could be opened."""


class _Segments:
    """The journal's files, held open. `sizes` is how much of each belongs to the copy, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, int] = {}
        self.sizes: dict[str, int] = {}

    def _names(self) -> set[str]:
        names = os.listdir(self.folder) if self.folder.is_dir() else []
        return {name for name in names if position_in_name(name) is not None}

    def open_all(self) -> None:
        """Have exactly those open that are there at one moment."""
        give_up = time.monotonic() + _TRY_SECONDS_MAX
        while True:
            try:
                self._open_new()
                if self._names() == self.files.keys():
                    return
            except _Vanished:
                pass
            if time.monotonic() > give_up:
                raise StoreError(f"The files in {self.folder} come and go too fast to be copied. Try again.")
            self.close()

    def _open_new(self) -> None:
        for name in sorted(self._names() - self.files.keys()):
            try:
                self.files[name] = os.open(self.folder / name, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                raise _Vanished from None

    def cut(self) -> None:
        """The moment up to which the copy goes. The newest file first: when it has begun, the others are whole."""
        self._open_new()
        self.sizes = {name: os.fstat(self.files[name]).st_size for name in sorted(self.files, reverse=True)}

    def copy(self, folder: Path) -> int:
        for name, size_bytes in sorted(self.sizes.items()):
            _copy_file(self.files[name], folder / name, size_bytes)
        sync_folder(folder)
        return sum(self.sizes.values())

    def close(self) -> None:
        for file in self.files.values():
            os.close(file)
        self.files.clear()


@contextmanager
def _segments(folder: Path) -> Iterator[_Segments]:
    with closing(_Segments(folder)) as segments:
        segments.open_all()
        yield segments


def _copy_whole(path: Path, target: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _copy_file(file, target, os.fstat(file).st_size)
    finally:
        os.close(file)


def _copy_file(file: int, path: Path, size_bytes: int) -> None:
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        at = 0
        while at < size_bytes:
            octets = os.pread(file, min(_CHUNK_BYTES, size_bytes - at), at)
            if not octets:
                raise StoreError(f"{path.name} is shorter than it was. Is something else changing the directory?")
            written = 0
            while written < len(octets):
                written += os.write(target, octets[written:])
            at += len(octets)
        os.fsync(target)
    finally:
        os.close(target)


# -- both, at one moment -----------------------------------------------------------------------------------------


def _copy_all(directory: DataDirectory, segments: _Segments, target: Path, hot: bool) -> int:
    """Copy catalog and journal as they were together at one moment; octets of the journal."""
    copy = target / directory.catalog.name
    if not hot:
        # SQLite would tidy up; this leaves everything as it lies.
        segments.cut()
        for suffix in ("", "-wal"):
            if (path := Path(f"{directory.catalog}{suffix}")).exists():
                _copy_whole(path, Path(f"{copy}{suffix}"))
        return segments.copy(target / "journal")
    try:
        with _held(directory.catalog) as (view, watch):
            _meet(view, watch, segments)
            with closing(sqlite3.connect(copy)) as made:
                view.backup(made)
    except sqlite3.Error as error:
        raise StoreError(f"Cannot copy {directory.catalog}: {error}.") from error
    os.chmod(copy, 0o600)
    _sync(copy)
    return segments.copy(target / "journal")


@contextmanager
def _held(path: Path) -> Iterator[tuple[sqlite3.Connection, sqlite3.Connection]]:
    """Two connections to the catalog, one to see it with, and one that notices changes; neither can write."""
    address = f"{path.as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(address, uri=True, isolation_level=None)) as view,
        closing(sqlite3.connect(address, uri=True, isolation_level=None)) as watch,
    ):
        yield view, watch


def _meet(view: sqlite3.Connection, watch: sqlite3.Connection, segments: _Segments) -> None:
    """Leave `view` in a transaction that sees the catalog as it was when the files were cut."""
    give_up = time.monotonic() + _TRY_SECONDS_MAX
    while True:
        before = _version(watch)
        view.execute("BEGIN")
        view.execute("SELECT count(*) FROM sqlite_master").fetchone()
        try:
            segments.cut()
            if _version(watch) == before:
                return
        except _Vanished:
            segments.close()
            segments.open_all()
        view.execute("ROLLBACK")
        if time.monotonic() > give_up:
            raise StoreError("Definitions change too fast to be copied. Try again when there is less coming and going.")


def _version(watch: sqlite3.Connection) -> int:
    (number,) = watch.execute("PRAGMA data_version").fetchone()
    return int(number)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
