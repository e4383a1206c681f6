"""The hot loop out: runs to PUBLISH packets.

What stands before the body of a message follows from its topic and its block of properties, and both repeat: a `Shape`
is that, worked out once and remembered. With a body's length it is a `Framing`. Messages whose packed form begins alike
have one framing, as that beginning says both; so what is left for each message of a stream is one comparison, a packet
identifier and a body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from menura.core.content import PROPERTIES_AT
from menura.protocols.mqtt import spec
from menura.protocols.mqtt.client import Client
from menura.protocols.mqtt.identifiers import OWN_IDS, Flight
from menura.protocols.mqtt.message import REMEMBERED_BYTES_MAX, Meta, meta_of
from menura.protocols.mqtt.topics import is_topic, topic_of
from menura.protocols.mqtt.wire import properties, varint

if TYPE_CHECKING:
    from menura.core.consumer import Consumer
    from menura.core.run import Run
    from menura.protocols.mqtt.outbox import Outbox
    from menura.protocols.mqtt.session import Session
    from menura.protocols.mqtt.subscription import Subscription

_SHAPES_MAX = 1024
_DUP = 8
_NO_OPENING = b"\0"  # no message begins so
Framing = tuple[bytes, int, int, bytes, bytes]
"""How messages begin that are sent like this (packed, up to the end of their properties, body length included), where
their bodies start, the QoS, and what is sent before and behind the packet identifier. Nothing before it (section
3.1.2.11.4 for what is longer than the client takes): they are not sent."""


class Shape(NamedTuple):
    """How messages of one topic and one block of properties look to one client.

    `first` is the first octet without DUP, `topic` the topic with its length, `properties` with theirs.
    """

    qos: int
    first: int
    topic: bytes
    properties: bytes


def deliver(
    session: Session, client: Client, outbox: Outbox, consumer: Consumer, position: int, run: Run, redelivered: bool
) -> None:
    """Send what was taken from the client's own queue. What needs no answer is settled at once."""
    key = run.route.key
    inflight, released = client.ids.inflight, client.ids.released
    dup = _DUP if redelivered else 0
    parts: list[bytes] = []
    done: list[int] = []
    opening = _NO_OPENING
    exactly_once = False
    for at, content in enumerate(run.contents):
        if not content.startswith(opening):
            opening, start, qos, before, after = _framing(session, client, key, content, dup)
        if not qos:
            if before:
                parts += (before, content[start:-1])
            done.append(at)
            continue
        id = (position + at) % OWN_IDS + 1
        if id in inflight or id in released:
            outbox.stuck_on = id
            _give_back(consumer, position, run, at)
            break
        if before:
            parts += (before, id.to_bytes(2, "big"), after, content[start:-1])
            inflight[id] = Flight(consumer, position, run, at, qos)
            exactly_once = exactly_once or qos == 2
        else:
            done.append(at)
    if exactly_once and client.persistent and run.persistent:
        session.promise_later()
    _send(session, key, parts)
    if done:
        _settle(consumer, position, run, done)


def deliver_loose(session: Session, client: Client, run: Run) -> None:
    """Send what was taken from the queue of subscriptions of QoS 0, but for what the other queue has as well."""
    key = run.route.key
    parts: list[bytes] = []
    opening = _NO_OPENING
    known = session.framings.get(key)
    if known is not None and known[0] is client.plans_version:
        opening, start, _, before, _ = known[1]
    for content in run.contents:
        if not content.startswith(opening):
            opening, start, _, before, _ = _framing_loose(session, client, key, content)
        if before:
            parts += (before, content[start:-1])
    _send(session, key, parts)


def deliver_shared(
    session: Session,
    client: Client,
    subscription: Subscription,
    consumer: Consumer,
    position: int,
    run: Run,
    id: int,
    redelivered: bool,
) -> None:
    """Send one message of a shared subscription, with QoS 1 if it has an identifier."""
    content = run.contents[0]
    end = 7 + int.from_bytes(content[3:7], "big")
    meta = meta_of(content[19:end])
    ids = b""
    if subscription.id and session.version == spec.V5:
        ids = b"\x0b" + varint(subscription.id)
    retain = meta.retain and subscription.retain_as_published
    shape = _shape(session, run.route.key, meta, 1 if id else 0, retain, ids)
    _, start, _, before, after = _framed(session, shape, content, end, _DUP if redelivered else 0)
    if before:
        _send(session, run.route.key, [before, id.to_bytes(2, "big") if id else b"", after, content[start:-1]])
    if id:
        client.ids.inflight[id] = Flight(consumer, position, run, 0, 1)
        if not before:
            client.ids.settle((id,))


def _give_back(consumer: Consumer, position: int, run: Run, at: int) -> None:
    """Messages from `at` on cannot be sent yet."""
    rest = run.piece(at, len(run.contents)) if at else run
    consumer.queue.requeue(position + at, rest)
    consumer.settled(len(rest.contents))
    consumer.taking.deliver -= len(rest.contents)


def _settle(consumer: Consumer, position: int, run: Run, done: list[int]) -> None:
    if len(done) == len(run.contents):
        consumer.queue.settle(position, run)
    else:
        for at in done:
            consumer.queue.settle(position + at, run.piece(at, at + 1))
    consumer.settled(len(done))
    count_unanswered(consumer, len(done))


def count_unanswered(consumer: Consumer, count: int) -> None:
    """Messages of a consumer that settles needed no answer."""
    consumer.taking.deliver -= count
    consumer.taking.deliver_no_ack += count


def _send(session: Session, key: str, parts: list[bytes]) -> None:
    if parts:
        session.send(b"".join(parts))
        if session.aliases_max and key in session.aliases:
            session.announced.add(key)


def _framing(session: Session, client: Client, key: str, content: bytes, dup: int, loose: bool = False) -> Framing:
    """How this message is sent, and all that begin like it."""
    end = 7 + int.from_bytes(content[3:7], "big")
    return _framed(session, shape_of(session, client, key, content[19:end], loose), content, end, dup)


def _framing_loose(session: Session, client: Client, key: str, content: bytes) -> Framing:
    """The same for messages of subscriptions of QoS 0. What is so for all that begin alike is remembered."""
    framing = _framing(session, client, key, content, 0, loose=True)
    if (key, framing[0][PROPERTIES_AT:], True) in session.shapes:
        if len(session.framings) >= _SHAPES_MAX:
            session.framings.clear()
        session.framings[key] = client.plans_version, framing
    return framing


def _framed(session: Session, shape: Shape | None, content: bytes, end: int, dup: int) -> Framing:
    """A message of this shape; its properties end at `end`."""
    if shape is None:
        return content[:end], 0, 0, b"", b""
    qos, first, topic, found = shape
    size = len(topic) + len(found) + max(len(content) - end - 9, 0)
    if qos:
        size += 2
        first |= dup
    head = bytes((first, size)) if size < 128 else bytes((first,)) + varint(size)
    if size + len(head) > session.peer_packet_bytes_max:
        return content[:end], 0, qos, b"", b""
    if qos:
        return content[:end], end + 8, qos, head + topic, found
    return content[:end], end + 8, 0, b"".join((head, topic, found)), b""


def shape_of(session: Session, client: Client, key: str, block: bytes, loose: bool = False) -> Shape | None:
    """How such messages are sent; None if they are not."""
    shapes = session.shapes
    found = shapes.get((key, block, loose))
    if found is not None and found[0] is client.plans_version:
        return found[1]
    meta = meta_of(block)
    if meta.sent is not None:
        qos, retain, id = meta.sent
        ids = b"\x0b" + varint(id) if id else b""
    else:
        own = bool(meta.publisher) and meta.publisher == client.id
        plan = client.plan(key, own)
        # Where a subscription of QoS 1 or 2 matches as well, the other queue has the message.
        if plan.qos < 0 or (loose and plan.qos > 0):
            return None
        qos, retain, ids = min(meta.qos, plan.qos), meta.retain and plan.retain_as_published, plan.ids
    shape = _shape(session, key, meta, qos, retain, ids if session.version == spec.V5 else b"")
    lasting = not meta.expires_at_ms and len(block) <= REMEMBERED_BYTES_MAX
    if lasting and (not session.aliases_max or key in session.announced):
        if len(shapes) >= _SHAPES_MAX:
            shapes.clear()
        shapes[key, block, loose] = client.plans_version, shape
    return shape


def _shape(session: Session, key: str, meta: Meta, qos: int, retain: bool, ids: bytes) -> Shape | None:
    topic = topic_of(key)
    if not is_topic(topic):
        return None
    seconds = meta.expiry_seconds
    if meta.expires_at_ms:
        left_ms = meta.expires_at_ms - session.node.agenda.wall_ms
        if left_ms <= 0:
            return None
        seconds = min(-(-left_ms // 1000), 0xFFFFFFFF)
    octets = topic.encode()
    first = 0x30 | qos << 1 | retain
    if session.version != spec.V5:
        return Shape(qos, first, len(octets).to_bytes(2, "big") + octets, b"")
    found = meta.properties + ids
    if seconds:
        found += properties({"message_expiry_interval": seconds})[1:]
    if session.aliases_max:
        octets, alias = session.alias_of(key, octets)
        found += alias
    return Shape(qos, first, len(octets).to_bytes(2, "big") + octets, varint(len(found)) + found)
