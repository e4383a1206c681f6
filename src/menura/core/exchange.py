"""Exchanges: a name and the bindings that start at it. The kinds are in `exchanges`.

A kind is a small index from what a message is routed by to destinations. Destinations are queues or other exchanges; a
binding is added to the index once for every distinct (destination, key, arguments).

What a kind `asks` of a message decides what a route may remember: an answer to the routing key holds for all messages
of the route, one to the headers for those with the same headers, and one to the message for that message alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

from menura.core.tallies import NOTHING_SENT, Sending, Sent, sum_sent

if TYPE_CHECKING:
    from menura.core.memory import MemoryAccount
    from menura.core.queue import Queue
    from menura.core.run import Run
    from menura.core.vhost import VHost

Arguments = Mapping[str, bytes]
Destination: TypeAlias = "Exchange | Queue"

# What the choice of destinations depends on, besides the bindings; each is more than the one before it.
KEY, HEADERS, MESSAGE = range(3)


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """One rule of routing. `identity` tells it from all others of the virtual host."""

    source: Exchange
    destination: Destination
    key: str
    arguments: Arguments

    @property
    def identity(self) -> tuple[str, str, str, str, frozenset[tuple[str, bytes]]]:
        return binding_identity(self.source, self.destination, self.key, self.arguments)


def binding_identity(
    source: Exchange, destination: Destination, key: str, arguments: Arguments
) -> tuple[str, str, str, str, frozenset[tuple[str, bytes]]]:
    return (source.name, destination.what, destination.name, key, frozenset(arguments.items()))


class Asked(NamedTuple):
    """What a message is routed by: its keys, at least one; its headers; its properties block, as it came."""

    keys: tuple[str, ...]
    headers: Mapping[str, Any]
    properties: bytes


class Exchange:
    """What all kinds share. `bindings` start here, `incoming` ones end here."""

    what: ClassVar[str] = "exchange"
    kind: ClassVar[str] = ""
    # Whether what passes is to be shown to `record`.
    records: ClassVar[bool] = False
    asks: int = KEY

    __slots__ = (
        "alternate", "arguments", "auto_delete", "bindings", "durable", "gone", "incoming", "internal", "name", "own",
        "sendings",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        *,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Arguments | None = None,
        alternate: str | None = None,
    ) -> None:
        self.name = name
        self.durable = durable
        self.auto_delete = auto_delete
        self.internal = internal
        self.arguments = arguments or {}
        self.alternate = alternate
        self.bindings: dict[Binding, None] = {}
        self.incoming: dict[Binding, None] = {}
        # Who publishes here, what those have that are gone, and what the broker itself does.
        self.sendings: dict[Sending, None] = {}
        self.gone = NOTHING_SENT
        self.own = Sending()

    def sent_by_clients(self) -> Sent:
        return sum_sent(self.sendings, self.gone)

    def sent(self) -> Sent:
        """All that was published here."""
        return sum_sent((self.own, *self.sendings), self.gone)

    def forget_sending(self, sending: Sending) -> None:
        """Who published here is gone."""
        del self.sendings[sending]
        self.gone += sending.sum()
        sending.let_go()

    def close(self) -> None:
        """The exchange is gone: keep what was counted, and let nobody count any more."""
        for sending in list(self.sendings):
            if sending.by is not None:
                sending.by.forget_exchange(sending)
            self.forget_sending(sending)

    def begin(self, vhost: VHost) -> None:
        """The exchange has been declared; it may want something of its virtual host."""

    def end(self, vhost: VHost) -> None:
        """The exchange has been deleted."""

    @classmethod
    def check_arguments(cls, what: str, arguments: Arguments) -> None:
        """Refuse arguments with which this kind cannot be declared; `what` names the exchange."""

    def check(self, destination: Destination, key: str, arguments: Arguments) -> None:
        """Refuse a binding that this kind cannot use."""

    def add(self, binding: Binding) -> None:
        raise NotImplementedError

    def remove(self, binding: Binding) -> None:
        raise NotImplementedError

    def match(self, key: str, headers: Mapping[str, Any]) -> Iterable[Destination]:
        """Where a message with this key and these headers goes from here."""
        raise NotImplementedError

    def destinations(self, asked: Asked) -> list[Destination]:
        """Where a message goes from here; the same destination may be named twice."""
        return [destination for key in asked.keys for destination in self.match(key, asked.headers)]

    def record(self, run: Run, memory: MemoryAccount) -> None:
        """Messages pass, for a kind that `records` them."""

    def recorded(self) -> Sequence[Run]:
        """What a new destination is to be given of the messages that have passed."""
        return ()

    def forget(self, memory: MemoryAccount) -> None:
        """Let go of what was recorded."""


KINDS: dict[str, type[Exchange]] = {}
"""All kinds by name; `exchanges` fills it."""
