"""SEND: where it goes, resolved once for all frames that say the same.

Two things are remembered by a session. A `Target` is what a SEND's headers mean, less those that change from message to
message (content-length, receipt). A `Head` is one head, octet by octet: its target and how long its body is. A head
with a receipt is one of a kind and not remembered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from menura.core import content as packed
from menura.core.access import Verb
from menura.core.errors import AccessRefused
from menura.core.properties import Properties
from menura.core.routing import Route
from menura.core.run import Run
from menura.protocols.stomp.destinations import QUEUE, TEMP_PREFIX, TEMP_QUEUE, parse_destination
from menura.protocols.stomp.errors import REASONS, StompError, translate
from menura.protocols.stomp.frames import content_length, malformed, parse_head, shown
from menura.protocols.stomp.headers import PERSISTENT, to_properties

if TYPE_CHECKING:
    from menura.core.exchange import Exchange
    from menura.core.queue import Queue
    from menura.protocols.stomp.session import Session

_SHORT_BYTES = 256
_LENGTH, _RECEIPT = b"content-length:", b"receipt:"


class Target:
    """Where a SEND goes and with which properties, permitted as of `version` of the users' rights."""

    __slots__ = (
        "_exchange", "_queue", "_session", "_version", "block", "expiration_ms", "persistent", "route", "transaction",
    )  # fmt: skip

    def __init__(
        self,
        session: Session,
        exchange: Exchange,
        key: str,
        properties: Properties,
        queue: Queue | None,
        transaction: str | None,
    ) -> None:
        self.route = Route(exchange.name, key, sending=session.tallies.to(exchange))
        self.block = properties.encode()
        self.persistent = properties.delivery_mode == PERSISTENT
        self.expiration_ms = None if properties.expiration is None else int(properties.expiration)
        self.transaction = transaction
        self._session = session
        self._exchange = exchange
        self._queue = queue
        self._version = session.access.version

    def holds(self) -> bool:
        """Whether it may still be used: same rights, same exchange, and the queue it was to make is there."""
        session = self._session
        return (
            self._version == session.access.version
            and session.vhost.exchanges.get(self.route.exchange) is self._exchange
            and (self._queue is None or self._queue.alive)
        )


class Head:
    """A SEND frame up to its body. `lead` is all of its octets, `prefix` what stands before the body in packed form."""

    __slots__ = ("body_bytes", "lead", "prefix", "receipt", "target")

    def __init__(self, target: Target, lead: bytes, body_bytes: int | None, receipt: str | None) -> None:
        self.target = target
        self.lead = lead
        self.body_bytes = body_bytes
        self.receipt = receipt
        self.prefix = packed.opening(target.block, body_bytes) if body_bytes else b""


def learn(session: Session, lead: bytes) -> Head:
    """What a SEND frame means that is not known yet; `lead` goes up to and including the blank line."""
    lines = lead.split(b"\n")
    changing = [line for line in lines if line.startswith((_LENGTH, _RECEIPT))]
    key = b"\n".join(line for line in lines if line not in changing) if changing else lead
    target = session.targets.get(key)
    head = None
    if target is not None and target.holds():
        head = _variant(session, target, lead, changing)
    if head is None:
        head = _learn(session, lead, key)
    if head.receipt is None and len(lead) <= session.limits.remembered_bytes_max:
        if len(session.heads) >= session.limits.sends_max:
            session.heads.clear()
        session.heads[lead] = head
    return head


def _variant(session: Session, target: Target, lead: bytes, changing: list[bytes]) -> Head | None:
    """A head that differs from a known one only in how long its body is and which receipt it wants, at most one of
    each; None if it takes a closer look."""
    body_bytes = receipt = None
    for line in changing:
        if b"\r" in line or b"\\" in line or len(line) > _SHORT_BYTES:
            return None
        name, _, value = line.partition(b":")
        if name == b"receipt":
            if receipt is not None or not value.isascii() or value.startswith(b" "):
                return None
            receipt = value.decode()
        else:
            if body_bytes is not None or not value.isdigit() or len(value) > 9:
                return None
            body_bytes = int(value)
            if len(lead) + body_bytes > session.limits.frame_bytes_max:
                return None
    return Head(target, lead, body_bytes, receipt)


def _learn(session: Session, lead: bytes, key: bytes) -> Head:
    command, headers = parse_head(lead.rstrip(b"\r\n"), session.dialect, session.limits)
    assert command == "SEND"
    receipt = headers.get("receipt")
    try:
        body_bytes = content_length(headers)
        if body_bytes is not None and len(lead) + body_bytes > session.limits.frame_bytes_max:
            raise too_large(session)
        target = session.targets.get(key)
        if target is None or not target.holds():
            target = resolve(session, headers)
            if len(key) <= session.limits.remembered_bytes_max:
                if len(session.targets) >= session.limits.sends_max:
                    session.targets.clear()
                session.targets[key] = target
    except REASONS as reason:
        translated = translate(reason)
        translated.receipt = receipt
        raise translated from reason
    except StompError as error:
        error.receipt = receipt
        raise
    return Head(target, lead, body_bytes, receipt)


def too_large(session: Session) -> StompError:
    return malformed(f"frame is longer than {session.limits.frame_bytes_max} octets")


def resolve(session: Session, headers: Mapping[str, str]) -> Target:
    """What a SEND frame means, after all checks that do not need its body."""
    transaction = headers.get("transaction")
    if transaction is not None:
        session.transactions.require(transaction)
    properties = to_properties(headers)
    text = headers.get("destination")
    if text is None:
        raise StompError("Missing destination", "\"SEND\" must include a 'destination' header\n")
    destination = parse_destination(text)
    if destination.kind == TEMP_QUEUE:
        raise StompError("Invalid destination", f"'{shown(text)}' is not a valid destination for 'SEND'\n")
    if properties.user_id is not None:
        session.node.users.check_sender(session.user, properties.user_id)
    queue = None
    if destination.kind == QUEUE:
        queue = session.subscriptions.queues.shared(destination.name, headers, sending=True)
    name, key = destination.address
    exchange = _writable(session, name, key)
    if properties.reply_to is not None and properties.reply_to.startswith(TEMP_PREFIX):
        properties.reply_to = session.subscriptions.reply_queue(parse_destination(properties.reply_to).name)
    return Target(session, exchange, key, properties, queue, transaction)


def _writable(session: Session, name: str, key: str) -> Exchange:
    access = session.access
    access.require(Verb.WRITE, "exchange", name)
    exchange = session.vhost.exchange(name)
    if exchange.internal:
        raise AccessRefused(f"cannot publish to internal exchange '{name}' in vhost '{session.vhost.name}'")
    if exchange.kind == "topic":
        access.require_topic(Verb.WRITE, name, key)
    return exchange


def publish(session: Session, target: Target, contents: list[bytes]) -> None:
    """Hand messages that came one after another to the core."""
    deadline_ms = 0
    if target.expiration_ms is not None:
        deadline_ms = session.node.agenda.wall_ms + target.expiration_ms
    run = Run.of(target.route, contents, target.persistent, deadline_ms)
    keeper = session.node.keeper if run.persistent else None
    before = keeper.appended if keeper is not None else 0
    if session.vhost.tracer is not None:
        session.vhost.tracer.published(session.here, 1, run)
    run.route.sending.dropped += len(session.vhost.publish(run.route, run))
    session.vhost.take_refused()
    kept = keeper is not None and keeper.appended != before
    if kept:
        session.receipts.uncertain()
    session.throttle.published(kept)


def take(session: Session, target: Target, contents: list[bytes], receipts: Sequence[str]) -> None:
    """Messages of one target: into their transaction, or to the core, and then their receipts."""
    if target.transaction is not None:
        try:
            session.transactions.send(target, contents, receipts)
        except StompError as error:
            error.receipt = receipts[0] if receipts else None
            raise
        return
    publish(session, target, contents)
    give(session, receipts)


def give(session: Session, receipts: Sequence[str]) -> None:
    """Receipts for messages that have been published."""
    session.tallies.wanted += len(receipts)
    session.tallies.confirmed += len(receipts)
    for receipt in receipts:
        session.receipts.give(receipt)
