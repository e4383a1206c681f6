"""The parts of an expression, as functions from where they may begin to where they may end.

All ways are followed at once: a set of positions in the text is the bits of an integer. So a sequence is one part after
the other, an alternative is "or", and a repetition goes on until it reaches no new position; nothing is ever tried
again. Work is counted in looks at the text, and a search that takes more than `STEPS_MAX` raises `TooLong`: only
lookahead and repetitions in repetitions come near it. A long text makes each look longer, and is given fewer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

STEPS_MAX = 50_000


class TooLong(Exception):
    """More work than any expression meant well would take."""


class Subject:
    """A text under search: where each kind of character is, and how much work may still be done."""

    __slots__ = ("_found", "all", "steps", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.all = (1 << len(text) + 1) - 1
        self.steps = STEPS_MAX // (1 + len(text) // 1024)
        self._found: dict[re.Pattern[str], int] = {}

    def where(self, what: re.Pattern[str]) -> int:
        """The positions of a character, or of an edge between two."""
        self.steps -= 1
        if self.steps < 0:
            raise TooLong
        found = self._found.get(what)
        if found is None:
            found = 0
            for match in what.finditer(self.text):
                found |= 1 << match.start()
            self._found[what] = found
        return found


Part = Callable[[Subject, int], int]
"""(text, positions to begin at) -> positions to go on at."""


def one(what: re.Pattern[str]) -> Part:
    return lambda subject, at: (at & subject.where(what)) << 1


def edge(what: re.Pattern[str]) -> Part:
    return lambda subject, at: at & subject.where(what)


def sequence(parts: list[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]

    def follow(subject: Subject, at: int) -> int:
        for part in parts:
            if not at:
                break
            at = part(subject, at)
        return at

    return follow


def either(parts: list[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]

    def follow(subject: Subject, at: int) -> int:
        ends = 0
        for part in parts:
            ends |= part(subject, at)
        return ends

    return follow


def any_number(what: re.Pattern[str], low: int) -> Part:
    """A character, `low` times or more often. Adding carries a bit along as far as there is one such after another."""

    def follow(subject: Subject, at: int) -> int:
        there = subject.where(what)
        for _ in range(low):
            at = (at & there) << 1
            if not at:
                break
        return ((at & there) + there ^ there) | at

    return follow


def repeat(part: Part, low: int, high: int | None) -> Part:
    def follow(subject: Subject, at: int) -> int:
        for _ in range(low):
            before, at = at, part(subject, at)
            if at == before:
                break
        reached = fresh = at
        rounds = high - low if high is not None else len(subject.text)
        while fresh and rounds:
            fresh = part(subject, fresh) & ~reached
            reached |= fresh
            rounds -= 1
        return reached

    return follow


def ahead(part: Part, wanted: bool) -> Part:
    def follow(subject: Subject, at: int) -> int:
        return sum(bit for bit in _bits(at) if (part(subject, bit) != 0) is wanted)

    return follow


def behind(part: Part, wanted: bool) -> Part:
    def follow(subject: Subject, at: int) -> int:
        ends = part(subject, subject.all)
        return at & ends if wanted else at & ~ends

    return follow


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest
        mask ^= lowest


AROUND: dict[str, tuple[Callable[[Part, bool], Part], bool]] = {
    "(?=": (ahead, True),
    "(?!": (ahead, False),
    "(?<=": (behind, True),
    "(?<!": (behind, False),
}
