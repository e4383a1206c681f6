"""`menura serve` with a data directory, and, where wanted, inside of another command: a namespace, a limit, a user."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cli.process import COMMAND, LIFE_SECONDS_MAX, Process

Serve = Callable[..., "Serving"]


class Serving(Process):
    """Killed after a while whatever happens; `prefix` is a command that becomes the broker."""

    def __init__(self, path: Path, *arguments: str, prefix: Sequence[str] = ()) -> None:
        self.started = time.perf_counter()
        listening = ("--listen", "amqp://127.0.0.1:0", "--data", str(path))
        self.process = subprocess.Popen(
            [*prefix, *COMMAND, *listening, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._timer = threading.Timer(LIFE_SECONDS_MAX, self.process.kill)
        self._timer.start()

    def refusal(self) -> str:
        """The one line with which it does not start."""
        status, out, err = self.end()
        assert (status, out) == (1, ""), err
        assert err.startswith("menura: "), err
        assert err.count("\n") == 1, err
        return err.removeprefix("menura: ").rstrip("\n")
