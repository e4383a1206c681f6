"""Starting a Menura of our own to measure, as a user would, and the time that takes."""

import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from menura.bench.errors import BenchError
from menura.bench.meter import Meter
from menura.bench.result import Metric, Result, Settings, measured

START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 30.0
IN_MEMORY = ":memory:"
_SERVE = ("-m", "menura", "serve", "--data")
_PORT = re.compile(r"127\.0\.0\.1:(\d+)")


class MenuraProcess:
    """`menura serve` on a free port for one protocol, with `data` as its data directory; stopped at the end of the
    `with` block. `options` are further ones of the command line."""

    def __init__(self, data: str = IN_MEMORY, scheme: str = "amqp", options: Sequence[str] = ()) -> None:
        # The log goes to a file: a pipe that nobody reads would block the broker in the end.
        self._log = tempfile.TemporaryFile("w+", errors="replace")
        begun = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, *_SERVE, data, "--listen", f"{scheme}://127.0.0.1:0", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            errors="replace",
        )
        self.pid = self._process.pid
        try:
            screen = self._first_screen()
            self.start_seconds = time.perf_counter() - begun
            self.ports = [int(port) for port in _PORT.findall(screen)]
            if not self.ports:
                raise BenchError(f"the first screen names no listener on 127.0.0.1:\n{screen}")
        except BaseException:
            self._stop()
            raise
        self.url = f"{scheme}://guest:guest@127.0.0.1:{self.ports[0]}/"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _first_screen(self) -> str:
        assert self._process.stdout is not None
        lines: list[str] = []
        timer = threading.Timer(START_SECONDS_MAX, self._process.kill)
        timer.start()
        try:
            for line in self._process.stdout:
                lines.append(line)
                if line.strip() == "ready":
                    return "".join(lines)
        finally:
            timer.cancel()
        self._log.seek(0)
        raise BenchError(f"menura serve ended before it was ready:\n{''.join(lines)}{self._log.read()}".rstrip())

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.communicate(timeout=STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._log.close()


def startup(settings: Settings) -> Result:
    """From starting the process to its line `ready`, several times."""
    meter = Meter(None)
    meter.start()
    times = []
    for _ in range(settings.count):
        with MenuraProcess() as menura:
            times.append(menura.start_seconds)
    meter.stop()
    median = Metric("ready", statistics.median(times), "s")
    return measured(settings, meter, median, Metric("slowest", max(times), "s"), notes=(f"{len(times)} starts",))
