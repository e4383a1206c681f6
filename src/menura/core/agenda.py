"""What is to be done at a certain time, for those who have no connection that could look at a clock.

Time is seconds, monotonic, as `tick` is told it. `wall_ms` is the same moment in milliseconds since 1970, once whoever
knows has set `epoch_ms`: the time since 1970 when the monotonic clock stood at zero.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

# As long as this may have passed since the last tick: nothing is done too early.
TICK_SECONDS = 0.5
_SWEEP_MIN = 64


class Entry:
    """Something to be done, unless it is cancelled before."""

    __slots__ = ("_agenda", "work")

    def __init__(self, agenda: Agenda, work: Callable[[], None]) -> None:
        self._agenda = agenda
        self.work: Callable[[], None] | None = work

    def cancel(self) -> None:
        if self.work is not None:
            self.work = None
            self._agenda.sweep()


class Agenda:
    def __init__(self) -> None:
        self.now = 0.0
        self.epoch_ms = 0
        self._entries: list[tuple[float, int, Entry]] = []
        self._count = self._cancelled = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def wall_ms(self) -> int:
        return self.epoch_ms + int(self.now * 1000)

    def after(self, seconds: float, work: Callable[[], None]) -> Entry:
        """Do this when so much time has passed."""
        entry = Entry(self, work)
        self._count += 1
        heapq.heappush(self._entries, (self.now + TICK_SECONDS + seconds, self._count, entry))
        return entry

    def sweep(self) -> None:
        """One more entry has been cancelled; forget them all when they are the majority."""
        self._cancelled += 1
        if self._cancelled > _SWEEP_MIN and self._cancelled * 2 > len(self._entries):
            self._entries = [entry for entry in self._entries if entry[2].work is not None]
            heapq.heapify(self._entries)
            self._cancelled = 0

    def tick(self, now: float) -> None:
        """It is `now`: do what is due."""
        if now > self.now:
            self.now = now
        while self._entries and (self._entries[0][0] <= self.now or self._entries[0][2].work is None):
            entry = heapq.heappop(self._entries)[2]
            work, entry.work = entry.work, None
            if work is None:
                self._cancelled -= 1
            else:
                work()
