"""Settlements, deliveries and counts of them since the last batch, put together so that many cost one record.

Marks are applied when they are written, not when they are made: what a record says and what the journal acts on, such
as removing a segment, are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from menura.store import records
from menura.store.counts import Counts
from menura.store.places import Places
from menura.store.segments import Segments


class Marks:
    """What has been settled, delivered and counted, per queue."""

    __slots__ = ("_counted", "_delivered", "_settled")

    def __init__(self) -> None:
        self._settled: dict[int, list[int]] = {}  # first, last, first, last ...
        self._delivered: dict[int, int] = {}
        self._counted: dict[int, Counts] = {}

    def __bool__(self) -> bool:
        return bool(self._settled or self._delivered or self._counted)

    def settle(self, queue: int, first: int, last: int) -> None:
        ranges = self._settled.get(queue)
        if ranges is None:
            self._settled[queue] = [first, last]
        elif ranges[-1] + 1 == first:
            ranges[-1] = last
        else:
            ranges += (first, last)

    def deliver(self, queue: int, high: int) -> None:
        if high > self._delivered.get(queue, 0):
            self._delivered[queue] = high

    def count(self, queue: int, position: int, times: int, due_ms: int) -> None:
        counts = self._counted.get(queue)
        if counts is None:
            counts = self._counted[queue] = Counts()
        counts.note(position, times, due_ms)

    def forget(self, queue: int) -> None:
        self._settled.pop(queue, None)
        self._delivered.pop(queue, None)
        self._counted.pop(queue, None)

    def take(self, queues: dict[int, Places], segments: Segments) -> bytes:
        """The payload of a record with all marks, which are applied to the queues and gone from here."""
        settled, self._settled = self._settled, {}
        delivered, self._delivered = self._delivered, {}
        parts = []
        numbers = [number for queue, ranges in settled.items() for number in _apply(queue, ranges, queues, segments)]
        if numbers:
            parts.append((records.SETTLED, records.numbers_to_bytes(numbers)))
        numbers = [number for pair in delivered.items() if pair[0] in queues for number in pair]
        if numbers:
            parts.append((records.DELIVERED, records.numbers_to_bytes(numbers)))
        for queue, high in delivered.items():
            if queue in queues:
                queues[queue].saw_delivered(high)
        if self._counted:
            counted, self._counted = self._counted, {}
            numbers = [number for queue, counts in counted.items() for number in _count(queue, counts, queues)]
            if numbers:
                parts.append((records.COUNTED, records.numbers_to_bytes(numbers)))
        return records.parts_to_bytes(parts)


def _apply(queue: int, ranges: Sequence[int], queues: dict[int, Places], segments: Segments) -> list[int]:
    """Settle; the same as queue, first, last ..., with neighbours put together."""
    places = queues.get(queue)
    if places is None:
        return []
    numbers: list[int] = []
    for first, last in sorted(zip(ranges[::2], ranges[1::2], strict=True)):
        if numbers and numbers[-1] + 1 >= first:
            numbers[-1] = max(numbers[-1], last)
        else:
            numbers += (queue, first, last)
    for index in range(1, len(numbers), 3):
        places.settle(numbers[index], numbers[index + 1], segments)
    return numbers


def _count(queue: int, counts: Counts, queues: dict[int, Places]) -> Iterator[int]:
    """Note counts; the numbers of those of messages that are still there."""
    places = queues.get(queue)
    if places is None:
        return
    for each in counts.all():
        if places.has(each.position):
            places.counts.note(*each)
            yield queue
            yield from each
