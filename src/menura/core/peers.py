"""The other end of a connection, and what whoever talks to it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from menura.core.descriptions import no_socket, no_tls

if TYPE_CHECKING:
    from menura.core.descriptions import SocketCounts, TlsState
    from menura.core.node import Node


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end as the listener knows it. `subject` is the common name of a verified certificate."""

    address: str = ""
    loopback: bool = True
    tls: bool = False
    subject: str | None = None
    local: bool = False
    """Whether it came through a file that only its owner may open."""
    internal: bool = False
    """Whether it is a part of this broker. It is `subject`; without one it may do everything."""
    server: str = ""
    """The address it has connected to."""
    websocket: bool = False
    socket: Callable[[], SocketCounts] = no_socket
    tls_state: Callable[[], TlsState | None] = no_tls

    @property
    def host(self) -> str:
        return _ends(self.address)[0]

    @property
    def port(self) -> int:
        """0 if there is none."""
        return _ends(self.address)[1]

    @property
    def server_host(self) -> str:
        return _ends(self.server)[0]

    @property
    def server_port(self) -> int:
        return _ends(self.server)[1]


def _ends(address: str) -> tuple[str, int]:
    """Host and port of "host:port"."""
    host, colon, port = address.rpartition(":")
    return (host, int(port)) if colon and port.isascii() and port.isdigit() else (address, 0)


class Log(Protocol):
    def __call__(self, level: str, line: str, event: str = ..., /) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a session of any protocol is given.

    `log` takes a level (info, warning, error, and defect, from inside the handling of an exception of ours), a line,
    and what kind of event it is. `wake` says that there is something to write, or something wanted of the socket. `now`
    is seconds, monotonic.
    """

    node: Node
    peer: Peer
    log: Log
    wake: Callable[[], None]
    now: float = 0.0
