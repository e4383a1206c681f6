"""Which of the messages handed to a destination it has taken, and what the source may be told of it.

Both number messages from 1 in the same order, so a number is a tag at either end. The source is told of what has been
taken without a gap, in one acknowledgement: `settle` gives the tag up to which. Those taken out of order wait for the
gap to close. One that was refused goes back to the source at once, and is no gap.
"""

from __future__ import annotations


class Unconfirmed:
    __slots__ = ("_early", "first", "next")

    def __init__(self) -> None:
        self.first = 1
        """The lowest that nothing has been said about."""
        self.next = 1
        self._early: dict[int, bool] = {}  # above `first`; whether it was taken

    @property
    def count(self) -> int:
        return self.next - self.first - len(self._early)

    def add(self, count: int) -> None:
        self.next += count

    def settle(self, tag: int, multiple: bool, taken: bool) -> tuple[int, list[int]]:
        """The destination has said this; the tag up to which to acknowledge (0: none), and those that were refused.

        What it has said before, or about messages it never got, means nothing.
        """
        if tag == 0 and multiple:
            tag = self.next - 1
        if not self.first <= tag < self.next:
            return 0, []
        early = self._early
        new = [each for each in range(self.first, tag + 1) if each not in early] if multiple else [tag]
        if not multiple and tag in early:
            return 0, []
        if taken and multiple and not early:
            self.first = tag + 1
            return tag, []
        early.update(dict.fromkeys(new, taken))
        return self._advance(), [] if taken else new

    def _advance(self) -> int:
        """Go past what has been settled; the highest tag there that was taken."""
        highest = 0
        early = self._early
        while (taken := early.pop(self.first, None)) is not None:
            if taken:
                highest = self.first
            self.first += 1
        return highest
