"""PUBLISH: topics resolved once, messages packed, and the answers of QoS 1 and 2.

A `Target` is what one topic means to one connection: its route, permitted as of a version of the users' rights, and
the blocks of properties its messages have had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.core import content as packed
from menura.core.access import Access, Verb
from menura.core.errors import AccessRefused
from menura.core.routing import Route
from menura.core.run import Run
from menura.protocols.mqtt import spec, wire
from menura.protocols.mqtt.errors import MqttError, violation
from menura.protocols.mqtt.message import block_of, meta_of
from menura.protocols.mqtt.topics import EXCHANGE, is_topic, key_of

if TYPE_CHECKING:
    from menura.core.presence import Connected
    from menura.core.vhost import VHost
    from menura.protocols.mqtt.client import Client
    from menura.protocols.mqtt.session import Session
    from menura.protocols.mqtt.wire import Will

_BLOCKS_MAX = 16
# In the first octet of a properties block: an expiration is among them.
_EXPIRATION = 0x01
_REMEMBERED_BYTES_MAX = 512


class Target:
    """Where a topic leads. `refusal` is the reason code where the user may not publish to it."""

    __slots__ = ("blocks", "refusal", "route", "version")

    def __init__(self, route: Route, version: int, refusal: int) -> None:
        self.route = route
        self.version = version
        self.refusal = refusal
        self.blocks: dict[tuple[int, bytes], bytes] = {}


def resolve(session: Session, octets: bytes) -> Target:
    """The target of a topic, as it came."""
    topic = wire.text_of(octets)
    if not is_topic(topic):
        raise MqttError(spec.TOPIC_NAME_INVALID, "not a topic to publish to")
    key = key_of(topic)
    access = session.access
    refusal = 0
    if len(key.encode()) > session.limits.topic_bytes_max:
        refusal = spec.TOPIC_NAME_INVALID
    elif not may_publish(access, key):
        refusal = spec.NOT_AUTHORIZED
    sending = session.tallies.to(session.vhost.exchange(EXCHANGE))
    target = Target(Route(EXCHANGE, "" if refusal else key, sending=sending), access.version, refusal)
    if len(octets) <= session.limits.topic_bytes_max:
        if len(session.targets) >= session.limits.topics_max:
            session.targets.clear()
        session.targets[octets] = target
    return target


def may_publish(access: Access, key: str) -> bool:
    try:
        access.require(Verb.WRITE, "exchange", EXCHANGE)
        access.require_topic(Verb.WRITE, EXCHANGE, key)
    except AccessRefused:
        return False
    return True


def block_for(session: Session, target: Target, flags: int, raw: bytes) -> bytes:
    """The core's properties of a message with these flags (QoS and retain) and encoded properties."""
    block = target.blocks.get((flags, raw))
    if block is not None:
        return block
    found = wire.NO_PROPERTIES
    if len(raw) > 1:
        found, _ = wire.read_properties(raw, 0, len(raw), spec.PUBLISH)
        _check(found)
    publisher = session.client_id if session.marking else ""
    block = block_of(flags >> 1 & 3, bool(flags & 1), found, publisher, session.node.agenda.wall_ms)
    if "message_expiry_interval" not in found and len(raw) <= _REMEMBERED_BYTES_MAX:
        if len(target.blocks) >= _BLOCKS_MAX:
            target.blocks.clear()
        target.blocks[flags, raw] = block
    return block


def _check(found: wire.Properties) -> None:
    if "subscription_identifier" in found:
        raise violation("a subscription identifier from a client")
    if "response_topic" in found and not is_topic(found["response_topic"]):
        raise violation("a response topic with wildcards")


def aliased(session: Session, octets: bytes, raw: bytes) -> tuple[bytes, bytes]:
    """The topic that a PUBLISH with properties means, and its properties less the alias (section 3.3.2.3.4)."""
    found, _ = wire.read_properties(raw, 0, len(raw), spec.PUBLISH)
    alias = found.pop("topic_alias", None) if found else None
    if alias is None:
        if not octets:
            raise violation("a PUBLISH without topic and alias")
        return octets, raw
    if not 0 < alias <= session.limits.topic_aliases_max:
        raise MqttError(spec.TOPIC_ALIAS_INVALID, f"topic alias {alias}")
    if octets:
        session.aliased[alias] = octets
    elif alias not in session.aliased:
        raise violation(f"topic alias {alias} stands for nothing yet")
    return session.aliased[alias], wire.properties(found)


def publish(session: Session, target: Target, flags: int, contents: list[bytes], ids: list[int]) -> None:
    """Messages of one topic, flags and properties; `ids` are their packet identifiers, with QoS 1 and 2."""
    qos = flags >> 1 & 3
    if target.refusal:
        _refuse(session, qos, target.refusal, ids)
        return
    if not qos:
        _publish(session.vhost, target.route, contents, flags, session.here)
        session.throttle.published()
        return
    session.tallies.wanted += len(ids)
    session.tallies.confirmed += len(ids)
    if qos == 2:
        for content, id in zip(contents, ids, strict=True):
            _publish_once(session, target, flags, content, id)
    else:
        unwanted = _publish(session.vhost, target.route, contents, flags, session.here)
        code = spec.NO_MATCHING_SUBSCRIBERS if unwanted and session.version == spec.V5 else 0
        session.acknowledge(b"".join([wire.answer(spec.PUBACK, id, code) for id in ids]))
    session.throttle.published()


def _publish(vhost: VHost, route: Route, contents: list[bytes], flags: int, by: Connected | None = None) -> bool:
    """Whether nobody wanted them."""
    if flags & 1:
        retain(vhost, route, contents[-1])
    deadline_ms = 0
    if contents[0][packed.PROPERTIES_AT] & _EXPIRATION:
        deadline_ms = meta_of(packed.properties_of(contents[0])).expires_at_ms
    if len(contents) == 1:
        size = len(contents[0])
        run = Run(route, contents, size, size, flags & 6 > 0, None, deadline_ms)
    else:
        run = Run.of(route, contents, flags & 6 > 0, deadline_ms)
    if vhost.tracer is not None:
        vhost.tracer.published(by, 1, run)
    unwanted = vhost.publish(route, run)
    if vhost.refused:
        vhost.take_refused()
    if unwanted:
        route.sending.dropped += len(unwanted)
    return bool(unwanted)


def _publish_once(session: Session, target: Target, flags: int, content: bytes, id: int) -> None:
    """A message of QoS 2: one whose identifier is known has been published before."""
    ids = session.client.ids
    if id not in ids.received:
        if len(ids.received) >= session.limits.receive_max:
            raise MqttError(spec.RECEIVE_MAXIMUM_EXCEEDED, "more messages begun than allowed")
        with session.vhost.together():
            _publish(session.vhost, target.route, [content], flags & ~1, session.here)
            queue = ids.append_received(id)
        ids.keep_received(id, queue)
        if flags & 1:
            retain(session.vhost, target.route, content)
    session.acknowledge(wire.answer(spec.PUBREC, id))


def _refuse(session: Session, qos: int, code: int, ids: list[int]) -> None:
    if session.version != spec.V5 or not qos:
        raise MqttError(code, "not allowed to publish to this topic")
    kind = spec.PUBACK if qos == 1 else spec.PUBREC
    session.acknowledge(b"".join([wire.answer(kind, id, code) for id in ids]))


def retain(vhost: VHost, route: Route, content: bytes) -> None:
    """Keep a message for later subscribers; one without a body clears what was kept (section 3.3.1.3)."""
    if packed.body_length(content):
        vhost.retained.keep(Run(Route(EXCHANGE, route.key), [content], len(content), len(content), True))
    else:
        vhost.retained.drop(route.key)


def publish_will(client: Client, access: Access, will: Will) -> None:
    """The will of a client whose connection has ended badly, as far as its user may publish it."""
    key = key_of(will.topic)
    if not may_publish(access, key):
        return
    flags = will.qos << 1 | will.retain
    found = {name: value for name, value in will.properties.items() if name != "will_delay_interval"}
    block = block_of(will.qos, will.retain, found, client.id, client.node.agenda.wall_ms)
    content = packed.pack(block, will.payload)
    _publish(client.vhost, Route(EXCHANGE, key), [content], flags)
    client.vhost.dispatch()
