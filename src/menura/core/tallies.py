"""What each channel of a client has done, in numbers that only grow, counted once for every run of messages.

A channel (or a whole connection, where a protocol has no channels) has `Tallies`: a `Sending` for each exchange it
publishes to, and a `Taking` for each queue it takes from. They are the only place where these things are counted. What
an exchange, a queue, a virtual host or a protocol has seen is the sum of theirs, made when somebody asks; when one of
the two ends goes, the other one and the virtual host keep the sum. Fields are named as operators know them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from menura.core.arguments import queue_type

if TYPE_CHECKING:
    from menura.core.exchange import Exchange
    from menura.core.queue import Queue


class Sent(NamedTuple):
    """Messages handed in. `routed` counts a message once for each queue that was to have it."""

    publish: int = 0
    confirm: int = 0
    return_unroutable: int = 0
    drop_unroutable: int = 0
    routed: int = 0

    def __add__(self, other: Sent) -> Sent:  # type: ignore[override]
        return Sent(*map(int.__add__, self, other))


class Taken(NamedTuple):
    """Messages handed out, to consumers (`deliver`) and to those who ask for one (`get`), and acknowledged.

    `_no_ack`: they counted as acknowledged at once. `redeliver` are those among them that were handed out before.
    """

    deliver: int = 0
    deliver_no_ack: int = 0
    get: int = 0
    get_no_ack: int = 0
    get_empty: int = 0
    redeliver: int = 0
    ack: int = 0

    def __add__(self, other: Taken) -> Taken:  # type: ignore[override]
        return Taken(*map(int.__add__, self, other))

    @property
    def deliver_get(self) -> int:
        return self.deliver + self.deliver_no_ack + self.get + self.get_no_ack


class Sending:
    """Published to one exchange; `by` nobody: by the broker itself."""

    __slots__ = ("by", "dropped", "exchange", "publish", "returned", "routed")

    def __init__(self, exchange: Exchange | None = None, by: Tallies | None = None) -> None:
        self.exchange = exchange
        self.by = by
        self.publish = self.routed = self.returned = self.dropped = 0

    def let_go(self) -> None:
        """One of both ends is gone; messages that wait still know the route, and with it this."""
        self.exchange = self.by = None

    def add(self, other: Sending) -> None:
        self.publish += other.publish
        self.routed += other.routed
        self.returned += other.returned
        self.dropped += other.dropped

    def sum(self) -> Sent:
        return Sent(self.publish, 0, self.returned, self.dropped, self.routed)


UNRESOLVED = Sending()
"""That of a route nobody has published to yet, and that belongs to nobody."""


class Taking:
    """Taken from one queue, whose type is `kind`."""

    __slots__ = (
        "ack", "by", "deliver", "deliver_no_ack", "get", "get_empty", "get_no_ack", "kind", "queue", "redeliver",
    )  # fmt: skip

    def __init__(self, queue: Queue | None = None, by: Tallies | None = None) -> None:
        self.queue = queue
        self.by = by
        self.kind = "" if queue is None else queue_type(queue.arguments)
        self.deliver = self.deliver_no_ack = self.get = self.get_no_ack = self.get_empty = 0
        self.redeliver = self.ack = 0

    def let_go(self) -> None:
        """One of both ends is gone."""
        self.queue = self.by = None

    def add(self, other: Taking) -> None:
        self.deliver += other.deliver
        self.deliver_no_ack += other.deliver_no_ack
        self.get += other.get
        self.get_no_ack += other.get_no_ack
        self.get_empty += other.get_empty
        self.redeliver += other.redeliver
        self.ack += other.ack

    def sum(self) -> Taken:
        return Taken(
            self.deliver, self.deliver_no_ack, self.get, self.get_no_ack, self.get_empty, self.redeliver, self.ack
        )


NOTHING_SENT, NOTHING_TAKEN = Sent(), Taken()


def sum_sent(sendings: Iterable[Sending], start: Sent = NOTHING_SENT) -> Sent:
    found = Sending()
    for sending in sendings:
        found.add(sending)
    return found.sum() + start


def sum_taken(takings: Iterable[Taking], start: Taken = NOTHING_TAKEN) -> Taken:
    found = Taking()
    for taking in takings:
        found.add(taking)
    return found.sum() + start


class Totals:
    """Sums of channels. `wanted` counts messages whose publisher wants to hear that they are safe, `confirmed` those
    of which it has; what was taken is told by the type of queue."""

    __slots__ = ("_sending", "_takings", "confirmed", "wanted")

    def __init__(self) -> None:
        self.wanted = self.confirmed = 0
        self._sending = Sending()
        self._takings: dict[str, Taking] = {}

    def add_sending(self, sending: Sending) -> None:
        self._sending.add(sending)

    def add_taking(self, taking: Taking) -> None:
        self._of(taking.kind).add(taking)

    def add(self, other: Totals) -> None:
        self.wanted += other.wanted
        self.confirmed += other.confirmed
        self._sending.add(other._sending)
        for kind, taking in other._takings.items():
            self._of(kind).add(taking)

    def _of(self, kind: str) -> Taking:
        found = self._takings.get(kind)
        if found is None:
            found = self._takings[kind] = Taking()
            found.kind = kind
        return found

    @property
    def sent(self) -> Sent:
        return self._sending.sum()._replace(confirm=self.confirmed)

    @property
    def taken(self) -> dict[str, Taken]:
        """By type of queue."""
        return {kind: taking.sum() for kind, taking in self._takings.items()}

    @property
    def all_taken(self) -> Taken:
        return sum_taken(self._takings.values())


DeadKey = tuple[str, str, str]
"""Why messages left a queue otherwise than by a consumer, its type, and what becomes of its dead letters: disabled
(they are dropped), at_most_once or at_least_once."""


class Register:
    """All tallies of a virtual host, and by protocol what those that are closed had counted."""

    __slots__ = ("closed", "dead", "open")

    def __init__(self) -> None:
        self.open: dict[Tallies, None] = {}
        self.closed: dict[str, Totals] = {}
        self.dead: Counter[DeadKey] = Counter()

    def absorb(self, other: Register) -> None:
        """Take over what another one has, which nobody adds to any more."""
        for protocol, totals in other.totals().items():
            self.closed.setdefault(protocol, Totals()).add(totals)
        self.dead += other.dead

    def totals(self) -> dict[str, Totals]:
        """Everything, by protocol."""
        found: dict[str, Totals] = {}
        for protocol, closed in self.closed.items():
            found.setdefault(protocol, Totals()).add(closed)
        for tallies in self.open:
            tallies.add_to(found.setdefault(tallies.protocol, Totals()))
        return found


class Tallies:
    """Those of one channel. `wanted` and `confirmed` count messages whose publisher waits for a confirmation, and
    those that had one; `confirms`, where there is one, knows both instead."""

    __slots__ = ("_gone", "_register", "confirmed", "confirms", "protocol", "sendings", "takings", "wanted")

    def __init__(
        self, register: Register, protocol: str, confirms: Callable[[], tuple[int, int]] | None = None
    ) -> None:
        self.protocol = protocol
        self.confirms = confirms
        self.wanted = self.confirmed = 0
        self.sendings: dict[Exchange, Sending] = {}
        self.takings: dict[Queue, Taking] = {}
        self._gone: Totals | None = None  # of queues and exchanges that are
        self._register = register
        register.open[self] = None

    def to(self, exchange: Exchange) -> Sending:
        """What is published to this exchange."""
        sending = self.sendings.get(exchange)
        if sending is None:
            sending = self.sendings[exchange] = Sending(exchange, self)
            exchange.sendings[sending] = None
        return sending

    def of(self, queue: Queue) -> Taking:
        """What is taken from this queue."""
        taking = self.takings.get(queue)
        if taking is None:
            taking = self.takings[queue] = Taking(queue, self)
            queue.takings[taking] = None
        return taking

    # -- sums ------------------------------------------------------------------------------------------------

    def add_to(self, totals: Totals) -> None:
        if self._gone is not None:
            totals.add(self._gone)
        for sending in self.sendings.values():
            totals.add_sending(sending)
        for taking in self.takings.values():
            totals.add_taking(taking)
        wanted, confirmed = (self.wanted, self.confirmed) if self.confirms is None else self.confirms()
        totals.wanted += wanted
        totals.confirmed += confirmed

    def totals(self) -> Totals:
        totals = Totals()
        self.add_to(totals)
        return totals

    @property
    def is_open(self) -> bool:
        return self in self._register.open

    # -- ends ------------------------------------------------------------------------------------------------

    def forget_exchange(self, sending: Sending) -> None:
        """The exchange is gone."""
        assert sending.exchange is not None
        del self.sendings[sending.exchange]
        self._gone = self._gone or Totals()
        self._gone.add_sending(sending)

    def forget_queue(self, taking: Taking) -> None:
        """The queue is gone."""
        assert taking.queue is not None
        del self.takings[taking.queue]
        self._gone = self._gone or Totals()
        self._gone.add_taking(taking)

    def close(self, connection: Totals | None = None) -> None:
        """The channel is gone; its connection keeps a sum of its own. Nothing happens if it was before."""
        if self not in self._register.open:
            return
        del self._register.open[self]
        if connection is not None:
            self.add_to(connection)
        self.add_to(self._register.closed.setdefault(self.protocol, Totals()))
        for exchange, sending in self.sendings.items():
            exchange.forget_sending(sending)
        for queue, taking in self.takings.items():
            queue.forget_taking(taking)
        self.sendings.clear()
        self.takings.clear()
        if self.confirms is not None:
            # Who knew may be freed now.
            (self.wanted, self.confirmed), self.confirms = self.confirms(), None


class Churn:
    """How much comes and goes."""

    __slots__ = (
        "channel_closed", "channel_created", "connection_closed", "connection_created", "queue_created",
        "queue_declared", "queue_deleted",
    )  # fmt: skip

    def __init__(self) -> None:
        self.connection_created = self.connection_closed = self.channel_created = self.channel_closed = 0
        self.queue_declared = self.queue_created = self.queue_deleted = 0
