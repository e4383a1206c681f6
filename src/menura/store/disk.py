"""The few things the journal asks of a file system; everything it does to files goes through here.

A port, so that the journal can run on a simulated disk that loses power. Files are written once, from their
beginning to their end: `create` opens a new one for appending, nothing ever opens an existing one for writing.

What survives a crash of the machine, and nothing else does: the octets of a file written before its `sync`
returned, and the names in a folder as they were when `sync_folder` returned. After a `sync` that failed the
system may have thrown the octets away and call the file clean, so it must not be tried again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

try:
    import fcntl

    _FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)
except ImportError:
    _FULL_SYNC = None

# Buffers that one writev takes; 1024 on every system we know, and the number POSIX lets a program ask for.
_BUFFERS_MAX = min(os.sysconf("SC_IOV_MAX"), 1024) if hasattr(os, "sysconf") else 16


class File(Protocol):
    """An open file. All methods raise OSError; those that read may be called from any thread."""

    def write(self, chunks: Sequence[bytes]) -> None:
        """Append all the chunks. After an OSError any part of them may be there."""

    def sync(self) -> None:
        """Return when everything written is on the disk itself."""

    def read_at(self, offset: int, size_bytes: int) -> bytes:
        """That many octets, fewer at the end of the file."""

    def close(self) -> None: ...


class Disk(Protocol):
    """Folders and files by path. All methods raise OSError."""

    def make_folder(self, path: str) -> None:
        """Create a folder, and the folders above it, unless it is there."""

    def list(self, folder: str) -> list[str]:
        """The names in a folder, sorted."""

    def create(self, path: str) -> File:
        """A new, empty file, open for appending; FileExistsError if there is one."""

    def open(self, path: str) -> File:
        """A file to read from."""

    def size(self, path: str) -> int: ...

    def rename(self, path: str, new_path: str) -> None:
        """Give a file another name; a file that had that name is gone."""

    def remove(self, path: str) -> None: ...

    def sync_folder(self, path: str) -> None:
        """Return when creations, renames and removals in the folder are on the disk itself."""

    def free_bytes(self, path: str) -> int:
        """Room left on the file system of that path."""


class RealFile:
    """A file descriptor."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, chunks: Sequence[bytes]) -> None:
        for start in range(0, len(chunks), _BUFFERS_MAX):
            part = chunks[start : start + _BUFFERS_MAX]
            written = os.writev(self._descriptor, part)
            if written < sum(map(len, part)):
                self._write_on(memoryview(b"".join(part))[written:])

    def _write_on(self, rest: memoryview) -> None:
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def sync(self) -> None:
        if _FULL_SYNC is not None:  # macOS, where fsync leaves the data in the drive's cache
            fcntl.fcntl(self._descriptor, _FULL_SYNC)
        elif hasattr(os, "fdatasync"):
            os.fdatasync(self._descriptor)
        else:
            os.fsync(self._descriptor)

    def read_at(self, offset: int, size_bytes: int) -> bytes:
        data = os.pread(self._descriptor, size_bytes, offset)
        if len(data) == size_bytes or not data:
            return data
        pieces = [data]
        got = len(data)
        while data and got < size_bytes:
            data = os.pread(self._descriptor, size_bytes - got, offset + got)
            pieces.append(data)
            got += len(data)
        return b"".join(pieces)

    def close(self) -> None:
        os.close(self._descriptor)


class RealDisk:
    """The file system of this machine."""

    def make_folder(self, path: str) -> None:
        os.makedirs(path, mode=0o750, exist_ok=True)

    def list(self, folder: str) -> list[str]:
        return sorted(os.listdir(folder))

    def create(self, path: str) -> RealFile:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        return RealFile(os.open(path, flags, 0o640))

    def open(self, path: str) -> RealFile:
        return RealFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    def size(self, path: str) -> int:
        return os.stat(path).st_size

    def rename(self, path: str, new_path: str) -> None:
        os.replace(path, new_path)

    def remove(self, path: str) -> None:
        os.unlink(path)

    def sync_folder(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def free_bytes(self, path: str) -> int:
        status = os.statvfs(path)
        return status.f_bavail * status.f_frsize
