"""What stops a publisher: something is short (`core.alarms`), or the disk is behind (`core.keeping`).

A connection that is stopped is not read from, so that its peer's own writes block. Only those that publish are, and
each learns it by what it has published, or is about to publish: consumers go on, as they make room.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from menura.core.descriptions import BLOCKED, BLOCKING, FLOW, RUNNING

if TYPE_CHECKING:
    from menura.core.node import Node
    from menura.core.output import Output
    from menura.core.peers import Log


class Throttle:
    """One connection's. `log` is as in `peers.Surroundings`.

    `tell`, if the peer is to hear of it, is called with the reason when it is blocked, and with none when it may go on.
    """

    __slots__ = ("_alarms", "_keeper", "_log", "_output", "_tell", "blocked", "slowed")

    def __init__(
        self,
        node: Node,
        output: Output,
        log: Log,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.blocked = False  # something is short
        self.slowed = False  # the disk is behind
        self._alarms = node.alarms
        self._keeper = node.keeper
        self._output = output
        self._log = log
        self._tell = tell

    def published(self, kept: bool = True) -> None:
        """To be called with every run published; `kept`: the disk has to do with it."""
        if kept and self._keeper is not None and self._keeper.behind:
            self.slowed = True
        if self._alarms.blocked:
            self.block()

    def block(self) -> None:
        """Something is short: what is to be published has to wait."""
        if self.blocked:
            return
        self.blocked = True
        reason = self._alarms.reason
        if self._tell is not None:
            self._tell(reason)
        self._log("warning", f"publisher blocked: {reason}", "publisher.blocked")

    def unblock(self) -> None:
        """Nothing is short any more."""
        if self.blocked:
            self.blocked = False
            self._output.wake()
            if self._tell is not None:
                self._tell("")
            self._log("info", "publisher unblocked", "publisher.unblocked")

    def look(self) -> None:
        """See whether the disk has caught up; if not, ask to be woken."""
        if self._keeper is not None and self.slowed:
            self.slowed = self._keeper.behind
            if self.slowed:
                self._output.wait()

    def waits_for(self, unread: bool) -> tuple[str, ...]:
        """Why it is not read from; `unread`: it does not read what it is sent."""
        found = list(self._alarms.short) if self.blocked else []
        if self.slowed:
            found.append("journal")
        if unread:
            found.append("output")
        return tuple(found)

    def state(self, unread: bool) -> str:
        """How that is called (see `descriptions`)."""
        if self.blocked:
            return BLOCKED
        if self.slowed or unread:
            return FLOW
        return BLOCKING if self._alarms.blocked else RUNNING

    def release(self) -> None:
        """It will publish nothing more: let it be heard to its end."""
        self.blocked = self.slowed = False
