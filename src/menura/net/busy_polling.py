"""Staying awake for a moment when a turn of the loop is done, since the next request is often on its way.

A process that sleeps has to be woken, and that takes the system longer than it takes us to deal with a message: a
client that awaits each answer would mostly wait for schedulers. So the loop keeps looking for a moment before it
sleeps, as the virtual machine under other brokers does. Whoever looks in vain looks less often: after each miss twice
as many turns go by without a look, so that a broker with little to do sleeps. Work that comes while it looks makes it
eager again.
"""

from __future__ import annotations

from collections.abc import Callable

_SKIPS_MAX = 127


class BusyPoll:
    """Keeps a loop turning for `seconds` after `stay`; `call_soon` and `clock` (in seconds) are the loop's and ours."""

    __slots__ = ("_call_soon", "_clock", "_looking", "_seconds", "_skips", "_skips_next", "_until")

    def __init__(
        self, seconds: float, call_soon: Callable[[Callable[[], None]], object], clock: Callable[[], float]
    ) -> None:
        self._seconds = seconds
        self._call_soon = call_soon
        self._clock = clock
        self._looking = False
        self._until = 0.0
        self._skips = 0
        self._skips_next = 1

    def stay(self) -> None:
        """Something was done in this turn of the loop: more may follow."""
        if self._looking:
            if self._until:
                self._skips_next = 1
            self._until = self._clock() + self._seconds
        elif self._skips:
            self._skips -= 1
        else:
            self._looking = True
            self._until = self._clock() + self._seconds
            self._call_soon(self._look)

    def rest(self) -> None:
        """What is awaited now comes from a thread of ours, which would have to share the interpreter with us."""
        self._until = 0.0

    def _look(self) -> None:
        if self._clock() < self._until:
            self._call_soon(self._look)
            return
        self._looking = False
        if self._until:
            self._skips = self._skips_next
            self._skips_next = min(2 * self._skips_next + 1, _SKIPS_MAX)
