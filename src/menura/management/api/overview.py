"""The whole broker at a glance."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Any

from menura.core.node import NAME
from menura.core.queue_types import CLASSIC
from menura.core.vhost import VHost
from menura.management.http.messages import Answer, Request
from menura.management.identity import identity_of
from menura.management.rights import MANAGEMENT, MONITORING, seen_vhosts
from menura.management.routes import Routes
from menura.management.statistics import QUERY, Windows, windows
from menura.management.views.listeners import context_view, is_management, is_open, listener_view
from menura.management.views.node import crypto_version, exchange_types, rates_mode, runtime, runtime_and_system
from menura.management.views.schemas import BOOLEAN, INTEGER, OBJECT, STRING, array, fixed

routes = Routes("overview")
_QUEUES_AT_ONCE = 500
_SECONDS = (60, 600, 3600)
OVERVIEW = fixed(
    {
        "management_version": STRING,
        "rates_mode": STRING,
        "sample_retention_policies": OBJECT,
        "exchange_types": array(OBJECT),
        "product_version": STRING,
        "product_name": STRING,
        "rabbitmq_version": STRING,
        "cluster_name": STRING,
        "erlang_version": STRING,
        "erlang_full_version": STRING,
        "disable_stats": BOOLEAN,
        "enable_queue_totals": BOOLEAN,
        "object_totals": {"type": "object", "additionalProperties": INTEGER},
    },
    {
        "message_stats": OBJECT,
        "churn_rates": OBJECT,
        "queue_totals": OBJECT,
        "statistics_db_event_queue": INTEGER,
        "node": STRING,
        "listeners": array(OBJECT),
        "contexts": array(OBJECT),
    },
)


@routes.get(
    "/api/overview",
    MANAGEMENT,
    "What this is, and how much of everything there is",
    query={"disable_stats": "`true`: without numbers of messages", **QUERY},
    returns=OVERVIEW,
)
def overview(request: Request) -> Generator[None, None, Answer]:
    wanted = windows(request)
    found = _about(request)
    vhosts = seen_vhosts(request)
    found["object_totals"] = yield from _totals(request, vhosts)
    if not found["disable_stats"]:
        found |= _numbers(request, vhosts, wanted)
    found["statistics_db_event_queue"] = 0
    if MONITORING.held_by(request.user) or found["disable_stats"]:
        found["node"] = NAME
    if MONITORING.held_by(request.user):
        listeners = [listener for listener in request.backend.listeners if is_open(listener)]
        found["listeners"] = sorted(map(listener_view, listeners), key=lambda view: (view["protocol"], view["port"]))
        found["contexts"] = [context_view(listener) for listener in listeners if is_management(listener)]
    return found


def _about(request: Request) -> dict[str, Any]:
    identity = identity_of(request.backend)
    tags = request.node.parameters.globals.get("cluster_tags")
    return {
        "management_version": identity.product_version,
        "rates_mode": rates_mode(request.backend),
        "sample_retention_policies": {"global": _SECONDS, "basic": _SECONDS, "detailed": _SECONDS},
        "exchange_types": exchange_types(),
        "product_version": identity.product_version,
        "product_name": identity.product_name,
        "rabbitmq_version": identity.rabbitmq_version,
        "cluster_name": identity.cluster_name,
        "cluster_tags": tags if isinstance(tags, dict) else {},
        "node_tags": {},
        "erlang_version": runtime(),
        "erlang_full_version": runtime_and_system(),
        "crypto_lib_version": crypto_version(),
        "disable_stats": request.flag("disable_stats"),
        "default_queue_type": CLASSIC,
        "is_op_policy_updating_enabled": True,
        "enable_queue_totals": request.flag("enable_queue_totals"),
    }


def _totals(request: Request, vhosts: list[VHost]) -> Generator[None, None, dict[str, int]]:
    """How many there are of what a user may see."""
    consumers = queues = 0
    for vhost in vhosts:
        for queue in list(vhost.queues.values()):
            if queues % _QUEUES_AT_ONCE == 0:
                yield
            queues += 1
            consumers += len(queue.consumers)
    everything, name = MONITORING.held_by(request.user), request.user.name
    connections = [found for found in request.node.presence.connections if everything or found.user == name]
    return {
        "channels": sum(connected.channel_count for connected in connections),
        "connections": len(connections),
        "consumers": consumers,
        "exchanges": sum(len(vhost.exchanges) for vhost in vhosts),
        "queues": queues,
    }


def _numbers(request: Request, vhosts: list[VHost], wanted: Windows) -> dict[str, Any]:
    """Of the whole node, or the sum of what a user may see of it."""
    statistics = request.backend.statistics
    if MONITORING.held_by(request.user):
        return {
            "message_stats": statistics.message_stats(request.node, wanted.msg_rates),
            "churn_rates": statistics.churn(wanted.msg_rates),
            "queue_totals": statistics.lengths(request.node, wanted.lengths),
        }
    return {
        "message_stats": _sum(statistics.message_stats(vhost) for vhost in vhosts),
        "queue_totals": _sum(statistics.lengths(vhost) for vhost in vhosts),
    }


def _sum(each: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Numbers, and rates within `..._details`, added up by their names."""
    total: dict[str, Any] = {}
    for numbers in each:
        for name, number in numbers.items():
            if isinstance(number, Mapping):
                total[name] = {"rate": total.get(name, {"rate": 0.0})["rate"] + number.get("rate", 0.0)}
            else:
                total[name] = total.get(name, 0) + number
    return total
