"""A journal and a catalog in memory: the reference the others are compared with, plain on purpose.

They survive as objects only. "Durable" and "committed" mean that `flush` was called after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from menura.core.definitions import Definition
from menura.core.ports import Counted, Held, Published, Settled, Stored

_Message = tuple[str, tuple[str, ...], bytes, int]


class MemoryJournal:
    """Implements `core.ports.Journal` with a dictionary of messages by position for each queue."""

    def __init__(self) -> None:
        self.appended = self.durable = 0
        self.on_durable: Callable[[int], None] = lambda position: None
        self._queues: dict[int, dict[int, _Message]] = {}
        self._delivered: dict[int, int] = {}
        self._counts: dict[int, dict[int, Counted]] = {}
        self._next: dict[int, int] = {}

    def append(self, *parts: Published | Settled) -> int:
        for part in parts:
            if isinstance(part, Settled):
                self.settle(*part)
                continue
            for number, content in enumerate(part.contents):
                self.appended += len(content)
                for queue, first in part.queues:
                    held = self._queues.setdefault(queue, {})
                    held[first + number] = part.exchange, part.keys, content, part.at_ms
                    self._next[queue] = first + number + 1
        self.appended += 1
        return self.appended

    def settle(self, queue: int, first: int, last: int) -> None:
        for position in range(first, last + 1):
            self._queues.get(queue, {}).pop(position, None)
            self._counts.get(queue, {}).pop(position, None)

    def delivered(self, queue: int, high: int) -> None:
        self._delivered[queue] = max(high, self._delivered.get(queue, 0))

    def counted(self, queue: int, position: int, times: int, due_ms: int) -> None:
        if position in self._queues.get(queue, {}):
            noted = self._counts.setdefault(queue, {})
            noted[position] = max(Counted(position, times, due_ms), noted.get(position, Counted(position, 0, 0)))

    def counts(self, queue: int, first: int, last: int) -> list[Counted]:
        return [each for _, each in sorted(self._counts.get(queue, {}).items()) if first <= each.position <= last]

    def flush(self) -> None:
        if self.appended > self.durable:
            self.durable = self.appended
            self.on_durable(self.durable)

    def read_ranges(self, queue: int, ranges: Sequence[tuple[int, int]]) -> list[Stored]:
        return [stored for first, last in ranges for stored in self.read(queue, first, last)]

    def read(self, queue: int, first: int, last: int) -> list[Stored]:
        held = self._queues.get(queue, {})
        return [
            Stored(position, exchange, keys, [content], at_ms)
            for position, (exchange, keys, content, at_ms) in sorted(held.items())
            if first <= position <= last
        ]

    def forget(self, queue: int) -> None:
        for known in (self._queues, self._delivered, self._counts, self._next):
            known.pop(queue, None)

    def queues(self) -> list[int]:
        return list(self._queues)

    def held(self, queue: int) -> Held:
        held = self._queues.get(queue)
        if held is None:
            return Held([], 0, 0, 0, 0)
        positions = sorted(held)
        gaps = [(a, b) for a, b in pairwise(positions) if b > a + 1]
        firsts = positions[:1] + [b for _, b in gaps]
        lasts = [a for a, _ in gaps] + positions[-1:]
        delivered = self._delivered.get(queue, 0)
        return Held(
            list(zip(firsts, lasts, strict=True)),
            len(held),
            sum(len(content) for _, _, content, _ in held.values()),
            max(self._next.get(queue, 0), delivered),
            delivered,
        )


class MemoryCatalog:
    """Implements `core.ports.Catalog`; `changes` are (kept or dropped, definition), in order."""

    def __init__(self) -> None:
        self.changed = self.committed = 0
        self.on_committed: Callable[[int], None] = lambda number: None
        self.changes: list[tuple[bool, Definition]] = []
        self._last_queue_id = 0

    def put(self, definition: Definition) -> int:
        return self._take(True, definition)

    def delete(self, definition: Definition) -> int:
        return self._take(False, definition)

    def _take(self, kept: bool, definition: Definition) -> int:
        self.changes.append((kept, definition))
        self.changed += 1
        return self.changed

    def flush(self) -> None:
        if self.changed > self.committed:
            self.committed = self.changed
            self.on_committed(self.committed)

    def new_queue_id(self) -> int:
        self._last_queue_id += 1
        return self._last_queue_id
