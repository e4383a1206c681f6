"""Who is here: connections, the sessions that may outlive them, and how much they are subscribed to.

Every protocol says it in the same words, so that whoever lists or counts them need not know which protocols there
are. A `Connected` is there while a client is; a `Remembered` is what a broker keeps under a client's name, with or
without a connection. Subscriptions are counted where they live: with the session if there is one, otherwise with the
connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from menura.core.descriptions import (
    SILENT,
    ChannelState,
    Description,
    Reporter,
    SessionState,
    SocketCounts,
    SubscriptionState,
)
from menura.core.peers import Peer
from menura.core.tallies import Churn, Tallies, Totals


def _none() -> int:
    return 0


def _untold() -> SessionState | None:
    return None


def _stay(reason: str) -> None:
    """Of a client that nobody can send away."""


@dataclass(eq=False, slots=True)
class Connected:
    """A client that may work: it has proved who it is and chosen a virtual host.

    `name` is what it calls itself, `since_ms` milliseconds since 1970. `end` tells it why it has to go, and closes the
    connection.
    """

    protocol: str
    peer: Peer
    user: str
    vhost: str
    name: str = ""
    since_ms: int = 0
    subscriptions: Callable[[], int] = _none
    """How many it has, but for those of its session."""
    channel_count: int = 0
    end: Callable[[str], None] = _stay
    report: Reporter = SILENT

    @property
    def address(self) -> str:
        """Both ends of the connection: what tells it from all others."""
        peer = self.peer
        return f"{peer.address} -> {peer.server}" if peer.server else peer.address

    def describe(self) -> Description:
        return self.report.describe()

    def channels(self) -> list[ChannelState]:
        return self.report.channels()

    def subscribed(self) -> Iterator[SubscriptionState]:
        return self.report.subscribed()

    def tallies(self) -> list[Tallies]:
        return self.report.tallies()

    def totals(self) -> Totals:
        return self.report.totals()

    def socket(self) -> SocketCounts:
        return self.peer.socket()


@dataclass(eq=False, slots=True)
class Remembered:
    """A session under a client's name, which may be connected or away."""

    name: str
    vhost: str
    connected: Callable[[], bool]
    subscriptions: Callable[[], int]
    describe: Callable[[], SessionState | None] = _untold


class Presence:
    """All of them, and how many connections there have been."""

    def __init__(self) -> None:
        self.connections: dict[Connected, None] = {}
        self.sessions: dict[Remembered, None] = {}
        self.opened = self.closed = 0
        self.churn = Churn()
        self.by_protocol: dict[str, Churn] = {}
        # Told of clients: who, and whether they have come or gone.
        self.on_change: list[Callable[[Connected, bool], None]] = []

    def arrive(self, connected: Connected) -> None:
        self.connections[connected] = None
        self.opened += 1
        for churn in self._churns(connected):
            churn.connection_created += 1
        for tell in self.on_change:
            tell(connected, True)

    def leave(self, connected: Connected) -> None:
        """Nothing happens for one that has left, or never came."""
        if connected in self.connections:
            del self.connections[connected]
            self.closed += 1
            for churn in self._churns(connected):
                churn.connection_closed += 1
            for tell in self.on_change:
                tell(connected, False)

    def find(self, address: str) -> Connected | None:
        """The connection between these two ends."""
        return next((connected for connected in self.connections if connected.address == address), None)

    def channel(self, connected: Connected, opened: bool) -> None:
        """A channel of a client has been opened, or closed."""
        for churn in self._churns(connected):
            if opened:
                churn.channel_created += 1
            else:
                churn.channel_closed += 1

    def _churns(self, connected: Connected) -> tuple[Churn, Churn]:
        return self.churn, self.by_protocol.setdefault(connected.protocol, Churn())

    def remember(self, session: Remembered) -> None:
        self.sessions[session] = None

    def forget(self, session: Remembered) -> None:
        self.sessions.pop(session, None)

    @property
    def subscription_count(self) -> int:
        connected = sum(connection.subscriptions() for connection in self.connections)
        return connected + sum(session.subscriptions() for session in self.sessions)
