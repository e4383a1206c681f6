"""A virtual host in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from menura.core.node import NAME
from menura.core.queue_types import CLASSIC
from menura.management.views.schemas import BOOLEAN, INTEGER, OBJECT, STRING, STRINGS, fixed

if TYPE_CHECKING:
    from menura.core.vhost import VHost
    from menura.management.statistics import Statistics, Windows

VHOST_SCHEMA = fixed(
    {
        "name": STRING,
        "description": STRING,
        "tags": STRINGS,
        "default_queue_type": STRING,
        "protected_from_deletion": BOOLEAN,
        "metadata": OBJECT,
        "tracing": BOOLEAN,
        "cluster_state": OBJECT,
    },
    {
        "messages": INTEGER,
        "messages_ready": INTEGER,
        "messages_unacknowledged": INTEGER,
        "message_stats": OBJECT,
        "recv_oct": INTEGER,
        "send_oct": INTEGER,
    },
)


def vhost_view(vhost: VHost) -> dict[str, Any]:
    """What is said of it, without numbers."""
    definition = vhost.definition
    kind = definition.default_queue_type or CLASSIC
    metadata: dict[str, Any] = {
        "description": definition.description,
        "tags": sorted(definition.tags),
        "default_queue_type": kind,
    }
    if definition.protected:
        metadata["protected_from_deletion"] = True
    return {
        "name": vhost.name,
        "description": definition.description,
        "tags": sorted(definition.tags),
        "default_queue_type": kind,
        "protected_from_deletion": definition.protected,
        "metadata": metadata,
        "tracing": vhost.tracer is not None,
        "cluster_state": {NAME: "running"},
    }


def vhost_with_numbers(vhost: VHost, statistics: Statistics, windows: Windows) -> dict[str, Any]:
    found = vhost_view(vhost)
    found |= statistics.traffic(vhost, windows.data_rates)
    found |= statistics.lengths(vhost, windows.lengths)
    stats = statistics.message_stats(vhost, windows.msg_rates)
    if stats:
        found["message_stats"] = stats
    return found
