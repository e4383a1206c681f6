"""A journal in memory: the reference the others are compared with, plain on purpose.

It survives nothing; "durable" means that the tick in which a record was appended has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from menura.core.ports import Record


class MemoryJournal:
    """Implements `core.ports.Journal` with a list."""

    def __init__(self) -> None:
        self.durable = 0
        self.on_durable: Callable[[int], None] = lambda position: None
        self._first = 1
        self._records: list[tuple[str, Record]] = []

    def append(self, vhost: str, record: Record) -> int:
        self._records.append((vhost, record))
        return self.appended

    @property
    def appended(self) -> int:
        return self._first + len(self._records) - 1

    def flush(self) -> None:
        if self.appended > self.durable:
            self.durable = self.appended
            self.on_durable(self.durable)

    def replay(self, after: int = 0) -> Iterator[tuple[int, str, Record]]:
        for position, (vhost, record) in enumerate(list(self._records), self._first):
            if after < position <= self.durable:
                yield position, vhost, record

    def truncate(self, before: int) -> None:
        dropped = max(0, min(before - self._first, len(self._records)))
        del self._records[:dropped]
        self._first += dropped
