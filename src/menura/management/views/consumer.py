"""A consumer as RabbitMQ's API shows it, of whatever protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from menura.core.events import channel_name
from menura.core.node import NAME
from menura.management.views.arguments import shown
from menura.management.views.schemas import BOOLEAN, INTEGER, OBJECT, STRING, fixed

if TYPE_CHECKING:
    from menura.core.consumer import Consumer

SCHEMA = fixed(
    {
        "consumer_tag": STRING,
        "queue": OBJECT,
        "channel_details": OBJECT,
        "ack_required": BOOLEAN,
        "prefetch_count": INTEGER,
        "exclusive": BOOLEAN,
        "active": BOOLEAN,
        "activity_status": STRING,
        "arguments": OBJECT,
    },
    {"consumer_timeout": INTEGER},
)
# What a consumer is called whose protocol does not name it.
NAMELESS = "mqtt"


def consumer_row(consumer: Consumer) -> dict[str, Any]:
    queue = consumer.queue
    active = queue.consumers.active(consumer)
    found = {
        "consumer_tag": consumer.tag or NAMELESS,
        "queue": {"name": queue.name, "vhost": queue.vhost.name},
        "channel_details": _channel(consumer),
        "ack_required": consumer.settles,
        "prefetch_count": consumer.prefetch,
        "exclusive": consumer.exclusive,
        "active": active,
        "activity_status": "up" if not queue.consumers.single else "single_active" if active else "waiting",
        "arguments": shown(consumer.arguments),
    }
    timeout_ms = queue.rules.settings.consumer_timeout_ms if queue.rules is not None else None
    return found if timeout_ms is None else {**found, "consumer_timeout": timeout_ms}


def _channel(consumer: Consumer) -> dict[str, Any]:
    connected, number = consumer.subscriber.who
    if connected is None:
        return {"name": "", "number": number, "node": NAME, "user": "", "connection_name": ""}
    return {
        "name": channel_name(connected, number),
        "number": number,
        "node": NAME,
        "user": connected.user,
        "connection_name": connected.address,
        "peer_host": connected.peer.host,
        "peer_port": connected.peer.port,
    }
