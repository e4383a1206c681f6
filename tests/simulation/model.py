"""What a journal has promised, kept in dictionaries: plain enough to be believed.

A message, a settlement or a count has a *promise*: the position at which the journal's `durable` makes it certain; None
while that is not known, which is so for marks until the next batch is started. `check` compares with what a journal has
found after a crash. What was not promised may or may not be there, but nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from menura.core.ports import Counted
from menura.store.journal import Journal

Key = tuple[int, int]  # queue id, position


class BrokenPromise(AssertionError):
    """The journal did not keep one."""


@dataclass
class Message:
    content: bytes
    exchange: str
    keys: tuple[str, ...]
    at_ms: int
    promise: int


@dataclass
class Group:
    """What was appended as one: all or nothing."""

    published: list[Key]
    settled: list[Key]


@dataclass
class Model:
    durable: int = 0
    messages: dict[Key, Message] = field(default_factory=dict)
    settled: dict[Key, int | None] = field(default_factory=dict)
    delivered: dict[int, list[tuple[int, int | None]]] = field(default_factory=dict)
    counted: dict[Key, list[tuple[int, int, int | None]]] = field(default_factory=dict)  # times, due_ms, promise
    groups: list[Group] = field(default_factory=list)
    next_positions: dict[int, int] = field(default_factory=dict)

    # -- what is done ----------------------------------------------------------------------------------------

    def settle(self, key: Key, promise: int | None = None) -> None:
        self.settled.setdefault(key, promise)

    def marks_written(self, position: int) -> None:
        """A batch with all marks so far ends there."""
        self.settled = {key: position if promise is None else promise for key, promise in self.settled.items()}
        for queue, marks in self.delivered.items():
            self.delivered[queue] = [(high, position if promise is None else promise) for high, promise in marks]
        for key, counts in self.counted.items():
            self.counted[key] = [(*count, position if promise is None else promise) for *count, promise in counts]

    def forget(self, queue: int) -> None:
        for keys in (self.messages, self.settled, self.counted):
            for key in [key for key in keys if key[0] == queue]:
                del keys[key]
        self.delivered.pop(queue, None)
        for group in self.groups:
            group.published = [key for key in group.published if key[0] != queue]
            group.settled = [key for key in group.settled if key[0] != queue]

    def live(self, queue: int) -> list[int]:
        """Positions that nobody has settled, in order."""
        return sorted(p for q, p in self.messages if q == queue and (q, p) not in self.settled)

    def forget_history(self) -> None:
        """Drop what is settled for certain, from time to time."""
        gone = [key for key, promise in self.settled.items() if self._kept(promise)]
        for key in gone:
            message = self.messages.get(key)
            if message is None or self._kept(message.promise):
                self.messages.pop(key, None)
                self.counted.pop(key, None)
                del self.settled[key]

    def _kept(self, promise: int | None) -> bool:
        return promise is not None and promise <= self.durable

    # -- what is found ---------------------------------------------------------------------------------------

    def check(self, journal: Journal, lost: Set[Key] = frozenset(), returned: bool = False) -> set[Key]:
        """The messages found; BrokenPromise if they are not what they should be.

        `lost` may be missing, and settled ones may have returned, since the disk was damaged on purpose.
        """
        found = self._found(journal)
        for key in found:
            if key not in self.messages and not returned:
                raise BrokenPromise(f"{key} was found and never published, or settled for certain long ago")
        for key, message in self.messages.items():
            settled = key in self.settled
            if key in found:
                if settled and self._kept(self.settled[key]) and not returned:
                    raise BrokenPromise(f"{key} has returned: its settlement was durable")
            elif self._kept(message.promise) and not settled and key not in lost:
                raise BrokenPromise(f"{key} is lost: it was durable at {message.promise} <= {self.durable}")
        if not lost and not returned:
            self._check_groups(found)
            self._check_delivered(journal, found)
            self._check_counted(journal, found)
        return found

    def _found(self, journal: Journal) -> set[Key]:
        found = set()
        for queue in journal.queues():
            held = journal.held(queue)
            positions = []
            for first, last in held.ranges:
                for stored in journal.read(queue, first, last):
                    for number, content in enumerate(stored.contents):
                        position = stored.first + number
                        positions.append(position)
                        self._check_content((queue, position), content, stored)
            expected = [position for first, last in held.ranges for position in range(first, last + 1)]
            if positions != expected:
                raise BrokenPromise(f"queue {queue} says {held.ranges} and reads back {positions}")
            if held.message_count != len(positions):
                raise BrokenPromise(f"queue {queue} says {held.message_count} messages and has {len(positions)}")
            if positions and held.next_position <= positions[-1]:
                raise BrokenPromise(f"queue {queue} would give {held.next_position} out again")
            found |= {(queue, position) for position in positions}
        return found

    def _check_content(self, key: Key, content: bytes, stored) -> None:
        message = self.messages.get(key)
        if message is None:
            return
        expected = (message.content, message.exchange, message.keys, message.at_ms)
        if expected != (content, stored.exchange, stored.keys, stored.at_ms):
            raise BrokenPromise(f"{key} reads back as another message")

    def _check_groups(self, found: set[Key]) -> None:
        for group in self.groups:
            there = {key in found for key in group.published if key in self.messages and key not in self.settled}
            if len(there) > 1:
                raise BrokenPromise(f"{group} came back in part")
            if there == {True} and any(key in found for key in group.settled):
                raise BrokenPromise(f"{group} came back without its settlements")

    def _check_delivered(self, journal: Journal, found: set[Key]) -> None:
        for queue, marks in self.delivered.items():
            certain = max((high for high, promise in marks if self._kept(promise)), default=0)
            highest = max((high for high, _ in marks), default=0)
            delivered = journal.held(queue).delivered
            if delivered > highest:
                raise BrokenPromise(f"queue {queue} says {delivered} were delivered, but at most {highest} were")
            for position in [position for q, position in found if q == queue]:
                if delivered <= position < certain:
                    raise BrokenPromise(f"{(queue, position)} was delivered, and nothing says so")

    def _check_counted(self, journal: Journal, found: set[Key]) -> None:
        """What is said of a message was noted at some time, and nothing that was durable has been forgotten."""
        said = {(queue, each.position): each[1:] for queue, each in _counts(journal)}
        for key in said:
            if key not in found:
                raise BrokenPromise(f"{key} has a count, and is not there")
        for key in found:
            counts = self.counted.get(key, [])
            certain = max((tuple(count) for *count, promise in counts if self._kept(promise)), default=(0, 0))
            count = said.get(key, (0, 0))
            if count != (0, 0) and count not in [tuple(noted) for *noted, _ in counts]:
                raise BrokenPromise(f"{key} was counted as {count}, which nobody has noted: {counts}")
            if count < certain:
                raise BrokenPromise(f"{key} was counted as {certain}, and now as {count}")

    def adopt(self, journal: Journal, found: set[Key], promise: int) -> None:
        """Go on with what was found; it is certain at `promise` if it was not before."""
        self.groups = []
        self.next_positions = {queue: journal.held(queue).next_position for queue in self.next_positions}
        for key in list(self.messages):
            message = self.messages[key]
            if key in found:
                self.settled.pop(key, None)
                if not self._kept(message.promise):
                    message.promise = promise
            elif key in self.settled and key[1] < self.next_positions[key[0]]:
                # It may still return if neither it nor its settlement was certain.
                if not self._kept(self.settled[key]):
                    self.settled[key] = promise
            else:
                # Its position will be given out again.
                del self.messages[key]
                self.settled.pop(key, None)
                self.counted.pop(key, None)
        for queue, marks in self.delivered.items():
            high = journal.held(queue).delivered
            certain = [(mark, position) for mark, position in marks if mark <= high and self._kept(position)]
            self.delivered[queue] = [*certain, (high, promise)]
        said = {(queue, each.position): each[1:] for queue, each in _counts(journal)}
        for key, noted in list(self.counted.items()):
            if key in self.settled:
                continue  # it may return, and its count with it
            kept = [each for each in noted if self._kept(each[2]) and each[:2] <= said.get(key, (0, 0))]
            self.counted[key] = [*kept, (*said[key], promise)] if key in said else []
        self.durable = journal.durable


def _counts(journal: Journal) -> Iterator[tuple[int, Counted]]:
    for queue in journal.queues():
        for counted in journal.counts(queue, 0, 1 << 60):
            yield queue, counted
