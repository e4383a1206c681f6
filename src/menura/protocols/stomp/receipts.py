"""Receipts, in the order asked for, each once what it vouches for is certain.

A receipt says that everything this connection has sent so far has been done (1.2, section RECEIPT). Where that has to
be on the disk, the receipt waits; everything else that is said meanwhile (messages, mostly) does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.protocols.stomp.frames import Dialect

if TYPE_CHECKING:
    from menura.core.output import Output


class Receipts:
    """What one connection is owed goes to its `output`."""

    __slots__ = ("_output", "_uncertain", "dialect")

    def __init__(self, dialect: Dialect, output: Output) -> None:
        self.dialect = dialect
        self._output = output
        self._uncertain = False  # something was done since the last receipt that has to be durable

    def uncertain(self) -> None:
        """Something was done that has to be durable before a receipt may cover it."""
        self._uncertain = True

    def give(self, id: str) -> None:
        """The frame that asked for this receipt has been dealt with."""
        frame = b"RECEIPT\nreceipt-id:%b\n\n\x00\n" % self.dialect.escape(id).encode()
        self._output.vouch(frame, certain=not self._uncertain)
        self._uncertain = False
