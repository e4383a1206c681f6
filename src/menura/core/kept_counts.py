"""Delivery counts that outlive the process, of a queue that counts.

What was handed out and is still there after a restart has come back, at the latest because the broker ended. So what
has to be known is how often each message was handed out. For the first time the journal has a mark for the whole queue
anyway, up to where that has happened. Each further time is noted as it happens, so that a message counts which takes
the broker with it, unless it does so within the milliseconds until marks are written; and when a message is set aside,
until when. Where messages have ranks they do not go out in the order of their positions, and the first time is noted
as well.

Messages that waited in the journal alone get their count when they are read back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from menura.core.dead_letters import DELIVERY_LIMIT
from menura.core.delivery_counts import counted, delivery_count
from menura.core.paging import Paged, ranges_of, read_back
from menura.core.ports import Counted
from menura.core.run import Run

if TYPE_CHECKING:
    from menura.core.ports import Journal
    from menura.core.settings import QueueSettings

Parked = tuple[int, int, Run, str]
"""Until when messages are set aside, the position of the first, and why they are to be buried, if they are."""
DeadlineOf = Callable[[bytes, int], int]

Fate = tuple[int, int, str]
"""How often a message was handed out, until when it waits, and why it is to be buried, if it is."""


class KeptCounts:
    """Of one queue; `in_order` says that its messages are first handed out in the order of their positions."""

    __slots__ = ("_in_order", "_journal", "_queue")

    def __init__(self, journal: Journal, queue: int, *, in_order: bool) -> None:
        self._journal = journal
        self._queue = queue
        self._in_order = in_order

    def handed_out(self, position: int, run: Run, again: bool) -> None:
        """Messages are being handed out, for the first time unless `again`."""
        if run.persistent and (again or not self._in_order):
            for at, content in enumerate(run.contents, position):
                self._journal.counted(self._queue, at, delivery_count(content) + 1, 0)

    def set_aside(self, position: int, run: Run, due_ms: int) -> None:
        """A message that has come back waits until then."""
        if run.persistent:
            self._journal.counted(self._queue, position, delivery_count(run.contents[0]), due_ms)

    def come_back(
        self, position: int, paged: Paged, settings: QueueSettings, now_ms: int, deadline_of: DeadlineOf
    ) -> tuple[list[tuple[int, Paged]], list[Parked]]:
        """Messages that were handed out before a restart come back by it: those that may be handed out again, and
        those that wait, or have come back too often."""
        fates = self._fates(position, len(paged), settings, now_ms)
        parked: list[Parked] = []
        for first, last in ranges_of(sorted(fates)):
            for start, run in read_back(self._journal, self._queue, first, last + 1 - first, deadline_of):
                for at, content in enumerate(run.contents, start):
                    times, due_ms, reason = fates[at]
                    single = Run.of(run.route, [counted(content, times)], run.persistent, run.deadline_ms)
                    parked.append((due_ms, at, single, reason))
        # What the disk has lost is found to be so when it would be handed out.
        return _without(position, paged, [at for _, at, _, _ in parked]), parked

    def _fates(self, position: int, count: int, settings: QueueSettings, now_ms: int) -> dict[int, Fate]:
        """Of those messages that are not to be handed out now."""
        fates: dict[int, Fate] = {}
        limit = settings.delivery_limit
        once = (limit is not None and limit < 1) or settings.retry_wait_ms(1, failed=False) is not None
        for at, times, due_ms in self._known(position, count) if once else self._noted(position, count):
            if limit is not None and times > limit:
                fates[at] = (times, now_ms, DELIVERY_LIMIT)
            elif due_ms > now_ms:
                fates[at] = (times, due_ms, "")
            elif not due_ms and (wait_ms := settings.retry_wait_ms(times, failed=False)) is not None:
                # Should the broker end again, its time goes on.
                self._journal.counted(self._queue, at, times, now_ms + wait_ms)
                fates[at] = (times, now_ms + wait_ms, "")
        return fates

    def _noted(self, position: int, count: int) -> list[Counted]:
        return self._journal.counts(self._queue, position, position + count - 1)

    def _known(self, position: int, count: int) -> Iterator[Counted]:
        """What was noted, and what follows where nothing was."""
        noted = {each.position: each for each in self._noted(position, count)}
        for at in range(position, position + count) if self._in_order else noted:
            yield noted.get(at) or Counted(at, 1, 0)

    def recounted(self, runs: list[tuple[int, Run]]) -> list[tuple[int, Run]]:
        """Messages that were handed out before a restart, as read back from the journal: with their counts."""
        return [(position, self._recounted(position, run)) for position, run in runs]

    def _recounted(self, position: int, run: Run) -> Run:
        noted = {each.position: each.times for each in self._noted(position, len(run))}
        if not noted and not self._in_order:
            return run
        contents = []
        for at, content in enumerate(run.contents, position):
            # A client may have sent the message with a count, from which the queue goes on.
            times = noted.get(at) or (delivery_count(content) + 1 if self._in_order else 0)
            contents.append(counted(content, times) if times else content)
        return Run.of(run.route, contents, run.persistent, run.deadline_ms)


def _without(position: int, paged: Paged, taken: Sequence[int]) -> list[tuple[int, Paged]]:
    """What is left of messages from a position on when some have been taken out."""
    left: list[tuple[int, Paged]] = []
    rest: Paged | None = paged
    for at in taken:
        assert rest is not None
        if at > position:
            before, rest = rest, rest.cut(at - position)
            left.append((position, before))
            assert rest is not None
        position, rest = at + 1, rest.cut(1)
    if rest is not None:
        left.append((position, rest))
    return left
