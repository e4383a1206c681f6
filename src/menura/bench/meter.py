"""The measured stretch of a scenario: its length, and what processor time load and broker took in it.

The two processor times show what was measured: while the broker takes a whole core and the load much less,
the figure is the broker's; the other way round it would be the generator's.
"""

import os
import time
from collections.abc import Sequence

from menura.bench.processes import cpu_seconds


class Meter:
    """Adds up what passes between `start` and `stop`; `load_pids` are load besides this process."""

    def __init__(self, broker_pid: int | None, load_pids: Sequence[int] = ()) -> None:
        self._broker_pid = broker_pid
        self._load_pids = (os.getpid(), *load_pids)
        self._sums: list[float | None] = [0.0, 0.0, 0.0]
        self._started = self._now()

    def start(self) -> None:
        self._started = self._now()

    def stop(self) -> None:
        self._sums = [
            None if total is None or now is None or before is None else total + now - before
            for total, now, before in zip(self._sums, self._now(), self._started, strict=True)
        ]

    @property
    def seconds(self) -> float:
        return self._sums[0] or 0.0

    @property
    def load_cpu_seconds(self) -> float | None:
        return self._sums[1]

    @property
    def broker_cpu_seconds(self) -> float | None:
        return self._sums[2]

    def _now(self) -> tuple[float, float | None, float | None]:
        load = [cpu_seconds(pid) for pid in self._load_pids]
        known = [used for used in load if used is not None]
        return (
            time.perf_counter(),
            sum(known) if len(known) == len(load) else None,
            None if self._broker_pid is None else cpu_seconds(self._broker_pid),
        )
