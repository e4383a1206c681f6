"""What this process has of the machine, as far as the system says it for a system call or two."""

from __future__ import annotations

import gc
import os
import resource
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from menura.core.node import Node
    from menura.storage import Storage

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Memory of the process that is not swapped out. Where the system does not say, the most there ever was."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def open_files() -> int:
    """How many files and sockets are open. Newer systems say so as the size of a folder; in others they are counted."""
    try:
        return os.stat("/proc/self/fd").st_size or len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0


def open_files_max() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_bytes(storage: Storage | None) -> int:
    """Room on the disk of the data directory; of the working directory, if nothing is kept."""
    path = os.curdir if storage is None else os.fspath(storage.directory.path)
    try:
        found = os.statvfs(path)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


def gauges(node: Node, storage: Storage | None) -> Sequence[int]:
    """The values of `columns.GAUGES`. Times are microseconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    found = [
        resident_bytes(),
        open_files(),
        len(node.presence.connections),
        threading.active_count(),
        free_bytes(storage),
        sum(generation["collections"] for generation in gc.get_stats()),
        usage.ru_nvcsw + usage.ru_nivcsw,
    ]
    if storage is None:
        return [*found, *(0,) * 8]
    use, written_bytes = storage.journal.use, storage.journal.written_bytes
    return [
        *found,
        use.reads, use.read_bytes, int(use.read_seconds * 1e6),
        use.writes, written_bytes, int(use.write_seconds * 1e6),
        use.syncs, int(use.sync_times.sum * 1e6),
    ]  # fmt: skip
