"""What Linux tells about a process in /proc: its processor time, its resident memory, who listens on a port.

Elsewhere, and for a broker on another machine, every answer is None and the figures that need it are left
out.
"""

import contextlib
import os
import socket
import sys
from pathlib import Path

_PROC = Path("/proc")
_LISTEN = "0A"


def cpu_seconds(pid: int) -> float | None:
    """Processor time of all threads of a process so far, in user and kernel mode."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int | None:
    try:
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def open_files_max(pid: int) -> int | None:
    """How many files, sockets included, a process may have open."""
    try:
        limits = (_PROC / str(pid) / "limits").read_text().splitlines()
    except OSError:
        return None
    soft = next(line.split()[3] for line in limits if line.startswith("Max open files"))
    return None if soft == "unlimited" else int(soft)


def raise_open_files_max() -> None:
    """Let this process, and those that it starts from now on, open as many files as the system allows it."""
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # "unlimited" is more than some systems take
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def listener_pid(host: str, port: int) -> int | None:
    """The process that listens on a port of this machine, if we may see it."""
    try:
        local = socket.gethostbyname(host).startswith("127.") or host == "::1"
    except OSError:
        return None
    inodes = _listening_inodes(port) if local else set()
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    return next((int(entry.name) for entry in _PROC.glob("[0-9]*") if _holds(entry / "fd", wanted)), None)


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(fields[9])
    return inodes


def _holds(descriptors: Path, wanted: set[str]) -> bool:
    try:
        with os.scandir(descriptors) as entries:
            return any(os.readlink(entry.path) in wanted for entry in entries)
    except OSError:  # gone meanwhile, or not ours to read
        return False
