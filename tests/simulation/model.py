"""What a journal has promised, kept in dictionaries: plain enough to be believed.

A message or a settlement has a *promise*: the position at which the journal's `durable` makes it certain; None while
that is not known, which is so for marks until the next batch is started. `check` compares with what a journal has
found after a crash. What was not promised may or may not be there, but nothing else.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field

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

    def forget(self, queue: int) -> None:
        for keys in (self.messages, self.settled):
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
        for queue, marks in self.delivered.items():
            high = journal.held(queue).delivered
            certain = [(mark, position) for mark, position in marks if mark <= high and self._kept(position)]
            self.delivered[queue] = [*certain, (high, promise)]
        self.durable = journal.durable
