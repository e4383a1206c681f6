"""What the transport asks of a protocol's session. It never learns which protocol that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


class Session(Protocol):
    """One connection as a machine: octets in, octets out."""

    @property
    def finished(self) -> bool:
        """Close the socket as soon as what `flush` returned is written."""

    congested: bool
    """Set by the transport while the peer does not read what it is sent."""

    @property
    def reading(self) -> bool:
        """False while nothing should be read from the socket."""

    @property
    def writable(self) -> bool:
        """Whether it takes more output: false after too much of it since the last flush, or while
        congested."""

    def receive(self, data: bytes) -> None:
        """Take what a read brought. Never raises."""

    def flush(self) -> bytes:
        """What to write now."""

    def resume(self) -> None:
        """There is room for more output again."""

    def tick(self, now: float) -> None:
        """Look at the clock: seconds, monotonic."""

    def unblock(self) -> None:
        """Memory and disk have room again: publishers may go on."""

    def abandon(self) -> None:
        """The disk has failed: take back what was to be promised, and say goodbye."""

    def stop(self) -> None:
        """The broker is about to stop: say goodbye."""

    def lost(self) -> None:
        """The socket is gone."""


@runtime_checkable
class Answering(Protocol):
    """A session whose peer may have said all that it will, and still wait for answers. For others that is the end."""

    def input_ended(self) -> None:
        """The peer will say no more. It is `finished` once there is nothing to be said either."""


@dataclass(frozen=True, slots=True)
class WebSocketRules:
    """How a protocol travels in a WebSocket."""

    subprotocols: tuple[str, ...]
    """Those it is known by, the best one first."""
    required: bool
    """Whether a client must offer one of them."""
    cut: Callable[[bytes], Iterable[bytes]] | None = None
    """For a protocol that takes and gives text messages: a session's output in pieces, each a message of its own."""
