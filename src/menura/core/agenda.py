"""What is to be done at a certain time, for those who have no connection that could look at a clock.

Time is seconds, monotonic, as `tick` is told it. `wall_ms` is the same moment in milliseconds since 1970, once whoever
knows has set `epoch_ms`: the time since 1970 when the monotonic clock stood at zero.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Entry:
    """Something to be done, unless it is cancelled before."""

    __slots__ = ("work",)

    def __init__(self, work: Callable[[], None]) -> None:
        self.work: Callable[[], None] | None = work

    def cancel(self) -> None:
        self.work = None


class Agenda:
    def __init__(self) -> None:
        self.now = 0.0
        self.epoch_ms = 0
        self._entries: list[tuple[float, int, Entry]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def wall_ms(self) -> int:
        return self.epoch_ms + int(self.now * 1000)

    def after(self, seconds: float, work: Callable[[], None]) -> Entry:
        """Do this when so much time has passed."""
        entry = Entry(work)
        self._count += 1
        heapq.heappush(self._entries, (self.now + seconds, self._count, entry))
        return entry

    def tick(self, now: float) -> None:
        """It is `now`: do what is due."""
        if now > self.now:
            self.now = now
        while self._entries and (self._entries[0][0] <= self.now or self._entries[0][2].work is None):
            work = heapq.heappop(self._entries)[2].work
            if work is not None:
                work()
