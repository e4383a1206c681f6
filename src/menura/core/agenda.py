"""What is to be done at a certain time.

Time is seconds, monotonic. The core has no clock of its own: whoever runs it gives `clock`, and, to have things done
on time, listens for `on_sooner` and calls `tick` at that time; without a clock it is whatever time `tick` was last
told. `wall_ms` is the same moment in milliseconds since 1970, once whoever knows has set `epoch_ms`: the time since
1970 when the monotonic clock stood at zero.

Those whose work it is know nothing of each other: what one of them raises goes to `on_defect`, and the others have
their turn as if nothing had happened.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

_SWEEP_MIN = 64


def _raise(defect: Exception) -> None:
    raise defect


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
        self.epoch_ms = 0
        self._told = 0.0
        self.clock: Callable[[], float] = lambda: self._told
        self.on_sooner: Callable[[float], None] = lambda when: None
        """Called with the time of the first entry when there is an earlier one than before."""
        self.on_defect: Callable[[Exception], None] = _raise
        """Called with what some work has raised, in the handling of that."""
        self._entries: list[tuple[float, int, Entry]] = []
        self._count = self._cancelled = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def now(self) -> float:
        return self.clock()

    @property
    def wall_ms(self) -> int:
        return self.epoch_ms + int(self.clock() * 1000)

    @property
    def next_due(self) -> float | None:
        """When `tick` is to be called next; it may turn out that there is nothing to do."""
        return self._entries[0][0] if self._entries else None

    def after(self, seconds: float, work: Callable[[], None]) -> Entry:
        """Do this when so much time has passed."""
        entry = Entry(self, work)
        self._count += 1
        when = self.clock() + seconds
        heapq.heappush(self._entries, (when, self._count, entry))
        if self._entries[0][2] is entry:
            self.on_sooner(when)
        return entry

    def sweep(self) -> None:
        """One more entry has been cancelled; forget them all when they are the majority."""
        self._cancelled += 1
        if self._cancelled > _SWEEP_MIN and self._cancelled * 2 > len(self._entries):
            self._entries = [entry for entry in self._entries if entry[2].work is not None]
            heapq.heapify(self._entries)
            self._cancelled = 0

    def tick(self, now: float) -> None:
        """It is `now`: do what is due. What is due by what was done waits for the next time."""
        if now > self._told:
            self._told = now
        last = self._count
        later = []
        try:
            while self._entries and (self._entries[0][0] <= now or self._entries[0][2].work is None):
                found = heapq.heappop(self._entries)
                entry = found[2]
                if entry.work is None:
                    self._cancelled -= 1
                elif found[1] > last:
                    later.append(found)
                else:
                    work, entry.work = entry.work, None
                    try:
                        work()
                    except Exception as defect:
                        self.on_defect(defect)
        finally:
            for found in later:
                heapq.heappush(self._entries, found)
