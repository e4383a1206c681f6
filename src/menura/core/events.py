"""What happens to the things of a broker, told while it happens to whoever listens.

An event has a name, such as "queue.created", and details: names and plain values. Nobody collects them before
somebody listens: whoever has something to tell asks first whether it is `wanted`. What tells nothing of itself but its
name is told by `tell`; the functions here know the details of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from menura.core import fields
from menura.core.terms import term

if TYPE_CHECKING:
    from menura.core.consumer import Consumer
    from menura.core.exchange import Arguments, Binding, Exchange
    from menura.core.presence import Connected
    from menura.core.queue import Queue

Details = dict[str, Any]
Listener = Callable[[str, Details], None]
# Who did it, where nobody did: a timer, or a connection that was lost.
NOBODY = "rmq-internal"


class Events:
    """Tells its listeners. `wanted` is theirs to set: whether there is anybody who would hear it."""

    def __init__(self) -> None:
        self.wanted = False
        self.listeners: list[Listener] = []
        self._acting = NOBODY

    def tell(self, event: str, **details: Any) -> None:
        self.tell_all(event, details)

    def tell_all(self, event: str, details: Mapping[str, Any]) -> None:
        if self.wanted:
            for listener in self.listeners:
                listener(event, {"user_who_performed_action": self._acting, **details})

    @contextmanager
    def by(self, user: str) -> Iterator[None]:
        """What happens within is a user's doing."""
        before, self._acting = self._acting, user
        try:
            yield
        finally:
            self._acting = before

    # -- what is told in several places ----------------------------------------------------------------------

    def queue(self, verb: str, queue: Queue) -> None:
        """A queue is "created" or "deleted"."""
        if not self.wanted:
            return
        details: Details = {"name": queue.name, "vhost": queue.vhost.name}
        if verb == "created":
            details |= {
                "durable": queue.durable,
                "auto_delete": queue.auto_delete,
                "exclusive": queue.owner is not None,
                "arguments": _listed(queue.arguments),
            }
        self.tell_all(f"queue.{verb}", details)

    def exchange(self, verb: str, vhost: str, exchange: Exchange) -> None:
        if not self.wanted:
            return
        details: Details = {"name": exchange.name, "vhost": vhost}
        if verb == "created":
            details |= {
                "type": exchange.kind,
                "durable": exchange.durable,
                "auto_delete": exchange.auto_delete,
                "internal": exchange.internal,
                "arguments": _listed(exchange.arguments),
            }
        self.tell_all(f"exchange.{verb}", details)

    def binding(self, verb: str, vhost: str, binding: Binding) -> None:
        if self.wanted:
            self.tell(
                f"binding.{verb}",
                source_name=binding.source.name,
                source_kind="exchange",
                destination_name=binding.destination.name,
                destination_kind=binding.destination.what,
                routing_key=binding.key,
                arguments=_listed(binding.arguments),
                vhost=vhost,
            )

    def consumer(self, verb: str, consumer: Consumer) -> None:
        if not self.wanted:
            return
        connected, channel = consumer.subscriber.who
        details: Details = {
            "consumer_tag": consumer.tag,
            "channel": channel_name(connected, channel),
            "queue": consumer.queue.name,
            "vhost": consumer.queue.vhost.name,
        }
        if verb == "created":
            details |= {
                "exclusive": consumer.exclusive,
                "ack_required": consumer.settles,
                "prefetch_count": consumer.prefetch,
                "arguments": _listed(consumer.arguments),
            }
        self.tell_all(f"consumer.{verb}", details)

    def channel(self, verb: str, connected: Connected | None, number: int) -> None:
        if self.wanted and connected is not None:
            name = channel_name(connected, number)
            details: Details = {"pid": name}
            if verb == "created":
                details |= {
                    "name": name,
                    "connection": connected.address,
                    "number": number,
                    "user": connected.user,
                    "vhost": connected.vhost,
                }
            self.tell_all(f"channel.{verb}", {**details, "user_who_performed_action": connected.user})

    def connection(self, connected: Connected, here: bool) -> None:
        """A client has come, or gone."""
        if not self.wanted:
            return
        address, peer = connected.address, connected.peer
        details: Details = {"pid": address, "name": address, "user_who_performed_action": connected.user}
        if here:
            details |= {
                "protocol": connected.protocol,
                "user": connected.user,
                "vhost": connected.vhost,
                "peer_host": peer.host,
                "peer_port": peer.port,
                "ssl": peer.tls,
                "connected_at": connected.since_ms,
                "type": "network",
            }
        if connected.name:
            details["user_provided_name"] = connected.name
        self.tell_all("connection.created" if here else "connection.closed", details)

    def alarm(self, resource: str, short: bool) -> None:
        self.tell("alarm.set" if short else "alarm.cleared", resource=resource)


def channel_name(connected: Connected | None, number: int) -> str:
    return f"{connected.address} ({number})" if connected is not None else ""


def _listed(arguments: Arguments) -> list[str]:
    """Arguments as a list of texts: name, type, value."""
    return [
        f"{{{term(name)},{fields.type_name(raw)},{term(fields.decode_value(raw))}}}" for name, raw in arguments.items()
    ]
