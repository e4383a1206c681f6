"""How often messages of a queue were handed out, and until when they wait for another try.

A number for each message that has come back, under its position, so that a queue whose messages do not come back has
none. Of several notes about one message the one with the most times holds, of those the latest: so the order of notes
means nothing, nor does repeating them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from menura.core.ports import Counted

_DUE_BITS = 64
_DUE = (1 << _DUE_BITS) - 1


class Counts(dict[int, int]):
    """Both in one number, by position."""

    __slots__ = ()

    def note(self, position: int, times: int, due_ms: int) -> None:
        packed = times << _DUE_BITS | due_ms
        if packed > self.get(position, 0):
            self[position] = packed

    def all(self) -> Iterator[Counted]:
        """In no order."""
        return self.at(self)

    def at(self, positions: Iterable[int]) -> Iterator[Counted]:
        """What is noted of messages that have a note."""
        for position in positions:
            packed = self[position]
            yield Counted(position, packed >> _DUE_BITS, packed & _DUE)

    def positions(self, first: int, last: int) -> list[int]:
        """Which of first .. last have a note, in order."""
        if last - first < len(self):
            return [position for position in range(first, last + 1) if position in self]
        return sorted(position for position in self if first <= position <= last)

    def forget(self, first: int, last: int) -> None:
        for position in self.positions(first, last):
            del self[position]
