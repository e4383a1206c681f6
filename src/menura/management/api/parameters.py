"""Runtime parameters: by component within a virtual host, and global ones."""

from __future__ import annotations

from typing import Any

from menura.core.vhost import VHost
from menura.management import bodies, lists
from menura.management.definitions import exporting
from menura.management.http.messages import Answer, Request, Work, created, not_found
from menura.management.rights import POLICYMAKER, acting_user, governed_vhost, own_vhosts, seen_vhost
from menura.management.routes import Routes
from menura.management.views import schemas
from menura.management.views.schemas import STRING, fixed

routes = Routes("parameters")
PARAMETER = fixed({"value": {}, "vhost": STRING, "component": STRING, "name": STRING})
GLOBAL = fixed({"name": STRING, "value": {}})
_BODY = fixed({"value": {"description": "anything that JSON can say"}})
_LIST = {"query": lists.QUERY, "returns": lists.schema(PARAMETER)}


def _found(request: Request, vhost: VHost, component: str | None = None) -> list[dict[str, Any]]:
    return [
        parameter
        for parameter in exporting.parameters(request.node, vhost, secrets=False)
        if component in (None, parameter["component"])
    ]


def _find(request: Request, vhost: VHost, component: str, name: str) -> dict[str, Any] | None:
    return next((found for found in _found(request, vhost, component) if found["name"] == name), None)


def _listed(request: Request, vhosts: list[VHost], component: str | None = None) -> Answer:
    rows = [found for vhost in vhosts for found in _found(request, vhost, component)]
    return lists.listed(request, rows, dict)


@routes.get("/api/parameters", POLICYMAKER, "All parameters", **_LIST)
def every(request: Request) -> Answer:
    return _listed(request, own_vhosts(request))


@routes.get("/api/parameters/{component}", POLICYMAKER, "The parameters of a component", **_LIST)
def of_component(request: Request, component: str) -> Answer:
    return _listed(request, own_vhosts(request), component)


@routes.get(
    "/api/parameters/{component}/{vhost}", POLICYMAKER, "The parameters of a component in a virtual host", **_LIST
)
def of_vhost(request: Request, component: str, vhost: str) -> Answer:
    seen_vhost(request, vhost)
    return _listed(request, [governed_vhost(request, vhost)], component)


@routes.get("/api/parameters/{component}/{vhost}/{name}", POLICYMAKER, "A parameter", returns=PARAMETER)
def one(request: Request, component: str, vhost: str, name: str) -> Answer:
    found = _find(request, governed_vhost(request, vhost), component, name)
    if found is None:
        raise not_found()
    return found


@routes.put(
    "/api/parameters/{component}/{vhost}/{name}",
    POLICYMAKER,
    "Set a parameter",
    body=_BODY,
    returns=schemas.NOTHING,
)
def put(request: Request, component: str, vhost: str, name: str) -> Work:
    where, body = governed_vhost(request, vhost), request.json()
    bodies.require_name("a parameter", name)
    bodies.require(body, "value")
    is_new = _find(request, where, component, name) is None
    yield from request.node.parameters.set_in_steps(component, name, body["value"], vhost, acting_user(request))
    request.audit("parameter.set", component=component, name=name, vhost=vhost)
    return created() if is_new else None


@routes.delete("/api/parameters/{component}/{vhost}/{name}", POLICYMAKER, "Clear a parameter", returns=schemas.NOTHING)
def delete(request: Request, component: str, vhost: str, name: str) -> Work:
    if _find(request, governed_vhost(request, vhost), component, name) is None:
        raise not_found()
    yield from request.node.parameters.clear_in_steps(component, name, vhost)
    request.audit("parameter.cleared", component=component, name=name, vhost=vhost)


# -- global ones -------------------------------------------------------------------------------------------------


@routes.get(
    "/api/global-parameters",
    POLICYMAKER,
    "All global parameters",
    query=lists.QUERY,
    returns=lists.schema(GLOBAL),
)
def every_global(request: Request) -> Answer:
    rows = list(request.node.parameters.globals.items())
    return lists.listed(request, rows, lambda row: {"name": row[0], "value": row[1]}, sort=["name"])


@routes.get("/api/global-parameters/{name}", POLICYMAKER, "A global parameter", returns=GLOBAL)
def one_global(request: Request, name: str) -> Answer:
    known = request.node.parameters.globals
    if name not in known:
        raise not_found()
    return {"name": name, "value": known[name]}


@routes.put("/api/global-parameters/{name}", POLICYMAKER, "Set a global parameter", body=_BODY, returns=schemas.NOTHING)
def put_global(request: Request, name: str) -> Answer:
    body = request.json()
    bodies.require_name("a parameter", name)
    bodies.require(body, "value")
    is_new = name not in request.node.parameters.globals
    request.node.parameters.set_global(name, body["value"])
    request.audit("global_parameter.set", name=name)
    return created() if is_new else None


@routes.delete("/api/global-parameters/{name}", POLICYMAKER, "Clear a global parameter", returns=schemas.NOTHING)
def delete_global(request: Request, name: str) -> Answer:
    if name not in request.node.parameters.globals:
        raise not_found()
    request.node.parameters.clear_global(name)
    request.audit("global_parameter.cleared", name=name)
