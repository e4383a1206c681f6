"""Real data directories: written as a broker does, stopped or crashed, damaged, and watched for changes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.store.workers import at_once, open_at_once

from menura.core.content import pack
from menura.core.definitions import QueueDefinition, VHostDefinition
from menura.core.ports import Published
from menura.store.directory import DataDirectory
from menura.store.disk import RealDisk
from menura.store.journal import Journal

NO_PROPERTIES = b"\x00\x00"


def message(body: bytes | str, properties: bytes = NO_PROPERTIES) -> bytes:
    return pack(properties, body.encode() if isinstance(body, str) else body)


class Writer:
    """Holds a data directory as a broker does. Everything happens in the calling thread, and is on disk at once."""

    def __init__(self, path: Path, *, segment_bytes: int = 1 << 20) -> None:
        self.path = path
        self._directory = DataDirectory(path, version="1.0").open()
        self.catalog = open_at_once(self._directory.catalog)
        self.journal = Journal(
            RealDisk(),
            str(self._directory.journal),
            run_in_worker=at_once,
            call_back=at_once,
            sync=False,
            segment_bytes=segment_bytes,
        )
        self.journal.open()
        self._ends: dict[int, int] = {}
        self.catalog.put(VHostDefinition("/"))

    def declare(self, name: str, vhost: str = "/") -> int:
        queue = self.catalog.new_queue_id()
        self.catalog.put(VHostDefinition(vhost))
        self.catalog.put(QueueDefinition(vhost, name, queue))
        self.catalog.flush()
        return queue

    def publish(self, queues: int | Sequence[int], *contents: bytes, exchange: str = "", at_ms: int = 0) -> None:
        """One record."""
        targets = []
        for queue in (queues,) if isinstance(queues, int) else queues:
            first = self._ends.get(queue, 0)
            targets.append((queue, first))
            self._ends[queue] = first + len(contents)
        self.journal.append(Published(targets, exchange, ("key",), contents, at_ms))
        self.journal.flush()

    def settle(self, queue: int, first: int, last: int) -> None:
        self.journal.settle(queue, first, last)
        self.journal.flush()

    def crash(self, path: Path) -> Path:
        """What a crash at this moment would leave behind, at `path`."""
        shutil.copytree(self.path, path)
        return path

    def close(self) -> None:
        self.journal.close()
        self.catalog.close()
        self._directory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def segments(path: Path) -> list[Path]:
    return sorted((path / "journal").glob("*.log"))


def flip(file: Path, offset: int) -> None:
    """Change one bit."""
    with file.open("r+b") as opened:
        opened.seek(offset)
        (octet,) = opened.read(1)
        opened.seek(offset)
        opened.write(bytes((octet ^ 0x10,)))


def flip_in(file: Path, text: bytes) -> int:
    """Change one bit of this text, which the file has once; its offset."""
    data = file.read_bytes()
    assert data.count(text) == 1
    flip(file, data.index(text))
    return data.index(text)


def state(path: Path) -> dict[str, tuple[object, ...]]:
    """Everything about a directory but when it was read. Any change of a file, even one undone, shows in ctime."""
    found = {}
    for file in (path, *sorted(path.rglob("*"))):
        status = os.stat(file)
        facts = (status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        found[str(file)] = (*facts, file.read_bytes() if file.is_file() else None)
    return found


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Whatever happens inside changes nothing in the directory."""
    before = state(path) if path.exists() else {}
    yield
    assert (state(path) if path.exists() else {}) == before
