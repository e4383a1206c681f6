"""Receipts, in the order asked for, each once what it vouches for is certain.

A receipt says that everything this connection has sent so far has been done (1.2, section RECEIPT). Where that has to
be on the disk, the receipt waits; everything else that is said meanwhile (messages, mostly) does not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from menura.protocols.stomp.frames import Dialect

if TYPE_CHECKING:
    from menura.core.keeping import Keeper, Promise


class Receipts:
    """What one connection is still owed. `send` takes frames that may go out now."""

    __slots__ = ("_asked", "_uncertain", "_waiting", "dialect", "keeper", "send")

    def __init__(self, keeper: Keeper | None, dialect: Dialect, send: Callable[[bytes], None]) -> None:
        self.keeper = keeper
        self.dialect = dialect
        self.send = send
        self._uncertain = False  # something was done since the last promise that has to be durable
        self._asked: list[bytes] = []  # wait for a promise yet to be taken
        self._waiting: deque[tuple[Promise, bytes]] = deque()

    def __bool__(self) -> bool:
        """Whether some are waiting."""
        return bool(self._asked or self._waiting)

    def uncertain(self) -> None:
        """Something was done that has to be durable before a receipt may cover it."""
        self._uncertain = self.keeper is not None

    def give(self, id: str) -> None:
        """The frame that asked for this receipt has been dealt with."""
        frame = b"RECEIPT\nreceipt-id:%b\n\n\x00\n" % self.dialect.escape(id).encode()
        if self._uncertain or self:
            self._asked.append(frame)
        else:
            self.send(frame)

    def settle(self) -> None:
        """Send those that have become due."""
        keeper = self.keeper
        if keeper is None:
            return
        if self._asked:
            # One promise for all that was asked for since the last write.
            self._uncertain = False
            self._waiting.append((keeper.promise(), b"".join(self._asked)))
            self._asked.clear()
        elif self._uncertain and keeper.fulfilled(keeper.promise()):
            self._uncertain = False
        while self._waiting and keeper.fulfilled(self._waiting[0][0]):
            self.send(self._waiting.popleft()[1])

    def forget(self) -> None:
        """They will never be given."""
        self._asked.clear()
        self._waiting.clear()
