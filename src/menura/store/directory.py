"""The data directory: its layout, what tells it from other directories, and that one broker at a time uses it.

    lock              locked (flock) while a broker uses the directory; says which one
    menura.json       format of the layout and the version that made it
    catalog.sqlite3   definitions (see `catalog`); SQLite's -wal and -shm files beside it
    journal/          messages (see `journal`)

A directory is taken over only if it is empty or has a `menura.json` of a known format, and this is found out before
anything in it is changed. The lock is the system's, so it goes with the process that holds it, however that ends;
what the file says is only for the message to the second broker.

Changing the layout: raise FORMAT, and bring directories of the format before up to date in `open`, under the lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from menura.store.database import sync_folder
from menura.store.errors import StoreError, explained

FORMAT = 1

_FORMAT_FILE = "menura.json"
_NEW_FORMAT_FILE = "menura.json.new"
_LOCK_FILE = "lock"
# What a start that was cut short may leave, and what file systems put into each new one.
_NOBODYS = frozenset((_LOCK_FILE, _NEW_FORMAT_FILE, "lost+found"))
# The holder writes who it is right after it has taken the lock; the second broker waits for that so long.
_HOLDER_SECONDS_MAX = 1.0


def is_new(path: str | os.PathLike[str]) -> bool:
    """Whether no broker has used the directory yet, or there is none."""
    return not os.path.lexists(Path(path) / _FORMAT_FILE)


class DataDirectory:
    """A data directory, to be opened before anything in it is touched. `version` is that of the program."""

    def __init__(self, path: str | os.PathLike[str], *, version: str) -> None:
        self.path = Path(os.path.abspath(path))
        self.catalog = self.path / "catalog.sqlite3"
        self.journal = self.path / "journal"
        self._version = version
        self._lock: int | None = None

    def open(self) -> Self:
        """Make the directory if there is none, and lock it. Raises StoreError."""
        try:
            self._make()
            self._check()
            self._lock = self._take_lock()
            try:
                # Again, as another broker may have been here until the lock was ours.
                if not self._check():
                    self._write_format()
            except BaseException:
                self.close()
                raise
        except OSError as error:
            raise explained(error, error.filename or self.path) from error
        return self

    def close(self) -> None:
        """Let the next broker have it."""
        if self._lock is not None:
            with suppress(OSError):
                os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- whose it is -----------------------------------------------------------------------------------------

    def _make(self) -> None:
        missing = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in missing:
            sync_folder(folder.parent)

    def _check(self) -> bool:
        """Whether this is a data directory already; False if it can become one."""
        names = set(os.listdir(self.path))
        if _FORMAT_FILE not in names:
            foreign = sorted(names - _NOBODYS)
            if foreign:
                raise StoreError(
                    f"{self.path} is not a data directory of Menura: it holds '{foreign[0]}' but no {_FORMAT_FILE}. "
                    "Nothing was changed. Choose an empty directory, or a path that does not exist yet."
                )
            return False
        self._check_format()
        if not self.catalog.exists() and self.journal.is_dir() and any(self.journal.iterdir()):
            raise StoreError(
                f"{self.catalog} is missing, though there are messages in {self.journal}. Nothing was changed. "
                "Put it back from a backup; or move the directory away, to start without its queues and messages."
            )
        return True

    def _check_format(self) -> None:
        file = self.path / _FORMAT_FILE
        try:
            content: Any = json.loads(file.read_bytes())
            number = content["format"]
        except (ValueError, TypeError, LookupError):
            number = None
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise StoreError(
                f"{file} is damaged: it does not say which format the directory has. Nothing was changed. "
                'Put it back from a backup, or, if it was written by this version, write {"format": '
                f"{FORMAT}}} into it."
            )
        if number > FORMAT:
            raise StoreError(
                f"{self.path} was written by a newer Menura ({content.get('created_by', 'unknown')}): its format is "
                f"{number}, and this one ({self._version}) knows formats up to {FORMAT}. Nothing was changed. "
                "Start the newer version, or choose another data directory."
            )

    def _write_format(self) -> None:
        new = self.path / _NEW_FORMAT_FILE
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write(file, {"format": FORMAT, "created_by": self._version})
        except OSError as error:
            raise explained(error, new) from error
        finally:
            os.close(file)
        new.rename(self.path / _FORMAT_FILE)
        sync_folder(self.path)

    # -- the lock --------------------------------------------------------------------------------------------

    def _take_lock(self) -> int:
        path = self.path / _LOCK_FILE
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            give_up = time.monotonic() + _HOLDER_SECONDS_MAX
            while not _locked(file):
                who = holder(file)
                if who or time.monotonic() > give_up:
                    raise StoreError(
                        f"{self.path} is in use by another broker{who or ', or being read by `menura data`'}. "
                        "Stop that one first, or choose another data directory."
                    )
                time.sleep(0.01)
            os.ftruncate(file, 0)
            started = datetime.now(UTC).isoformat(timespec="seconds")
            _write(file, {"pid": os.getpid(), "host": platform.node(), "started": started})
        except OSError as error:
            os.close(file)
            raise explained(error, path) from error
        except BaseException:
            os.close(file)
            raise
        return file


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def holder(file: int) -> str:
    """Who has the lock; empty while that is not known: not written yet, or still about one that has crashed."""
    try:
        content = json.loads(os.pread(file, 4096, 0))
        pid, host, started = content["pid"], content["host"], content["started"]
        if host == platform.node():
            os.kill(pid, 0)
    except PermissionError:
        pass  # there is such a process, of another user
    except (OSError, ValueError, TypeError, LookupError, OverflowError):
        return ""
    return f": process {pid} on {host}, since {started}"


def _write(file: int, content: dict[str, Any]) -> None:
    data = json.dumps(content).encode() + b"\n"
    written = os.pwrite(file, data, 0)
    if written < len(data):
        # Only a disk that is almost full takes a part; the rest gives the reason.
        os.pwrite(file, data[written:], written)
    os.fsync(file)
