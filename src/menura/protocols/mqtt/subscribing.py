"""SUBSCRIBE and UNSUBSCRIBE (sections 3.8 to 3.11), and what is retained for a new subscription.

Each filter is answered for itself. Retained messages go into the client's queue like all others, marked as what they
are, so that they keep to the same limits; a message of a topic of its own is a run of its own there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.core import content as packed
from menura.core.access import Verb
from menura.core.run import Run
from menura.protocols.mqtt import spec, wire
from menura.protocols.mqtt.errors import REASONS, MqttError, code_of, violation
from menura.protocols.mqtt.message import for_subscriber, meta_of
from menura.protocols.mqtt.subscription import Subscription
from menura.protocols.mqtt.topics import EXCHANGE, hidden, is_filter, share_of

if TYPE_CHECKING:
    from menura.protocols.mqtt.session import Session

# Retain handling (section 3.8.3.1): send retained messages always, for a new subscription, or never.
_ONLY_NEW, _NEVER = 1, 2


def subscribe(session: Session, body: bytes) -> None:
    packet = wire.read_subscribe(body, session.version)
    (id,) = packet.properties.get("subscription_identifier", (0,))
    _require_filters(session, [filter for filter, _ in packet.filters])
    codes, wanted = [], []
    session.require_room(wire.suback(session.version, packet.id, [0] * len(packet.filters)))
    for filter, options in packet.filters:
        share = share_of(filter)
        if share is not None and options & 4:
            raise violation("a shared subscription that is not to get its own messages")
        subscription = Subscription(filter, options, id, share)
        code, new = _subscribe(session, subscription)
        codes.append(code)
        handling = subscription.retain_handling
        if code < 3 and share is None and handling != _NEVER and (new or handling != _ONLY_NEW):
            wanted.append(subscription)
    session.promise()
    session.send(wire.suback(session.version, packet.id, codes))
    for subscription in wanted:
        _send_retained(session, subscription)


def _require_filters(session: Session, filters: list[str]) -> None:
    """What is no filter is no question of permission: it ends the connection (4.7.1, 4.7.3, 4.8.2, 4.13).

    Before version 5, what begins with "$share/" is a filter like any other, though a refused one if it is no group's.
    """
    for filter in filters:
        share = share_of(filter)
        if not is_filter(filter) or (share is not None and not is_filter(share.filter) and session.version == spec.V5):
            raise MqttError(spec.TOPIC_FILTER_INVALID, f"{filter!r} is not a topic filter")


def _subscribe(session: Session, subscription: Subscription) -> tuple[int, bool]:
    """The code to answer with, and whether there was no subscription to this filter."""
    client = session.client
    filter = subscription.filter
    share = subscription.share
    if share is not None and not is_filter(share.filter):
        return spec.TOPIC_FILTER_INVALID, False
    if max(len(filter.encode()), len(subscription.pattern.encode())) > session.limits.topic_bytes_max:
        return spec.TOPIC_FILTER_INVALID, False
    if filter not in client.subscriptions and len(client.subscriptions) >= session.limits.subscriptions_max:
        return spec.QUOTA_EXCEEDED, False
    code = None
    try:
        _require_access(session)
        # Which topics there are is nobody's business: no reason is given.
        code = spec.UNSPECIFIED_ERROR
        session.access.require_topic(Verb.READ, EXCHANGE, subscription.pattern)
        code = None
        new = client.subscribe(subscription)
    except REASONS as reason:
        session.log("warning", f"subscription to {filter!r} refused: {reason}", "subscription.refused")
        return code or code_of(reason), False
    return subscription.qos, new


def _require_access(session: Session) -> None:
    """What declaring the queue, binding it and consuming from it would need in other protocols."""
    access = session.access
    name = session.client.queue_name
    for verb in (Verb.CONFIGURE, Verb.WRITE, Verb.READ):
        access.require(verb, "queue", name)
    access.require(Verb.READ, "exchange", EXCHANGE)


def _send_retained(session: Session, subscription: Subscription) -> None:
    vhost, client = session.vhost, session.client
    retained = vhost.retained
    if not retained.count:
        return
    _require_taken(session)
    now_ms = session.node.agenda.wall_ms
    for run in list(retained.match(subscription.pattern)):
        key = run.route.key
        if hidden(key, subscription.pattern):
            continue
        content = run.contents[0]
        block = packed.properties_of(content)
        meta = meta_of(block)
        if meta.expires_at_ms and meta.expires_at_ms <= now_ms:
            retained.drop(key)
            continue
        if subscription.no_local and meta.publisher == client.id:
            continue
        qos = min(meta.qos, subscription.qos)
        copy = packed.with_properties(content, for_subscriber(block, qos, True, subscription.id))
        queue = client.require_queue() if subscription.qos else client.require_loose()
        vhost.append(queue, Run(run.route, [copy], len(copy), len(copy), qos > 0))
        session.retained_bytes += len(copy)


def _require_taken(session: Session) -> None:
    """Who asks for retained messages again and again has to take them in between."""
    if session.retained_bytes <= session.limits.retained_bytes_max:
        return
    session.vhost.dispatch()
    if any(queue.ready_count for queue in (session.client.queue, session.client.loose) if queue is not None):
        raise MqttError(spec.QUOTA_EXCEEDED, "retained messages are asked for and not taken")
    session.retained_bytes = 0


def unsubscribe(session: Session, body: bytes) -> None:
    packet = wire.read_unsubscribe(body, session.version)
    _require_filters(session, packet.filters)
    session.require_room(wire.unsuback(session.version, packet.id, [0] * len(packet.filters)))
    known = [session.client.unsubscribe(filter) for filter in packet.filters]
    codes = [0 if each else spec.NO_SUBSCRIPTION_EXISTED for each in known]
    session.promise()
    session.send(wire.unsuback(session.version, packet.id, codes))
