"""Shovels: what they do, to be seen, begun anew and deleted. They are set as parameters of the component `shovel`."""

from __future__ import annotations

from typing import Any

from menura.core.errors import NotFound
from menura.management import lists
from menura.management.http.messages import Answer, Request, not_found
from menura.management.rights import MONITORING, POLICYMAKER, governed_vhost, seen_vhost, seen_vhosts
from menura.management.routes import Routes
from menura.management.views import schemas
from menura.management.views.schemas import INTEGER, STRING, fixed
from menura.shovels.shovels import COMPONENT, status

routes = Routes("shovels")
SHOVEL = fixed(
    {
        "node": STRING,
        "timestamp": STRING,
        "name": STRING,
        "vhost": STRING,
        "type": {"const": "dynamic"},
        "state": {"enum": ["starting", "running", "flow", "blocked", "terminated"]},
    },
    {
        "reason": STRING,
        "src_uri": STRING,
        "src_protocol": STRING,
        "dest_uri": STRING,
        "dest_protocol": STRING,
        "src_queue": STRING,
        "src_exchange": STRING,
        "src_exchange_key": STRING,
        "dest_queue": STRING,
        "dest_exchange": STRING,
        "dest_exchange_key": STRING,
        "blocked_status": {"enum": ["running", "flow", "blocked"]},
        "forwarded": INTEGER,
        "pending": INTEGER,
        "remaining": {"oneOf": [INTEGER, STRING]},
        "remaining_unacked": {"oneOf": [INTEGER, STRING]},
    },
)
PARAMETER = fixed({"value": schemas.OBJECT, "vhost": STRING, "component": STRING, "name": STRING})
_LIST: dict[str, Any] = {"query": lists.QUERY, "returns": lists.schema(SHOVEL)}


@routes.get("/api/shovels", MONITORING, "All shovels, with their state", **_LIST)
def every(request: Request) -> Answer:
    seen = {vhost.name for vhost in seen_vhosts(request)}
    return lists.listed(request, [worker for worker in request.backend.shovels.all() if worker.vhost in seen], status)


@routes.get("/api/shovels/{vhost}", MONITORING, "The shovels of a virtual host, with their state", **_LIST)
def of_vhost(request: Request, vhost: str) -> Answer:
    seen_vhost(request, vhost)
    return lists.listed(request, request.backend.shovels.all(vhost), status)


@routes.get(
    "/api/shovels/vhost/{vhost}/{name}",
    MONITORING,
    "What a shovel is to do, without passwords",
    returns=PARAMETER,
)
def shovel(request: Request, vhost: str, name: str) -> Answer:
    seen_vhost(request, vhost)
    shown = request.node.parameters.shown(COMPONENT, _value(request, vhost, name))
    return {"value": shown, "vhost": vhost, "component": COMPONENT, "name": name}


@routes.delete("/api/shovels/vhost/{vhost}/{name}", POLICYMAKER, "Delete a shovel", returns=schemas.NOTHING)
def delete(request: Request, vhost: str, name: str) -> Answer:
    governed_vhost(request, vhost)
    _value(request, vhost, name)
    request.node.parameters.clear(COMPONENT, name, vhost)
    request.audit("shovel.deleted", vhost=vhost, name=name)


@routes.delete(
    "/api/shovels/vhost/{vhost}/{name}/restart",
    POLICYMAKER,
    "Let a shovel connect anew, now",
    returns=schemas.NOTHING,
)
def restart(request: Request, vhost: str, name: str) -> Answer:
    governed_vhost(request, vhost)
    _value(request, vhost, name)
    request.backend.shovels.restart(vhost, name)
    request.audit("shovel.restarted", vhost=vhost, name=name)


def _value(request: Request, vhost: str, name: str) -> Any:
    try:
        return request.node.parameters.value(COMPONENT, name, vhost)
    except NotFound:
        raise not_found() from None
