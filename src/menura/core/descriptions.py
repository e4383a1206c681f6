"""What can be told of a client, asked for when somebody wants to see it.

Protocols fill these in, each in a file `reporting`, from what their sessions have anyway: nothing is noted for it while
messages pass. Times are milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from menura.core.tallies import Totals

if TYPE_CHECKING:
    from menura.core.consumer import Consumer
    from menura.core.presence import Connected
    from menura.core.queue import Queue
    from menura.core.tallies import Tallies

RUNNING, FLOW, BLOCKING, BLOCKED = "running", "flow", "blocking", "blocked"
NEVER = -1


class SocketCounts(NamedTuple):
    """Octets and how many reads and writes they came in; octets that wait to be written, and whether they are so many
    that nothing more is read from the peer."""

    received_bytes: int = 0
    reads: int = 0
    sent_bytes: int = 0
    writes: int = 0
    pending_bytes: int = 0
    flooded: bool = False


class TlsState(NamedTuple):
    """What a TLS connection has agreed on, and the peer's certificate, as far as there is one that was verified."""

    protocol: str = ""
    cipher: str = ""
    bits: int = 0
    subject: str = ""
    issuer: str = ""
    validity: str = ""


def no_socket() -> SocketCounts:
    return SocketCounts()


def no_tls() -> TlsState | None:
    return None


class Description(NamedTuple):
    """A connection.

    `state` is blocked for a publisher that has to wait while something is short, blocking for one that would have to,
    and flow for one that is slowed down for a moment. `waits_for` says what for: memory or disk, of which too little is
    left; journal, as the disk is slower than it publishes; output, as it does not read what it is sent.
    """

    state: str = RUNNING
    waits_for: tuple[str, ...] = ()
    auth_mechanism: str = ""
    heartbeat_seconds: int = 0
    frame_bytes_max: int = 0
    channels_max: int = 0
    client_properties: Mapping[str, Any] = {}
    client_id: str = ""
    subscription_count: int = 0
    """Of consumers, where those are what a protocol has."""


class ChannelState(NamedTuple):
    """A channel. `uncommitted` messages and acknowledgements wait for the end of a transaction."""

    number: int
    prefetch: int
    global_prefetch: int
    unacknowledged: int
    unconfirmed: int
    uncommitted: int
    acks_uncommitted: int
    consumers: int
    confirms: bool
    transactional: bool
    state: str
    tallies: Tallies
    idle_since_ms: Callable[[], int]
    """0: something has happened since somebody looked last."""
    consumer_list: Callable[[], list[Consumer]]


class SubscriptionState(NamedTuple):
    """What a client has asked for: the filter or destination as it said it, and the queue behind it.

    `quality` is 0, 1 or 2 where a subscription has such a thing, otherwise None, and `ack_mode` says how messages are
    acknowledged. `share` is the name of a group that takes turns.
    """

    source: str
    queue: str
    id: str = ""
    quality: int | None = None
    ack_mode: str = ""
    share: str = ""
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0
    identifier: int = 0
    prefetch: int = 0
    unacknowledged: int = 0
    consumer: Consumer | None = None


class SessionState(NamedTuple):
    """What is kept under a client's name. `expiry_seconds` is how long, once it is away, or `NEVER`."""

    client_id: str
    vhost: str
    protocol: str
    connected: Connected | None
    clean: bool
    expiry_seconds: int
    away_since_ms: int
    """0: it is here."""
    expires_at_ms: int
    """0: not as things are."""
    inflight: int
    queues: list[Queue]
    subscription_count: int
    subscriptions: Callable[[], Iterator[SubscriptionState]]


class Reporter(Protocol):
    """Who can tell of a connection."""

    def describe(self) -> Description: ...

    def channels(self) -> list[ChannelState]:
        """Nothing for protocols that have none."""

    def subscribed(self) -> Iterator[SubscriptionState]:
        """Nothing for protocols whose subscriptions belong to channels."""

    def tallies(self) -> list[Tallies]:
        """Those of open channels."""

    def totals(self) -> Totals:
        """What all channels have done, those that are closed as well."""


class Silent:
    """Tells nothing."""

    def describe(self) -> Description:
        return Description()

    def channels(self) -> list[ChannelState]:
        return []

    def subscribed(self) -> Iterator[SubscriptionState]:
        return iter(())

    def tallies(self) -> list[Tallies]:
        return []

    def totals(self) -> Totals:
        return Totals()


SILENT = Silent()
