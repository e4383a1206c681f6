"""A real program as a subprocess whose output a test waits for.

It runs in a process group of its own. A thread reads its output line by line into a queue, so a test waits for a line
with a deadline and polls no clock. Leaving the `with` block kills whatever of the group still lives and reaps it: a
failing test leaves nothing behind.
"""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
DEADLINE_SECONDS = 30.0


class Program:
    def __init__(self, *command: str, env: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self._unread: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            command,
            cwd=HERE,
            env={**os.environ, **(env or {}), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        # The group is killed in any case: a pool's child may outlive the leader.
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def line(self, pattern: str, seconds: float = DEADLINE_SECONDS) -> str:
        """The next line of output that matches the regular expression."""
        ends_at = time.monotonic() + seconds
        while True:
            try:
                text = self._unread.get(timeout=max(ends_at - time.monotonic(), 0.001))
            except queue.Empty:
                raise AssertionError(f"no line like {pattern!r} in {seconds} s; output: {self.lines}") from None
            if text is None:
                raise AssertionError(f"ended without a line like {pattern!r}; output: {self.lines}")
            self.lines.append(text)
            if re.search(pattern, text):
                return text

    def finish(self, status: int = 0, seconds: float = DEADLINE_SECONDS) -> list[str]:
        """Wait for the end, insist on the exit status, and give every line the program wrote."""
        try:
            code: int | str = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            code = f"none within {seconds} s"
        self._reader.join(seconds)
        while (text := self._unread.get(timeout=seconds)) is not None:
            self.lines.append(text)
        assert code == status, f"exit status {code}, not {status}; output: {self.lines}"
        return self.lines

    def interrupt(self) -> list[str]:
        """Ctrl+C, then as `finish`."""
        self._process.send_signal(signal.SIGINT)
        return self.finish()

    def terminate(self) -> list[str]:
        self.ask_to_end()
        return self.finish()

    def ask_to_end(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        """The end without a goodbye to the broker."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            self._unread.put(text.rstrip("\n"))
        self._unread.put(None)
