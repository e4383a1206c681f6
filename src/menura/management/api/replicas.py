"""Quorum queues as a cluster has them. Here is one node, which is the leader and the only member of each."""

from __future__ import annotations

from menura.core.arguments import queue_type
from menura.core.node import NAME
from menura.core.queue_types import QUORUM
from menura.management.api.queues import seen_queue
from menura.management.http.messages import Answer, HttpError, Request, bad_request
from menura.management.rights import ADMINISTRATOR, MANAGEMENT
from menura.management.routes import Routes

routes = Routes("quorum queues")

_ALONE = "this broker is a single node: a quorum queue has one replica, which cannot be added to or taken away"
_MACHINE_VERSION = 7
_BODY = {"type": "object", "properties": {"node": {"type": "string"}}}


@routes.get("/api/queues/quorum/{vhost}/{name}/status", MANAGEMENT, "The replicas of a quorum queue")
def status(request: Request, vhost: str, name: str) -> Answer:
    queue = seen_queue(request, vhost, name)
    if queue_type(queue.arguments) != QUORUM:
        raise HttpError(503, "service_unavailable", "not_quorum_queue")
    last = queue.next_position
    return [
        {
            "Node Name": NAME,
            "Raft State": "leader",
            "Membership": "voter",
            "Last Log Index": last,
            "Last Written": last,
            "Last Applied": last,
            "Commit Index": last,
            "Snapshot Index": 0,
            "Term": 1,
            "Machine Version": _MACHINE_VERSION,
        }
    ]


@routes.post("/api/queues/quorum/{vhost}/{name}/replicas/add", ADMINISTRATOR, "Refused: there is one node", body=_BODY)
def add(request: Request, vhost: str, name: str) -> Answer:
    return _refuse(request, vhost, name)


@routes.delete("/api/queues/quorum/{vhost}/{name}/replicas/delete", ADMINISTRATOR, "Refused: there is one node")
def delete(request: Request, vhost: str, name: str) -> Answer:
    return _refuse(request, vhost, name)


@routes.post("/api/queues/quorum/replicas/on/{node}/grow", ADMINISTRATOR, "Refused: there is one node", body=_BODY)
def grow(request: Request, node: str) -> Answer:
    raise bad_request(_ALONE)


@routes.delete("/api/queues/quorum/replicas/on/{node}/shrink", ADMINISTRATOR, "Refused: there is one node")
def shrink(request: Request, node: str) -> Answer:
    raise bad_request(_ALONE)


def _refuse(request: Request, vhost: str, name: str) -> Answer:
    seen_queue(request, vhost, name)
    raise bad_request(_ALONE)
