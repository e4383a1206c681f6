"""The other end of a connection, and what whoever talks to it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from menura.core.node import Node


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end as the listener knows it. `subject` is the common name of a verified certificate."""

    address: str = ""
    loopback: bool = True
    tls: bool = False
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a session of any protocol is given.

    `log` takes a level (info, warning, error, and defect, from inside the handling of an exception of ours) and a line.
    `wake` says that there is something to write, or something wanted of the socket. `now` is seconds, monotonic.
    """

    node: Node
    peer: Peer
    log: Callable[[str, str], None]
    wake: Callable[[], None]
    now: float = 0.0
