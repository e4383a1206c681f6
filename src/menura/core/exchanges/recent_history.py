"""To every bound destination, and the last messages to whoever is bound later.

What passes is remembered, the newest of it, and a destination gets that when it is bound, oldest first. The memory is
in this process alone: it is lost with it, as in RabbitMQ, whatever else is durable.

A history never ends by itself, so it must not be what makes publishers wait for ever. It weighs on the memory account,
holds no more than HISTORY_BYTES_MAX however long it may be, and when memory is getting scarce it does not grow: what
comes displaces at least as much.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from menura.core import fields, properties
from menura.core.arguments import number
from menura.core.content import properties_of
from menura.core.errors import PreconditionFailed
from menura.core.exchange import Arguments
from menura.core.exchanges.fanout import FanoutExchange
from menura.core.memory import MESSAGE_OVERHEAD_BYTES
from menura.core.run import Run
from menura.core.terms import term

if TYPE_CHECKING:
    from menura.core.memory import MemoryAccount
    from menura.core.routing import Route

LENGTH = "x-recent-history-length"
NO_STORE = "x-recent-history-no-store"
_NO_STORE = NO_STORE.encode()
LENGTH_DEFAULT = 20
HISTORY_BYTES_MAX = 16 * 1024 * 1024
# A remembered message: its tuple, its place in the deque and its route, which may be nobody else's.
_OVERHEAD_BYTES = MESSAGE_OVERHEAD_BYTES + 400


class RecentHistoryExchange(FanoutExchange):
    """A fanout that remembers the last messages."""

    kind = "x-recent-history"
    records = True
    __slots__ = ("_bytes", "_kept", "_length")

    def __init__(self, name: str, **properties: Any) -> None:
        super().__init__(name, **properties)
        self._length = number(self.arguments, LENGTH) or LENGTH_DEFAULT
        self._kept: deque[tuple[Route, bool, bytes]] = deque()
        self._bytes = 0

    @classmethod
    def check_arguments(cls, what: str, arguments: Arguments) -> None:
        raw = arguments.get(LENGTH)
        if raw is not None and (number(arguments, LENGTH) or 0) <= 0:
            value = fields.decode_value(raw)
            shown = "undefined" if value is None else term(value)
            raise PreconditionFailed(f"Invalid argument {shown}, '{LENGTH}' must be a positive integer")

    def record(self, run: Run, memory: MemoryAccount) -> None:
        before_bytes = self._bytes
        limit_bytes = HISTORY_BYTES_MAX
        if memory.used_bytes > memory.scarce_bytes:
            limit_bytes = min(limit_bytes, before_bytes)
        stored = [content for content in run.contents if not _is_private(content)]
        for content in stored[-self._length :]:
            self._kept.append((run.route, run.persistent, content))
            self._bytes += len(content) + _OVERHEAD_BYTES
        while len(self._kept) > self._length or (self._bytes > limit_bytes and self._kept):
            self._bytes -= len(self._kept.popleft()[2]) + _OVERHEAD_BYTES
        memory.hold(self._bytes - before_bytes)

    def recorded(self) -> Sequence[Run]:
        runs = []
        for (route, persistent), kept in groupby(self._kept, key=lambda each: each[:2]):
            contents = [content for _, _, content in kept]
            runs.append(Run.of(route, contents, persistent))
        return runs

    def forget(self, memory: MemoryAccount) -> None:
        self._kept.clear()
        memory.hold(-self._bytes)
        self._bytes = 0


def _is_private(content: bytes) -> bool:
    """Whether a message asks not to be remembered."""
    block = properties_of(content)
    if _NO_STORE not in block:
        return False
    raw = properties.headers_raw(block)
    return raw is not None and fields.decode_table(raw)[0].get(NO_STORE) is True
