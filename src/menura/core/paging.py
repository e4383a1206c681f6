"""Messages that wait in the journal alone, and their way back into memory.

A queue whose waiting messages weigh too much keeps no more than their number, as `Paged`, in the place where the
messages would be. In front of a consumer they are read back, some hundred kilobytes at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from menura.core.ports import Stored
from menura.core.routing import Route
from menura.core.run import Run

# Of one queue's waiting messages so much stays in memory.
RESIDENT_BYTES_MAX = 32 * 1024 * 1024
_READ_BYTES = 512 * 1024
_READ_MESSAGES_MAX = 4096


class Reader(Protocol):
    """What messages are read back from: a journal, or a keeper."""

    def read(self, queue: int, first: int, last: int) -> list[Stored]: ...
    def read_ranges(self, queue: int, ranges: Sequence[tuple[int, int]]) -> list[Stored]: ...


class Paged:
    """`count` persistent messages in a row, of `size_bytes` together, as far as that is known.

    None of them is due before `deadline_ms`, if that is not 0.
    """

    __slots__ = ("count", "deadline_ms", "size_bytes")

    def __init__(self, count: int, size_bytes: int, deadline_ms: int = 0) -> None:
        self.count = count
        self.size_bytes = size_bytes
        self.deadline_ms = deadline_ms

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
        rest = Paged(self.count - count, self.size_bytes - size_bytes, self.deadline_ms)
        self.count, self.size_bytes = count, size_bytes
        return rest


def read_back(
    journal: Reader,
    queue: int,
    first: int,
    count: int,
    deadline_of: Callable[[bytes, int], int] | None = None,
) -> list[tuple[int, Run]]:
    """Runs with their positions. What the disk has lost is missing.

    `deadline_of` tells the deadline of a message from its content and the time it was taken.
    """
    found: list[tuple[int, Run]] = []
    routes: dict[tuple[str, tuple[str, ...]], Route] = {}
    for stored in journal.read(queue, first, first + count - 1):
        names = stored.exchange, stored.keys
        route = routes.get(names)
        if route is None:
            route = routes[names] = Route(stored.exchange, stored.keys[0], stored.keys[1:])
        for position, contents, deadline_ms in _due_together(stored, deadline_of):
            run = Run.of(route, contents, True, deadline_ms)
            if found:
                at, last = found[-1]
                if at + len(last.contents) == position and last.absorb(run):
                    continue
            found.append((position, run))
    return found


def read_singles(journal: Reader, queue: int, positions: Sequence[int]) -> Iterator[tuple[int, Run]]:
    """The messages at these positions, in order, as runs of one each with their positions."""
    route = Route("", "")
    for stored in journal.read_ranges(queue, ranges_of(positions)):
        if (route.exchange, (route.key, *route.further_keys)) != (stored.exchange, stored.keys):
            route = Route(stored.exchange, stored.keys[0], stored.keys[1:])
        for position, content in enumerate(stored.contents, stored.first):
            yield position, Run.of(route, [content], True)


def ranges_of(positions: Sequence[int]) -> list[tuple[int, int]]:
    """Positions in order as ranges: (first, last) of those that follow each other."""
    ranges: list[tuple[int, int]] = []
    for position in positions:
        if ranges and ranges[-1][1] + 1 == position:
            ranges[-1] = ranges[-1][0], position
        else:
            ranges.append((position, position))
    return ranges


def read_through(
    journal: Reader,
    queue: int,
    position: int,
    paged: Paged,
    deadline_of: Callable[[bytes, int], int] | None = None,
) -> Iterator[tuple[int, Run]]:
    """`read_back` all that is paged, part by part."""
    rest: Paged | None = Paged(paged.count, paged.size_bytes)
    while rest is not None:
        part, rest = rest, rest.cut(rest.first_part())
        yield from read_back(journal, queue, position, part.count, deadline_of)
        position += part.count


def _due_together(
    stored: Stored, deadline_of: Callable[[bytes, int], int] | None
) -> Iterable[tuple[int, list[bytes], int]]:
    """Position, contents and deadline of each of its parts that have the same one."""
    if deadline_of is None:
        return ((stored.first, stored.contents, 0),)
    parts: list[tuple[int, list[bytes], int]] = []
    for position, content in enumerate(stored.contents, stored.first):
        deadline_ms = deadline_of(content, stored.at_ms)
        if parts and parts[-1][2] == deadline_ms:
            parts[-1][1].append(content)
        else:
            parts.append((position, [content], deadline_ms))
    return parts
