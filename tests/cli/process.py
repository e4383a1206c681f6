"""`menura serve` as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

# A broker that outlives its test's deadline would keep the test waiting for its output.
LIFE_SECONDS_MAX = 150
COMMAND = [sys.executable, "-W", "error", "-m", "menura", "serve"]


class Process:
    """A broker that is being started; killed in the end whatever happens.

    Without a folder it runs in one of its own, where it makes its data directory if nothing else was said.
    """

    _own_folder: tempfile.TemporaryDirectory[str] | None = None

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None, folder: Path | None = None) -> None:
        self.started = time.perf_counter()
        if folder is None:
            self._own_folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, **(environment or {})},
            cwd=folder or self._own_folder.name,  # type: ignore[union-attr]
        )
        self._timer = threading.Timer(LIFE_SECONDS_MAX, self.process.kill)
        self._timer.start()

    def screen(self) -> list[str]:
        """The first screen, up to `ready`."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line.rstrip("\n"))
            if lines[-1] == "ready":
                break
        return lines

    def port(self) -> int:
        screen = "\n".join(self.screen())
        found = re.search(r"amqps?://[^:]+:(\d+)", screen)
        assert found, screen
        return int(found[1])

    def end(self) -> tuple[int, str, str]:
        """Exit status, the rest of the output, and what was logged."""
        out, err = self.process.communicate()
        self._clear()
        return self.process.returncode, out, err

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()
        self._clear()

    def _clear(self) -> None:
        self._timer.cancel()
        if self._own_folder is not None:
            self._own_folder.cleanup()
