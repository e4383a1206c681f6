"""Of the machine: how long its disk takes to sync, how many files may be open, memory, the clock."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from menura.cli.doctor.findings import Findings, beware, well, wrong
from menura.config import IN_MEMORY, Config

_SYNCS = 20
_SYNC_BYTES = b"x" * 4096
_SLOW_SYNC_MS = 10.0
_BAD_SYNC_MS = 100.0
_FILES_WANTED = 65536
_FILES_LEAST = 1024
_VOLATILE = frozenset(("tmpfs", "ramfs"))
_REMOTE = frozenset(("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs"))
# Of adjtimex(2): what it returns while nothing keeps the clock right, and room for its structure.
_TIME_ERROR = 5
_TIMEX_BYTES = 512
# No clock that is right shows less: before this was written.
_EARLIEST = 1_735_689_600
_sync = getattr(os, "fdatasync", os.fsync)


def disk(config: Config) -> Findings:
    if config.data == IN_MEMORY:
        yield beware("disk", "nothing is kept: data = ':memory:'", "Name a directory with --data to keep messages.")
        return
    directory = Path(config.data)
    place = _nearest(directory)
    if not os.access(place, os.W_OK | os.X_OK):
        yield wrong(
            "disk",
            f"{place} cannot be written to",
            f"Give this user the right to, or use another --data than {directory}.",
        )
        return
    kind = _file_system(place)
    if kind in _VOLATILE:
        yield beware(
            "disk",
            f"{directory} is on {kind}, which is memory",
            "Use a directory on a disk: nothing there survives a restart.",
        )
    elif kind in _REMOTE:
        yield beware(
            "disk",
            f"{directory} is on {kind}, elsewhere",
            "Use a local disk: syncs over a network are slow, and may lie.",
        )
    yield from _room(config, place)
    yield from _sync_speed(place)


def _nearest(directory: Path) -> Path:
    """The directory, or that of its parents which is there."""
    return next(each for each in (directory.resolve(), *directory.resolve().parents) if each.exists())


def _file_system(place: Path) -> str:
    """Its kind, as the kernel calls it; empty where that cannot be told."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text(errors="replace").splitlines()]
    except OSError:
        return ""
    holding = [(mount, kind) for mount, kind in mounts if place == Path(mount) or Path(mount) in place.parents]
    return max(holding, key=lambda found: len(found[0]))[1] if holding else ""


def _room(config: Config, place: Path) -> Findings:
    status = os.statvfs(place)
    free = status.f_bavail * status.f_frsize
    said = f"{free >> 20:,} MiB free at {place}; publishers are blocked below {config.disk_free_bytes_min >> 20:,} MiB"
    if free < config.disk_free_bytes_min:
        yield wrong("disk", said, "Make room, or lower the limit (--disk-free-min).")
    elif free < 2 * config.disk_free_bytes_min:
        yield beware("disk", said, "Make room before it is needed.")
    else:
        yield well("disk", said)


def _sync_speed(place: Path) -> Findings:
    """A confirm waits for a sync, so one publisher that waits for each is never faster than this."""
    try:
        took_ms = _sync_ms(place)
    except OSError as error:
        yield wrong(
            "disk", f"writing to {place} fails: {error.strerror}", "Look at the disk and its file system (dmesg)."
        )
        return
    said = f"a sync takes {took_ms:.2f} ms, the median of {_SYNCS}"
    if took_ms > _BAD_SYNC_MS:
        yield wrong("disk", said, "This is far too slow for durable messages: use another disk.")
    elif took_ms > _SLOW_SYNC_MS:
        yield beware(
            "disk",
            said,
            "Publishers should not wait for each confirm singly. A disk whose cache survives power cuts helps.",
        )
    else:
        yield well("disk", said)


def _sync_ms(place: Path) -> float:
    took = []
    with tempfile.NamedTemporaryFile(dir=place, prefix=".menura-doctor-", buffering=0) as file:
        for _ in range(_SYNCS):
            begun = time.perf_counter()
            file.write(_SYNC_BYTES)
            _sync(file.fileno())
            took.append(time.perf_counter() - begun)
    return median(took) * 1000


def open_files(pid: int | None) -> Findings:
    """Each connection takes a file descriptor."""
    limit = _limit_of(pid) if pid is not None else resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit is None:
        return
    whose = "the broker" if pid is not None else "a broker started here"
    if limit == resource.RLIM_INFINITY or limit >= _FILES_WANTED:
        yield well(
            "open files", f"{whose} may open {'any number of' if limit < 0 else f'{limit:,}'} files and connections"
        )
        return
    said = f"{whose} may open {limit:,} files and connections"
    advice = f"Raise it (ulimit -n {_FILES_WANTED}; LimitNOFILE={_FILES_WANTED} for systemd)."
    yield (wrong if limit < _FILES_LEAST else beware)("open files", said, advice)


def _limit_of(pid: int) -> int | None:
    """How many files a running process may open; None where that cannot be told."""
    try:
        lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("Max open files"):
            soft = line.split()[3]
            return resource.RLIM_INFINITY if soft == "unlimited" else int(soft)
    return None


def memory(config: Config) -> Findings:
    watermark = config.watermark_bytes
    said = f"publishers are blocked above {watermark >> 20:,} MiB of held messages"
    available = _available_bytes()
    if available is not None and watermark > available:
        yield beware(
            "memory",
            f"{said}, and {available >> 20:,} MiB are available now",
            "Lower the watermark (--memory-max), or see what else takes the memory.",
        )
    else:
        yield well("memory", said)


def _available_bytes() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), None)


def clock() -> Findings:
    """What expires is judged by it, and so are certificates."""
    if time.time() < _EARLIEST:
        yield wrong(
            "clock",
            f"it shows {time.strftime('%Y-%m-%d %H:%M')}, which is long ago",
            "Set it, and have it kept right (chrony, systemd-timesyncd).",
        )
    elif _is_kept_right() is False:
        yield beware(
            "clock",
            "nothing keeps it right",
            "Run chrony or systemd-timesyncd, so that times in messages and logs fit those elsewhere.",
        )
    else:
        yield well("clock", time.strftime("it shows %Y-%m-%d %H:%M:%S %Z"))


def _is_kept_right() -> bool | None:
    """Whether something sets the clock by others; None where that cannot be told."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR
