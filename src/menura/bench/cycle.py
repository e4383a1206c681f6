"""Counting messages in a stream of octets when their sizes repeat.

A load sends the same prebuilt messages over and over, so how many messages a number of octets holds is
arithmetic, whether the messages are all of one size (a cycle of one) or differ.
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate


class Cycle:
    """Message sizes that repeat for ever; sizes in octets, none of them zero."""

    def __init__(self, sizes: Iterable[int]) -> None:
        self._ends = list(accumulate(sizes))
        self._octets = self._ends[-1]
        self._messages = len(self._ends)

    def whole(self, octets: int) -> int:
        """How many messages lie wholly within the first `octets` of the stream."""
        turns, rest = divmod(octets, self._octets)
        return turns * self._messages + bisect_right(self._ends, rest)

    def end(self, messages: int) -> int:
        """Where in the stream the first `messages` end."""
        turns, rest = divmod(messages, self._messages)
        return turns * self._octets + (self._ends[rest - 1] if rest else 0)
