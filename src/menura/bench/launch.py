"""Starting a Menura of our own to measure, as a user would, and the time that takes."""

import re
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Self

from menura.bench.errors import BenchError
from menura.bench.meter import Meter
from menura.bench.result import Metric, Result, Settings, measured

START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 30.0
_PORT = re.compile(r"127\.0\.0\.1:(\d+)")


class MenuraProcess:
    """`menura serve` on a free port, keeping nothing on disk; stopped at the end of the `with` block."""

    def __init__(self, *arguments: str) -> None:
        command = [
            sys.executable,
            "-m",
            "menura",
            "serve",
            "--listen",
            "amqp://127.0.0.1:0",
            "--data",
            ":memory:",
        ]
        begun = time.perf_counter()
        self._process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        try:
            screen = self._first_screen()
        except BaseException:
            self._stop()
            raise
        self.start_seconds = time.perf_counter() - begun
        port = _PORT.search(screen)
        if not port:
            self._stop()
            raise BenchError(f"the first screen names no listener on 127.0.0.1:\n{screen}")
        self.pid = self._process.pid
        self.url = f"amqp://guest:guest@127.0.0.1:{port[1]}/"
        # What it prints later must not fill the pipe and block it.
        self._drain = threading.Thread(target=self._discard, daemon=True)
        self._drain.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _first_screen(self) -> str:
        output = self._process.stdout
        assert output is not None
        lines: list[str] = []
        timer = threading.Timer(START_SECONDS_MAX, self._process.kill)
        timer.start()
        try:
            for line in output:
                lines.append(line)
                if line.strip() == "ready":
                    return "".join(lines)
        finally:
            timer.cancel()
        raise BenchError("menura serve ended before it was ready:\n" + "".join(lines))

    def _discard(self) -> None:
        assert self._process.stdout is not None
        for _ in self._process.stdout:
            pass

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout and not self._process.stdout.closed:
            drain: threading.Thread | None = getattr(self, "_drain", None)
            if drain:
                drain.join()
            self._process.stdout.close()


def startup(settings: Settings) -> Result:
    """From starting the process to its line `ready`, several times."""
    meter = Meter(None)
    times = []
    for _ in range(settings.count):
        with MenuraProcess() as menura:
            times.append(menura.start_seconds)
    meter.stop()
    times.sort()
    median = Metric("ready", times[len(times) // 2], "s")
    return measured(
        settings, meter, median, Metric("slowest", times[-1], "s"), notes=(f"{len(times)} starts",)
    )
