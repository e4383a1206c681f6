"""How late the loop is: what a timer finds that wanted to be woken at a certain time."""

from __future__ import annotations

import asyncio
import time

from menura.core.histogram import Histogram

LOOK_SECONDS = 0.1
BOUNDS_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class LoopLag:
    """`times` are the delays. What the loop's own clock cannot tell, a millisecond mostly, is part of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.times = Histogram(time.perf_counter, BOUNDS_SECONDS)
        self._loop = loop
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._wait()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._due = self.times.clock() + LOOK_SECONDS
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self.times.observe(max(0.0, self.times.clock() - self._due))
        self._wait()
