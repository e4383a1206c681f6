"""How much virtual hosts and users may have."""

from __future__ import annotations

from typing import Any

from menura.core.parameters import VHOST_LIMITS
from menura.core.vhost import VHost
from menura.management import bodies, lists
from menura.management.http.messages import Answer, Request, not_authorised, not_found
from menura.management.rights import ADMINISTRATOR, MANAGEMENT, MONITORING, governed_vhost, seen_vhost, seen_vhosts
from menura.management.routes import Routes
from menura.management.views import schemas
from menura.management.views.schemas import INTEGER, OBJECT, STRING, fixed

routes = Routes("limits")
_BODY = fixed({"value": {**INTEGER, "description": "below 0 for no limit"}})
_OF_VHOST = fixed({"vhost": STRING, "value": OBJECT})
_OF_USER = fixed({"user": STRING, "value": OBJECT})


def _listed(request: Request, vhosts: list[VHost]) -> Answer:
    limited = [vhost for vhost in vhosts if vhost.limits]
    return lists.listed(request, limited, lambda vhost: {"vhost": vhost.name, "value": dict(vhost.limits)}, ["vhost"])


@routes.get(
    "/api/vhost-limits", MANAGEMENT, "Limits of all virtual hosts", query=lists.QUERY, returns=lists.schema(_OF_VHOST)
)
def every_vhost(request: Request) -> Answer:
    return _listed(request, seen_vhosts(request))


@routes.get(
    "/api/vhost-limits/{vhost}",
    MANAGEMENT,
    "The limits of a virtual host",
    query=lists.QUERY,
    returns=lists.schema(_OF_VHOST),
)
def of_vhost(request: Request, vhost: str) -> Answer:
    return _listed(request, [seen_vhost(request, vhost)])


@routes.put(
    "/api/vhost-limits/{vhost}/{name}",
    ADMINISTRATOR,
    "Set a limit: max-connections or max-queues",
    body=_BODY,
    returns=schemas.NOTHING,
)
def put_of_vhost(request: Request, vhost: str, name: str) -> Answer:
    where, body = governed_vhost(request, vhost), request.json()
    bodies.require(body, "value")
    request.node.parameters.set(VHOST_LIMITS, "limits", {**where.limits, name: body["value"]}, vhost)
    request.audit("vhost.limit.set", vhost=vhost, name=name, value=body["value"])


@routes.delete("/api/vhost-limits/{vhost}/{name}", ADMINISTRATOR, "Clear a limit", returns=schemas.NOTHING)
def delete_of_vhost(request: Request, vhost: str, name: str) -> Answer:
    where = governed_vhost(request, vhost)
    rest = {known: value for known, value in where.limits.items() if known != name}
    if rest != where.limits:
        parameters = request.node.parameters
        if rest:
            parameters.set(VHOST_LIMITS, "limits", rest, vhost)
        else:
            parameters.clear(VHOST_LIMITS, "limits", vhost)
        request.audit("vhost.limit.cleared", vhost=vhost, name=name)


# -- users -------------------------------------------------------------------------------------------------------


def _view(row: Any) -> dict[str, Any]:
    return {"user": row.name, "value": dict(row.limits)}


@routes.get("/api/user-limits", ADMINISTRATOR, "Limits of all users", query=lists.QUERY, returns=lists.schema(_OF_USER))
def every_user(request: Request) -> Answer:
    return lists.listed(request, [user for user in request.node.users if user.limits], _view, ["user"])


@routes.get(
    "/api/user-limits/{user}",
    MANAGEMENT,
    "The limits of a user; of others than oneself for monitoring",
    query=lists.QUERY,
    returns=lists.schema(_OF_USER),
)
def of_user(request: Request, user: str) -> Answer:
    if user != request.user.name and not MONITORING.held_by(request.user):
        raise not_authorised("User not authorised to access object")
    if user not in request.node.users:
        raise not_found()
    found = request.node.users.get(user)
    return lists.listed(request, [found] if found.limits else [], _view, ["user"])


@routes.put(
    "/api/user-limits/{user}/{name}",
    ADMINISTRATOR,
    "Set a limit: max-connections or max-channels",
    body=_BODY,
    returns=schemas.NOTHING,
)
def put_of_user(request: Request, user: str, name: str) -> Answer:
    body = request.json()
    bodies.require(body, "value")
    _require_user(request, user)
    request.node.parameters.set_user_limits(user, {name: body["value"]})
    request.audit("user.limit.set", name=user, limit=name, value=body["value"])


@routes.delete("/api/user-limits/{user}/{name}", ADMINISTRATOR, "Clear a limit", returns=schemas.NOTHING)
def delete_of_user(request: Request, user: str, name: str) -> Answer:
    _require_user(request, user)
    if name in request.node.users.get(user).limits:
        request.node.parameters.clear_user_limits(user, name)
        request.audit("user.limit.cleared", name=user, limit=name)


def _require_user(request: Request, user: str) -> None:
    if user not in request.node.users:
        raise not_found()
