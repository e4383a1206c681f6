"""The node, which is the whole cluster."""

from __future__ import annotations

import dataclasses
from typing import Any

from menura.core.node import NAME
from menura.logs.audit import without_secrets
from menura.management import bodies, lists
from menura.management.http.messages import Answer, HttpError, Request, not_found
from menura.management.identity import PRODUCT, cluster_name, set_cluster_name
from menura.management.rights import ADMINISTRATOR, MANAGEMENT, MONITORING
from menura.management.routes import Routes
from menura.management.statistics import QUERY, windows
from menura.management.statistics.process import resident_bytes
from menura.management.views import schemas
from menura.management.views.node import NODE_SCHEMA, node_view
from menura.management.views.schemas import OBJECT, STRING, fixed
from menura.version import __version__

routes = Routes("nodes")
_MEMORY = fixed({"memory": OBJECT})


def _require_node(name: str) -> None:
    if name != NAME:
        raise not_found()


@routes.get(
    "/api/nodes",
    MONITORING,
    "All nodes, which is one",
    query={**lists.QUERY, **QUERY},
    returns=lists.schema(NODE_SCHEMA),
)
def every(request: Request) -> Answer:
    wanted = windows(request).node_stats
    return lists.listed(request, [request.backend], lambda backend: node_view(backend, wanted), ["name"])


@routes.get("/api/nodes/{node}", MONITORING, "A node", query=QUERY, returns=NODE_SCHEMA)
def one(request: Request, node: str) -> Answer:
    _require_node(node)
    return node_view(request.backend, windows(request).node_stats)


@routes.get("/api/nodes/{node}/memory", MONITORING, "What the node's memory is used for, in bytes", returns=_MEMORY)
def memory(request: Request, node: str) -> Answer:
    _require_node(node)
    uses, resident = _memory(request)
    return {
        "memory": {**uses, "strategy": "rss", "total": {"erlang": resident, "rss": resident, "allocated": resident}}
    }


@routes.get("/api/nodes/{node}/memory/relative", MONITORING, "The same in percent", returns=_MEMORY)
def relative_memory(request: Request, node: str) -> Answer:
    _require_node(node)
    uses, resident = _memory(request)
    shares = {use: max(1, round(size * 100 / resident)) if size else 0 for use, size in uses.items()}
    return {"memory": {"total": 100, **shares}}


def _memory(request: Request) -> tuple[dict[str, int], int]:
    """Held messages, and everything else; and all of it."""
    resident = resident_bytes()
    held = min(request.node.memory.used_bytes, resident)
    return {"binary": held, "other_system": resident - held}, resident


@routes.get("/api/cluster-name", MANAGEMENT, "The name of the cluster", returns=fixed({"name": STRING}))
def name(request: Request) -> Answer:
    return {"name": cluster_name(request.node)}


@routes.put(
    "/api/cluster-name",
    ADMINISTRATOR,
    "Give the cluster another name",
    body=fixed({"name": STRING}),
    returns=schemas.NOTHING,
)
def put_name(request: Request) -> Answer:
    body = request.json()
    bodies.require(body, "name")
    set_cluster_name(request.node, bodies.text(body, "name"))
    request.audit("cluster_name.set", name=body["name"])


@routes.get("/api/version", None, "The version of RabbitMQ that this is like", returns=STRING)
def version(request: Request) -> Answer:
    return request.backend.config.product_version


@routes.get("/api/config/effective", ADMINISTRATOR, "The settings in use, without secrets", returns=OBJECT)
def settings(request: Request) -> Answer:
    config: dict[str, Any] = dataclasses.asdict(request.backend.config)
    return {"product_name": PRODUCT, "product_version": __version__, "settings": without_secrets(config)}


# -- what takes more nodes than one, or other statistics -----------------------------------------------------------


@routes.post(
    "/api/rebalance/queues",
    ADMINISTRATOR,
    "Spread queues evenly over all nodes, which they are: there is one",
    returns=schemas.NOTHING,
)
def rebalance(request: Request) -> Answer:
    request.audit("queues.rebalanced")


@routes.delete("/api/reset", ADMINISTRATOR, "Refused: numbers only grow, as rates are made of them")
def reset(request: Request) -> Answer:
    raise HttpError(400, "bad_request", "statistics are not reset: numbers only grow while the broker runs")


@routes.delete("/api/reset/{node}", ADMINISTRATOR, "Refused as well")
def reset_node(request: Request, node: str) -> Answer:
    _require_node(node)
    return reset(request)
