"""The queues behind destinations: how they are declared, named and bound.

What a queue is follows from its destination, unless headers say otherwise (`durable`, `auto-delete`, `exclusive`, and
arguments of queues):

    /queue           durable
    /topic           gone with its last subscription
    /exchange        gone with its last subscription, and for this connection alone
    /queue, durable:false    like /exchange

A durable subscription to a topic or exchange has a queue whose name follows from its key and id, so that it is found
again; `x-queue-name` names it outright. Permissions are those that the same steps need over AMQP 0-9-1: configure to
declare, write on the queue and read on the exchange to bind, read to consume.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from menura.core import fields
from menura.core.access import Verb
from menura.core.queue import Queue
from menura.protocols.stomp.destinations import EXCHANGE, NAME_BYTES_MAX, TOPIC, Destination
from menura.protocols.stomp.errors import StompError
from menura.protocols.stomp.frames import number, shown, truth

if TYPE_CHECKING:
    from menura.protocols.stomp.session import Session

_NUMBERS = (
    "x-expires", "x-max-length", "x-max-length-bytes", "x-max-priority", "x-message-ttl", "x-delivery-limit",
    "x-stream-max-segment-size-bytes",
)  # fmt: skip
_TEXTS = ("x-dead-letter-exchange", "x-dead-letter-routing-key", "x-queue-type", "x-overflow", "x-max-age")
_TRUTHS = ("x-single-active-consumer",)


def is_durable(headers: Mapping[str, str]) -> bool:
    """Whether a SUBSCRIBE or UNSUBSCRIBE is about a durable subscription."""
    return bool(truth(headers, "durable") or truth(headers, "persistent"))


def queue_arguments(headers: Mapping[str, str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name in _NUMBERS:
        value = number(headers, name, -(1 << 63), (1 << 63) - 1)
        if value is not None:
            found[name] = fields.encode_value(value)
    for name in _TEXTS:
        if name in headers:
            found[name] = fields.encode_value(headers[name].strip())
    for name in _TRUTHS:
        flag = truth(headers, name)
        if flag is not None:
            found[name] = fields.encode_value(flag)
    return found


class Queues:
    """Declares queues for one connection."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._declared: set[str] = set()

    def shared(self, name: str, headers: Mapping[str, str], *, sending: bool) -> Queue:
        """The queue of a /queue destination. Once declared, it is what it is, whatever later headers say.

        The `persistent` of a SEND is about its message, not about the queue.
        """
        session = self._session
        if name in self._declared and name in session.vhost.queues:
            return session.vhost.queue(name, session)
        durable = truth(headers, "durable")
        if durable is None:
            durable = sending or truth(headers, "persistent") is not False
        queue = self._declare(name, headers, durable=durable, auto_delete=not durable, exclusive=not durable)
        self._declared.add(name)
        return queue

    def own(self, destination: Destination, id: str | None, headers: Mapping[str, str]) -> Queue:
        """The queue of a subscription to a topic or an exchange, bound to it."""
        assert destination.kind in (TOPIC, EXCHANGE)
        session = self._session
        source, key = destination.address
        name = headers.get("x-queue-name") or self._subscription_name(key, id, headers)
        if len(name.encode()) > NAME_BYTES_MAX:
            raise StompError("Invalid header", f"'x-queue-name' is longer than {NAME_BYTES_MAX} octets\n")
        self._permit(name, source, key)
        exclusive = destination.kind == EXCHANGE
        queue = self._declare(name, headers, durable=is_durable(headers), auto_delete=True, exclusive=exclusive)
        session.vhost.bind(source, queue, key, {})
        return queue

    def _permit(self, name: str, source: str, key: str) -> None:
        """All that may fail is checked before there is anything to take back."""
        session = self._session
        session.access.require(Verb.CONFIGURE, "queue", name)
        session.access.require(Verb.WRITE, "queue", name)
        session.access.require(Verb.READ, "queue", name)
        session.access.require(Verb.READ, "exchange", source)
        if session.vhost.exchange(source).kind == "topic":
            session.access.require_topic(Verb.READ, source, key)

    def private(self) -> Queue:
        """A queue for replies to this connection."""
        name = self._session.node.unique_name("stomp.gen-")
        return self._declare(name, {}, durable=False, auto_delete=True, exclusive=True)

    def delete(self, queue: Queue) -> None:
        """Delete the queue of a durable subscription."""
        self._session.access.require(Verb.CONFIGURE, "queue", queue.name)
        self._session.vhost.delete_queue(queue)
        self._session.receipts.uncertain()

    def _subscription_name(self, key: str, id: str | None, headers: Mapping[str, str]) -> str:
        if is_durable(headers):
            return durable_name(key, id or "")
        return self._session.node.unique_name("stomp-subscription-")

    def _declare(
        self, name: str, headers: Mapping[str, str], *, durable: bool, auto_delete: bool, exclusive: bool
    ) -> Queue:
        session = self._session
        access = session.access
        session.vhost.check_queue_name(name)
        access.require(Verb.CONFIGURE, "queue", name)
        dead_letter = headers.get("x-dead-letter-exchange")
        if dead_letter is not None:
            access.require(Verb.READ, "queue", name)
            access.require(Verb.WRITE, "exchange", dead_letter.strip())
        says_auto_delete, says_exclusive = truth(headers, "auto-delete"), truth(headers, "exclusive")
        queue = session.vhost.declare_queue(
            name,
            durable=durable,
            auto_delete=auto_delete if says_auto_delete is None else says_auto_delete,
            exclusive=exclusive if says_exclusive is None else says_exclusive,
            owner=session,
            arguments=queue_arguments(headers),
        )
        if queue.owner is session:
            session.exclusive[queue] = None
        session.receipts.uncertain()
        return queue


def durable_name(key: str, id: str) -> str:
    """The queue of a durable subscription: what RabbitMQ 3 calls it, so that names in scripts go on to fit.

    It hashes a pair of strings in Erlang's external term format.
    """
    digest = hashlib.md5(b"\x83h\x02" + _term(key) + _term(id), usedforsecurity=False).digest()
    return "stomp-subscription-" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _term(text: str) -> bytes:
    octets = text.encode()
    return b"k" + len(octets).to_bytes(2, "big") + octets if octets else b"j"


def described(id: str | None, destination: str) -> str:
    """A subscription, as error texts name it."""
    return f"id='{shown(id)}'" if id is not None else f"destination='{shown(destination)}'"
