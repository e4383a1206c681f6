"""A small disk that only the broker sees: a tmpfs in a mount namespace which a process of ours keeps open."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_HOLD = 'mount -t tmpfs -o "size=$1" tmpfs "$0" && echo ready && exec cat'


def can_mount() -> bool:
    try:
        return subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


class SmallDisk:
    """Mounted at `path` for commands that begin with `prefix`; for everybody else the same is at `outside`."""

    def __init__(self, path: Path, size: str) -> None:
        self.path = path
        command = ["unshare", "-rm", "sh", "-c", _HOLD, str(path), size]
        self._holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"
        pid = str(self._holder.pid)
        self.prefix = ["nsenter", "--preserve-credentials", "--user", "--mount", "--target", pid]
        self.outside = Path(f"/proc/{pid}/root{path}")
        self._ballast = self.outside / "ballast"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holder.communicate()

    def resize(self, size: str) -> None:
        subprocess.run([*self.prefix, "mount", "-o", f"remount,size={size}", str(self.path)], check=True)

    def load(self, size_bytes: int) -> None:
        """Take so much room away."""
        self._ballast.write_bytes(bytes(size_bytes))

    def fill(self) -> None:
        """Take all room away."""
        with self._ballast.open("ab", buffering=0) as ballast, suppress(OSError):
            while True:
                ballast.write(bytes(4096))

    def unload(self) -> None:
        self._ballast.unlink()
