"""A set of whole numbers kept as intervals: what has been settled, when that happened out of order.

Two sorted lists, of first and of last numbers; neighbours are merged, so a set without holes is one interval
however many numbers it has.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right


class Intervals:
    __slots__ = ("firsts", "lasts")

    def __init__(self) -> None:
        self.firsts: list[int] = []
        self.lasts: list[int] = []

    def add(self, first: int, last: int) -> list[tuple[int, int]]:
        """Put first..last in; the intervals of it that were not in before."""
        firsts, lasts = self.firsts, self.lasts
        start = bisect_left(lasts, first - 1)
        stop = bisect_right(firsts, last + 1)
        if start == stop:
            firsts.insert(start, first)
            lasts.insert(start, last)
            return [(first, last)]
        new = self.missing(first, last)
        firsts[start:stop] = [min(first, firsts[start])]
        lasts[start:stop] = [max(last, lasts[stop - 1])]
        return new

    def missing(self, first: int, last: int) -> list[tuple[int, int]]:
        """The intervals of first..last that are not in."""
        firsts, lasts = self.firsts, self.lasts
        found = []
        for index in range(bisect_left(lasts, first), len(firsts)):
            if firsts[index] > last:
                break
            if firsts[index] > first:
                found.append((first, firsts[index] - 1))
            first = lasts[index] + 1
        if first <= last:
            found.append((first, last))
        return found

    def flat(self) -> list[int]:
        """First, last, first, last ..."""
        return [number for pair in zip(self.firsts, self.lasts, strict=True) for number in pair]

    def forget_below(self, number: int) -> None:
        """Take out everything smaller than `number`."""
        count = bisect_left(self.lasts, number)
        del self.firsts[:count], self.lasts[:count]
        if self.firsts and self.firsts[0] < number:
            self.firsts[0] = number
