"""Messages that wait in the journal alone, and their way back into memory.

A queue whose waiting messages weigh too much keeps no more than their number, as `Paged`, in the place where the
messages would be. In front of a consumer they are read back, some hundred kilobytes at a time.
"""

from __future__ import annotations

from menura.core.ports import Journal
from menura.core.routing import Route
from menura.core.run import Run

# Of one queue's waiting messages so much stays in memory.
RESIDENT_BYTES_MAX = 32 * 1024 * 1024
_READ_BYTES = 512 * 1024
_READ_MESSAGES_MAX = 4096


class Paged:
    """`count` persistent messages in a row, of `size_bytes` together, as far as that is known."""

    __slots__ = ("count", "size_bytes")

    def __init__(self, count: int, size_bytes: int) -> None:
        self.count = count
        self.size_bytes = size_bytes

    def __len__(self) -> int:
        return self.count

    def first_part(self) -> int:
        """How many of them to read back at a time."""
        return min(self.count, _READ_MESSAGES_MAX, 1 + _READ_BYTES * self.count // (self.size_bytes + 1))

    def cut(self, count: int) -> Paged | None:
        """Keep the first `count`; the rest, if there is any."""
        if count >= self.count:
            return None
        size_bytes = self.size_bytes * count // self.count
        rest = Paged(self.count - count, self.size_bytes - size_bytes)
        self.count, self.size_bytes = count, size_bytes
        return rest


def read_back(journal: Journal, queue: int, first: int, count: int) -> list[tuple[int, Run]]:
    """Runs with their positions. What the disk has lost is missing."""
    found: list[tuple[int, Run]] = []
    routes: dict[tuple[str, tuple[str, ...]], Route] = {}
    for stored in journal.read(queue, first, first + count - 1):
        contents = stored.contents
        names = stored.exchange, stored.keys
        route = routes.get(names)
        if route is None:
            route = routes[names] = Route(stored.exchange, stored.keys[0], stored.keys[1:])
        run = Run(route, contents, sum(map(len, contents)), max(map(len, contents)), persistent=True)
        if found:
            position, last = found[-1]
            if position + len(last.contents) == stored.first and last.absorb(run):
                continue
        found.append((stored.first, run))
    return found
