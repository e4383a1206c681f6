"""What the held messages weigh, and when that is too much.

Every queue charges what it takes in and releases what leaves it. A run that went to several queues is charged
once and released when the last of them has let go of the last message: never less than what is really held.
Above the watermark `blocked` turns true and listeners are told once; below 95 % of it, again. Listeners (the
transports) stop reading from publishers meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from menura.core.run import Run

# A bytes object's own header and the list slot that points to it.
MESSAGE_OVERHEAD_BYTES = 41
# A run, its list, its place in a queue, and its route, which may be nobody else's.
RUN_OVERHEAD_BYTES = 600
# A message of which no more is held than when it is due and how large it is: four numbers in a heap, and the place of
# a record in the journal.
SINGLE_OVERHEAD_BYTES = 176
_CLEAR_AT = 0.95
_SCARCE_AT = 0.5


class SharedCharge:
    """The one charge of a run held by several queues; `copies` counts messages times queues still held."""

    __slots__ = ("copies", "size_bytes")

    def __init__(self, copies: int, size_bytes: int) -> None:
        self.copies = copies
        self.size_bytes = size_bytes


class MemoryAccount:
    """Bytes held by queued and unsettled messages, against a watermark (0: none)."""

    def __init__(self, watermark_bytes: int = 0) -> None:
        self.used_bytes = 0
        self.blocked = False
        self.on_change: list[Callable[[bool], None]] = []
        self.set_watermark(watermark_bytes)

    def set_watermark(self, watermark_bytes: int) -> None:
        self.watermark_bytes = watermark_bytes
        self._limit = watermark_bytes or float("inf")
        # From here on it is time to keep things elsewhere, before anybody has to be blocked.
        self.scarce_bytes = self._limit * _SCARCE_AT
        self._check()

    def charge(self, run: Run) -> None:
        """Account for a run that one queue has taken in."""
        self.used_bytes += run.size_bytes + MESSAGE_OVERHEAD_BYTES * len(run.contents)
        if self.used_bytes > self._limit and not self.blocked:
            self._check()

    def charge_shared(self, run: Run, queues: int) -> None:
        """Account once for a run that several queues are about to take in."""
        count = len(run.contents)
        size_bytes = run.size_bytes + MESSAGE_OVERHEAD_BYTES * count
        run.shared = SharedCharge(count * queues, size_bytes)
        self.used_bytes += size_bytes
        if self.used_bytes > self._limit and not self.blocked:
            self._check()

    def release(self, run: Run) -> None:
        """Account for messages that have left a queue for good."""
        shared = run.shared
        if shared is None:
            self.used_bytes -= run.size_bytes + MESSAGE_OVERHEAD_BYTES * len(run.contents)
        else:
            shared.copies -= len(run.contents)
            if shared.copies:
                return
            self.used_bytes -= shared.size_bytes
        if self.blocked:
            self._check()

    def hold(self, count: int) -> None:
        """Account for bytes held outside of queues: half-arrived messages, transactions. Negative to give back."""
        self.used_bytes += count
        self._check()

    def weigh_runs(self, count: int) -> None:
        """Account for `count` runs more (or less) held, beside their messages."""
        self.used_bytes += count * RUN_OVERHEAD_BYTES

    def weigh_singles(self, count: int) -> None:
        """The same for messages that are numbers alone."""
        self.used_bytes += count * SINGLE_OVERHEAD_BYTES

    def _check(self) -> None:
        threshold = self._limit * _CLEAR_AT if self.blocked else self._limit
        blocked = self.used_bytes > threshold
        if blocked is not self.blocked:
            self.blocked = blocked
            for tell in list(self.on_change):
                tell(blocked)
