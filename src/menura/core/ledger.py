"""What a channel has sent and not yet seen settled, under consecutive tags from 1.

Kept as spans of consecutive tags (one span per run delivered), so that acknowledging a thousand messages in
order costs as much as acknowledging one. A tag in the middle of a span splits it. Settled spans leave a hole
that is swept when holes are the majority, so any order of settling is cheap.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from menura.core.consumer import Consumer
    from menura.core.queue import Queue
    from menura.core.run import Run

_SWEEP_MIN = 64
_PIECE = 64


class UnknownTag(Exception):
    """Nothing is outstanding under this tag."""

    def __init__(self, tag: int) -> None:
        super().__init__(f"unknown delivery tag {tag}")
        self.tag = tag


class Span(NamedTuple):
    """Messages position .. position + len(run) - 1 of a queue, sent under tags first .. first + len(run) -
    1."""

    first: int
    consumer: Consumer | None
    queue: Queue
    position: int
    run: Run


class Ledger:
    """Outstanding deliveries, ordered by tag."""

    __slots__ = ("_firsts", "_holes", "_low", "_spans", "next_tag", "outstanding")

    def __init__(self) -> None:
        self.next_tag = 1
        self.outstanding = 0
        self._firsts: list[int] = []
        self._spans: list[Span | None] = []
        self._holes = 0
        self._low = 0  # everything before this index is a hole

    def skip(self, count: int) -> int:
        """Use up tags that need no settling; the first of them."""
        first = self.next_tag
        self.next_tag = first + count
        return first

    def add(self, consumer: Consumer | None, queue: Queue, position: int, run: Run) -> int:
        """Note a delivery; its first tag."""
        first = self.next_tag
        count = len(run.contents)
        self.next_tag = first + count
        self._firsts.append(first)
        self._spans.append(Span(first, consumer, queue, position, run))
        self.outstanding += count
        return first

    def take(self, first: int, last: int) -> list[Span]:
        """Remove and return the deliveries of tags first..last, all of which must be outstanding.

        Raises UnknownTag for the first that is not, and then removes nothing.
        """
        found = self._covering(first, last)
        expected = first
        for span in found:
            if span is None or span.first + len(span.run.contents) <= first:
                continue
            if span.first > expected:
                raise UnknownTag(expected)
            expected = span.first + len(span.run.contents)
        if expected <= last:
            raise UnknownTag(expected)
        return self._cut(first, last)

    def take_up_to(self, last: int) -> list[Span]:
        """Remove and return everything up to `last`, which must itself be outstanding."""
        covering = self._covering(last, last)
        if not any(span is not None and last < span.first + len(span.run.contents) for span in covering):
            raise UnknownTag(last)
        return self._cut(1, last)

    @property
    def oldest(self) -> Span | None:
        """What was sent first of all that is outstanding."""
        if not self.outstanding:
            return None
        at = self._low
        while (span := self._spans[at]) is None:
            at += 1
        return span

    def drain(self) -> list[Span]:
        """Remove and return everything."""
        spans = [span for span in self._spans if span is not None]
        self._firsts.clear()
        self._spans.clear()
        self._holes = self._low = 0
        self.outstanding = 0
        return spans

    def restore(self, spans: list[Span]) -> None:
        """Undo the taking of these spans."""
        kept = [span for span in self._spans if span is not None] + spans
        kept.sort(key=lambda span: span.first)
        self._spans = list(kept)
        self._firsts = [span.first for span in kept]
        self._holes = self._low = 0
        self.outstanding += sum(len(span.run.contents) for span in spans)

    def _covering(self, first: int, last: int) -> list[Span | None]:
        start = max(bisect_right(self._firsts, first) - 1, 0)
        return self._spans[start : bisect_right(self._firsts, last)]

    def _cut(self, first: int, last: int) -> list[Span]:
        """Take tags first..last out of the spans, splitting those at the edges."""
        firsts, spans = self._firsts, self._spans
        at = max(bisect_right(firsts, first) - 1, self._low)
        stop = bisect_right(firsts, last)
        taken: list[Span] = []
        while at < stop:
            span = spans[at]
            if span is not None:
                count = len(span.run.contents)
                low = max(first - span.first, 0)
                high = min(last - span.first + 1, count)
                if high - low == count:
                    taken.append(span)
                    spans[at] = None
                    self._holes += 1
                elif low < high:
                    taken.append(_piece(span, low, high))
                    # What follows is cut once more, so that settling tag by tag copies few messages each time.
                    near = min(high + _PIECE, count)
                    parts = ((0, low), (high, near), (near, count))
                    kept = [_piece(span, *part) for part in parts if part[0] < part[1]]
                    spans[at : at + 1] = kept
                    firsts[at : at + 1] = [piece.first for piece in kept]
                    at += len(kept) - 1
                    stop += len(kept) - 1
            at += 1
        self.outstanding -= sum(len(span.run.contents) for span in taken)
        while self._low < len(spans) and spans[self._low] is None:
            self._low += 1
        if self._holes > _SWEEP_MIN and self._holes * 2 > len(spans):
            self._sweep()
        return taken

    def _sweep(self) -> None:
        self._spans = [span for span in self._spans if span is not None]
        self._firsts = [span.first for span in self._spans if span is not None]
        self._holes = self._low = 0


def _piece(span: Span, low: int, high: int) -> Span:
    return Span(span.first + low, span.consumer, span.queue, span.position + low, span.run.piece(low, high))
