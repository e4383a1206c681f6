"""How long something takes, as counts by duration."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

SECONDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0
)  # fmt: skip


class Histogram:
    """`counts[i]` is how many were at most `bounds[i]`, and more than the bound before; the last one is of those that
    were more than all bounds.

    `clock` is for those who measure: seconds, monotonic, as fine as there is.
    """

    __slots__ = ("bounds", "clock", "counts", "sum")

    def __init__(self, clock: Callable[[], float] = lambda: 0.0, bounds: Sequence[float] = SECONDS) -> None:
        self.clock = clock
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value
