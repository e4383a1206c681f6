"""A run: messages that came one after another, take the same route and are treated alike.

The unit of work everywhere in the core. A socket read brings hundreds of messages of a busy publisher;
routing, queueing, dispatching and counting them costs the same as for one. Runs are never regrouped across
other messages, so order holds. Once a run is in a queue its list belongs to that queue, unless the run is
`shared` by several queues.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from menura.core.memory import SharedCharge
    from menura.core.routing import Route

MERGE_BYTES_MAX = 65536


class Run:
    """Messages in packed form (see `content`).

    `size_bytes` is the sum of their lengths and `longest_bytes` an upper bound for each; `persistent` says
    whether they must outlive the process when a durable queue holds them. Those with a `deadline_ms`, in milliseconds
    since 1970, are to leave their queues then.
    """

    __slots__ = ("contents", "deadline_ms", "longest_bytes", "persistent", "route", "shared", "size_bytes")

    def __init__(
        self,
        route: Route,
        contents: list[bytes],
        size_bytes: int,
        longest_bytes: int,
        persistent: bool,
        shared: SharedCharge | None = None,
        deadline_ms: int = 0,
    ) -> None:
        self.route = route
        self.contents = contents
        self.size_bytes = size_bytes
        self.longest_bytes = longest_bytes
        self.persistent = persistent
        self.shared = shared
        self.deadline_ms = deadline_ms

    @classmethod
    def of(
        cls,
        route: Route,
        contents: list[bytes],
        persistent: bool,
        deadline_ms: int = 0,
        shared: SharedCharge | None = None,
    ) -> Run:
        """A run of at least one message, measured here."""
        sizes = list(map(len, contents))
        return cls(route, contents, sum(sizes), max(sizes), persistent, shared, deadline_ms)

    def __len__(self) -> int:
        return len(self.contents)

    def piece(self, start: int, stop: int) -> Run:
        """A run of the messages start..stop-1; shares the messages, not the list."""
        contents = self.contents[start:stop]
        size_bytes = sum(map(len, contents))
        return Run(self.route, contents, size_bytes, self.longest_bytes, self.persistent, self.shared, self.deadline_ms)

    def due(self, deadline_ms: int) -> Run:
        """The same messages, with this deadline."""
        return Run(
            self.route, self.contents, self.size_bytes, self.longest_bytes, self.persistent, self.shared, deadline_ms
        )

    def split(self, count: int, piece: int) -> list[Run]:
        """This run as the first `count` messages, at most `piece` more, and the rest; itself if it is no longer.

        Whoever takes a few messages at a time off the front copies at most `piece` others each time.
        """
        length = len(self.contents)
        if length <= count:
            return [self]
        near = min(count + piece, length)
        parts = [self.piece(0, count), self.piece(count, near)]
        if near < length:
            parts.append(self.piece(near, length))
        return parts

    def absorb(self, other: Run) -> bool:
        """Append `other` to this run when nobody could tell the difference; say whether that was so."""
        if (
            self.route is not other.route
            or self.deadline_ms != other.deadline_ms
            or self.persistent is not other.persistent
            or self.shared is not None
            or other.shared is not None
            or self.size_bytes + other.size_bytes > MERGE_BYTES_MAX
        ):
            return False
        self.contents += other.contents
        self.size_bytes += other.size_bytes
        if other.longest_bytes > self.longest_bytes:
            self.longest_bytes = other.longest_bytes
        return True
