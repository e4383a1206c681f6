"""Some numbers of one object over the last hour, for as little memory as they change.

Time is counted in steps. A row is the numbers as they were from a step on, until the step of the next row, so an
object at rest adds none. `fine` has every row of the last minutes; of those before, `coarse` has the one that each
whole minute began with. Rows are flat arrays of 64-bit integers: the step, then the values.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

MINUTE = 12
"""Steps in a minute."""


class Series:
    """`mark` is for whoever adds rows: what told, last time, whether anything has changed."""

    __slots__ = ("coarse", "fine", "mark", "stride")

    def __init__(self, step: int, values: Sequence[int], mark: Any = None) -> None:
        self.stride = len(values) + 1
        self.fine = array("q", (step, *values))
        self.coarse = array("q")
        self.mark = mark

    @property
    def last(self) -> array[int]:
        """The values of the last row."""
        return self.fine[1 - self.stride :]

    def add(self, step: int, values: Sequence[int]) -> None:
        """The values are these from `step` on; nothing is added if they were before."""
        fine = self.fine
        last = fine[-self.stride :]
        row = array("q", (step, *values))
        if last[1:] == row[1:]:
            return
        # Some whole minute lies behind the row before and not behind this one: it began with the row before.
        if (step - 1) // MINUTE * MINUTE >= last[0]:
            self.coarse += last
        fine += row

    def at(self, step: int, column: int) -> int:
        """A value as it was at this step. 0 before the first row."""
        fine, stride = self.fine, self.stride
        if fine[-stride] <= step:
            return fine[column - stride + 1]
        rows = fine if fine[0] <= step else self.coarse
        # The last row that is not later.
        low, high = 0, len(rows) // stride
        while low < high:
            middle = (low + high) // 2
            if rows[middle * stride] <= step:
                low = middle + 1
            else:
                high = middle
        return rows[(low - 1) * stride + 1 + column] if low else 0

    def along(self, steps: Sequence[int], column: int) -> list[int]:
        """A value as it was at each of these steps, which are in order."""
        found: list[int] = []
        first = bisect_left(steps, self.fine[0])
        for rows, part in ((self.coarse, steps[:first]), (self.fine, steps[first:])):
            index, end, value = -self.stride, len(rows) - self.stride, 0
            for step in part:
                while index < end and rows[index + self.stride] <= step:
                    index += self.stride
                    value = rows[index + 1 + column]
                found.append(value)
        return found

    def trim(self, fine_from: int, coarse_from: int) -> None:
        """Forget what is not needed to answer for later steps than these."""
        _trim(self.fine, self.stride, fine_from)
        _trim(self.coarse, self.stride, coarse_from)

    @property
    def size_bytes(self) -> int:
        return 8 * (len(self.fine) + len(self.coarse))


def _trim(rows: array[int], stride: int, start: int) -> None:
    """Drop the rows before the one that was valid at `start`."""
    count = 0
    while (count + 2) * stride <= len(rows) and rows[(count + 1) * stride] <= start:
        count += 1
    if count:
        del rows[: count * stride]
