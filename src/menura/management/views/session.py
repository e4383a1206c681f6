"""Sessions that are kept under a client's name, and subscriptions, in JSON. RabbitMQ has no such thing to follow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from menura.core.descriptions import NEVER, SessionState, SubscriptionState
from menura.management.views.connection import details
from menura.management.views.schemas import BOOLEAN, INTEGER, OBJECT, STRING, array, fixed

if TYPE_CHECKING:
    from menura.core.presence import Connected
    from menura.core.queue import Queue

SUBSCRIPTIONS_MAX = 1000
SUBSCRIPTION_SCHEMA = fixed(
    {
        "source": STRING,
        "queue": STRING,
        "vhost": STRING,
        "client": STRING,
        "protocol": STRING,
        "messages_unacknowledged": INTEGER,
    },
    {
        "id": STRING,
        "qos": INTEGER,
        "ack_mode": STRING,
        "prefetch_count": INTEGER,
        "share": STRING,
        "no_local": BOOLEAN,
        "retain_as_published": BOOLEAN,
        "retain_handling": INTEGER,
        "subscription_identifier": INTEGER,
    },
)
SESSION_SCHEMA = fixed(
    {
        "client_id": STRING,
        "vhost": STRING,
        "protocol": STRING,
        "connected": BOOLEAN,
        "clean": BOOLEAN,
        "messages": INTEGER,
        "messages_ready": INTEGER,
        "messages_unacknowledged": INTEGER,
        "queues": array(OBJECT),
        "subscription_count": INTEGER,
    },
    {
        "subscriptions": {**array(SUBSCRIPTION_SCHEMA), "description": f"of one session; at most {SUBSCRIPTIONS_MAX}"},
        "connection_details": OBJECT,
        "user": STRING,
        "expiry_seconds": {"type": ["integer", "null"], "description": "null: it is kept for ever"},
        "away_since": {"type": ["integer", "null"]},
        "expires_at": {"type": ["integer", "null"]},
    },
)


class Subscribed(NamedTuple):
    """A subscription and who has it; `client` is a client's name, or what tells its connection from others."""

    vhost: str
    client: str
    protocol: str
    connected: Connected | None
    state: SubscriptionState


def subscription_row(row: Subscribed) -> dict[str, Any]:
    state = row.state
    found: dict[str, Any] = {
        "source": state.source,
        "queue": state.queue,
        "vhost": row.vhost,
        "client": row.client,
        "protocol": row.protocol,
        "messages_unacknowledged": state.unacknowledged,
    }
    if row.connected is not None:
        found["connection_details"] = details(row.connected)
        found["user"] = row.connected.user
    if state.quality is None:
        return {**found, "id": state.id, "ack_mode": state.ack_mode, "prefetch_count": state.prefetch}
    return {
        **found,
        "qos": state.quality,
        "share": state.share,
        "no_local": state.no_local,
        "retain_as_published": state.retain_as_published,
        "retain_handling": state.retain_handling,
        "subscription_identifier": state.identifier,
    }


def session_row(state: SessionState) -> dict[str, Any]:
    """A session in a list."""
    connected = state.connected
    found: dict[str, Any] = {
        "client_id": state.client_id,
        "vhost": state.vhost,
        "protocol": state.protocol if connected is None else connected.protocol,
        "connected": connected is not None,
        "clean": state.clean,
        "expiry_seconds": None if state.expiry_seconds == NEVER else state.expiry_seconds,
        "away_since": state.away_since_ms or None,
        "expires_at": state.expires_at_ms or None,
        "messages_ready": sum(queue.ready_count for queue in state.queues),
        "messages_unacknowledged": sum(queue.unsettled_count for queue in state.queues),
        "messages": sum(queue.ready_count + queue.unsettled_count for queue in state.queues),
        "queues": [_queue(queue) for queue in state.queues],
        "subscription_count": state.subscription_count,
    }
    if connected is not None:
        found["connection_details"] = details(connected)
        found["user"] = connected.user
    return found


def single_session(state: SessionState) -> dict[str, Any]:
    """One session, with its subscriptions."""
    subscriptions = islice(subscribed_of(state), SUBSCRIPTIONS_MAX)
    return {**session_row(state), "subscriptions": list(map(subscription_row, subscriptions))}


def subscribed_of(state: SessionState) -> Iterator[Subscribed]:
    connected = state.connected
    protocol = state.protocol if connected is None else connected.protocol
    for each in state.subscriptions():
        yield Subscribed(state.vhost, state.client_id, protocol, connected, each)


def _queue(queue: Queue) -> dict[str, Any]:
    return {
        "name": queue.name,
        "durable": queue.durable,
        "messages": queue.ready_count + queue.unsettled_count,
        "messages_ready": queue.ready_count,
        "messages_unacknowledged": queue.unsettled_count,
    }
