"""Virtual hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from menura.core.node import NAME
from menura.core.vhost import VHost
from menura.management import bodies, lists
from menura.management.bodies import Body
from menura.management.http.messages import Answer, HttpError, Request, Work, created, not_found
from menura.management.rights import ADMINISTRATOR, MANAGEMENT, acting_user, seen_vhosts
from menura.management.routes import Routes
from menura.management.statistics import QUERY, windows
from menura.management.views import schemas
from menura.management.views.schemas import BOOLEAN, STRING, TAGS
from menura.management.views.vhost import VHOST_SCHEMA, vhost_view, vhost_with_numbers

routes = Routes("virtual hosts")
_STATS = {"disable_stats": "`true`: without numbers", **QUERY}
_BODY = {
    "type": "object",
    "properties": {
        "description": STRING,
        "tags": TAGS,
        "default_queue_type": {**STRING, "description": "classic or quorum: of queues declared without a type"},
        "protected_from_deletion": BOOLEAN,
        "tracing": {**BOOLEAN, "description": "copy all messages to amq.rabbitmq.trace"},
    },
}


def _view(request: Request) -> Callable[[VHost], dict[str, Any]]:
    if request.flag("disable_stats"):
        return vhost_view
    statistics, wanted = request.backend.statistics, windows(request)
    return lambda vhost: vhost_with_numbers(vhost, statistics, wanted)


def _find(request: Request, name: str) -> VHost:
    vhost = request.node.vhosts.get(name)
    if vhost is None:
        raise not_found()
    return vhost


@routes.get(
    "/api/vhosts",
    MANAGEMENT,
    "The virtual hosts one may see",
    query={**lists.QUERY, **_STATS},
    returns=lists.schema(VHOST_SCHEMA),
)
def every(request: Request) -> Answer:
    return lists.listed(request, seen_vhosts(request), _view(request), ["name"])


@routes.get("/api/vhosts/{vhost}", ADMINISTRATOR, "A virtual host", query=_STATS, returns=VHOST_SCHEMA)
def one(request: Request, vhost: str) -> Answer:
    return _view(request)(_find(request, vhost))


@routes.put(
    "/api/vhosts/{vhost}",
    ADMINISTRATOR,
    "Make a virtual host, or say something else of it. Whoever makes it may do everything in it",
    body=_BODY,
    returns=schemas.NOTHING,
)
def put(request: Request, vhost: str) -> Answer:
    node, body = request.node, request.json()
    bodies.require_name("a virtual host", vhost)
    is_new = vhost not in node.vhosts
    said, tracing = _said(body, is_new), _tracing(body)
    node.add_vhost(vhost)
    try:
        node.describe_vhost(vhost, **said)
    except Exception:
        if is_new:
            node.delete_vhost(vhost)
        raise
    user = acting_user(request)
    if is_new and user is not None:
        node.users.permit(user, vhost)
    if tracing is not None:
        (node.trace if tracing else node.untrace)(vhost)
    request.audit("vhost.put", name=vhost, **({} if tracing is None else {"tracing": tracing}))
    return created() if is_new else None


def _said(body: Body, is_new: bool) -> dict[str, Any]:
    """What is said of a virtual host; of one that is there, only what the body names is changed."""
    kind = body.get("default_queue_type", body.get("defaultqueuetype"))
    known = None if kind in (None, "undefined", "") else bodies.text({"default_queue_type": kind}, "default_queue_type")
    return {
        "description": bodies.text(body, "description", "") if is_new or "description" in body else None,
        "tags": bodies.tags(body.get("tags")) if is_new or "tags" in body else None,
        "default_queue_type": known,
        "protected": bodies.truth(body, "protected_from_deletion") if "protected_from_deletion" in body else None,
    }


def _tracing(body: Body) -> bool | None:
    return bodies.truth(body, "tracing") if body.get("tracing") is not None else None


@routes.delete(
    "/api/vhosts/{vhost}", ADMINISTRATOR, "Delete a virtual host and all that is in it", returns=schemas.NOTHING
)
def delete(request: Request, vhost: str) -> Work:
    if _find(request, vhost).definition.protected:
        why = f"Refusing to delete virtual host '{vhost}' because it is protected from deletion"
        raise HttpError(412, "precondition_failed", why)
    yield from request.node.delete_vhost_in_steps(vhost)
    request.audit("vhost.deleted", name=vhost)


_PROTECTION = "/api/vhosts/{vhost}/deletion/protection"


@routes.post(_PROTECTION, ADMINISTRATOR, "Protect a virtual host from being deleted", returns=schemas.NOTHING)
def protect(request: Request, vhost: str) -> Answer:
    _protect(request, vhost, True)


@routes.delete(_PROTECTION, ADMINISTRATOR, "Let a virtual host be deleted", returns=schemas.NOTHING)
def unprotect(request: Request, vhost: str) -> Answer:
    _protect(request, vhost, False)


def _protect(request: Request, vhost: str, protected: bool) -> None:
    _find(request, vhost)
    request.node.describe_vhost(vhost, protected=protected)
    request.audit("vhost.protected" if protected else "vhost.unprotected", name=vhost)


@routes.post(
    "/api/vhosts/{vhost}/start/{node}",
    ADMINISTRATOR,
    "Start a virtual host that is down. None ever is without the node, so there is nothing to do",
    returns=schemas.NOTHING,
)
def start(request: Request, vhost: str, node: str) -> Answer:
    _find(request, vhost)
    if node != NAME:
        raise not_found()
