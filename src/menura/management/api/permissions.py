"""Permissions: what users may do in virtual hosts, and with which routing keys."""

from __future__ import annotations

from typing import Any

from menura.core.access import User
from menura.management import bodies, lists
from menura.management.http.messages import Answer, Request, bad_request, created, not_found
from menura.management.rights import ADMINISTRATOR
from menura.management.routes import Routes
from menura.management.views import schemas
from menura.management.views.schemas import STRING, array, fixed
from menura.management.views.user import PERMISSION_SCHEMA, TOPIC_PERMISSION_SCHEMA, permissions, topic_permissions

routes = Routes("permissions")
_EXPRESSION = {**STRING, "description": "a regular expression; names are searched with it, and an empty one finds none"}
_BODY = fixed({"configure": _EXPRESSION, "write": _EXPRESSION, "read": _EXPRESSION})
_TOPIC_BODY = fixed({"exchange": STRING, "write": _EXPRESSION, "read": _EXPRESSION})
_LIST = {"query": lists.QUERY, "returns": lists.schema(PERMISSION_SCHEMA)}
_TOPIC_LIST = {"query": lists.QUERY, "returns": lists.schema(TOPIC_PERMISSION_SCHEMA)}
_SORT = ("vhost", "user")


def _user(request: Request, name: str) -> User:
    if name not in request.node.users:
        raise not_found()
    return request.node.users.get(name)


def _require_vhost(request: Request, name: str) -> None:
    if name not in request.node.vhosts:
        raise not_found()


def _both(request: Request, vhost: str, user: str) -> User:
    """The user, if there is such a user and such a virtual host to put something for."""
    if vhost not in request.node.vhosts or user not in request.node.users:
        raise bad_request("vhost_or_user_not_found")
    return request.node.users.get(user)


# -- permissions -------------------------------------------------------------------------------------------------


@routes.get("/api/permissions", ADMINISTRATOR, "All permissions", **_LIST)
def every(request: Request) -> Answer:
    return lists.listed(request, (found for user in request.node.users for found in permissions(user)), dict, _SORT)


@routes.get("/api/vhosts/{vhost}/permissions", ADMINISTRATOR, "The permissions in a virtual host", **_LIST)
def of_vhost(request: Request, vhost: str) -> Answer:
    _require_vhost(request, vhost)
    rows = (found for user in request.node.users for found in permissions(user) if found["vhost"] == vhost)
    return lists.listed(request, rows, dict, _SORT)


@routes.get("/api/users/{user}/permissions", ADMINISTRATOR, "The permissions of a user", **_LIST)
def of_user(request: Request, user: str) -> Answer:
    return lists.listed(request, permissions(_user(request, user)), dict, _SORT)


def _permission(request: Request, vhost: str, user: str) -> dict[str, Any]:
    _require_vhost(request, vhost)
    for found in permissions(_user(request, user)):
        if found["vhost"] == vhost:
            return found
    raise not_found()


@routes.get(
    "/api/permissions/{vhost}/{user}", ADMINISTRATOR, "What a user may do in a virtual host", returns=PERMISSION_SCHEMA
)
def one(request: Request, vhost: str, user: str) -> Answer:
    return _permission(request, vhost, user)


@routes.put(
    "/api/permissions/{vhost}/{user}",
    ADMINISTRATOR,
    "Set what a user may do in a virtual host",
    body=_BODY,
    returns=schemas.NOTHING,
)
def put(request: Request, vhost: str, user: str) -> Answer:
    found, body = _both(request, vhost, user), request.json()
    bodies.require(body, "configure", "write", "read")
    wanted = {key: bodies.text(body, key) for key in ("configure", "write", "read")}
    is_new = vhost not in found.permissions
    request.node.users.permit(user, vhost, **wanted)
    request.audit("permission.set", name=user, vhost=vhost, **wanted)
    return created() if is_new else None


@routes.delete("/api/permissions/{vhost}/{user}", ADMINISTRATOR, "Let a user do nothing there", returns=schemas.NOTHING)
def delete(request: Request, vhost: str, user: str) -> Answer:
    _permission(request, vhost, user)
    request.node.users.forbid(user, vhost)
    request.audit("permission.cleared", name=user, vhost=vhost)


# -- topic permissions -------------------------------------------------------------------------------------------


@routes.get("/api/topic-permissions", ADMINISTRATOR, "All topic permissions", **_TOPIC_LIST)
def every_topic(request: Request) -> Answer:
    rows = (found for user in request.node.users for found in topic_permissions(user))
    return lists.listed(request, rows, dict, _SORT)


@routes.get("/api/vhosts/{vhost}/topic-permissions", ADMINISTRATOR, "Those of a virtual host", **_TOPIC_LIST)
def topics_of_vhost(request: Request, vhost: str) -> Answer:
    _require_vhost(request, vhost)
    rows = (found for user in request.node.users for found in topic_permissions(user) if found["vhost"] == vhost)
    return lists.listed(request, rows, dict, _SORT)


@routes.get("/api/users/{user}/topic-permissions", ADMINISTRATOR, "Those of a user", **_TOPIC_LIST)
def topics_of_user(request: Request, user: str) -> Answer:
    return lists.listed(request, topic_permissions(_user(request, user)), dict, _SORT)


def _topics(request: Request, vhost: str, user: str, exchange: str | None = None) -> list[dict[str, Any]]:
    _require_vhost(request, vhost)
    found = [
        topics
        for topics in topic_permissions(_user(request, user))
        if topics["vhost"] == vhost and exchange in (None, topics["exchange"])
    ]
    if not found:
        raise not_found()
    return found


@routes.get(
    "/api/topic-permissions/{vhost}/{user}",
    ADMINISTRATOR,
    "The topic permissions of a user in a virtual host",
    returns=array(TOPIC_PERMISSION_SCHEMA),
)
def topics(request: Request, vhost: str, user: str) -> Answer:
    return _topics(request, vhost, user)


@routes.put(
    "/api/topic-permissions/{vhost}/{user}",
    ADMINISTRATOR,
    "Set with which routing keys a user may publish to, and bind to, an exchange",
    body=_TOPIC_BODY,
    returns=schemas.NOTHING,
)
def put_topics(request: Request, vhost: str, user: str) -> Answer:
    found, body = _both(request, vhost, user), request.json()
    bodies.require(body, "exchange", "write", "read")
    wanted = {key: bodies.text(body, key) for key in ("exchange", "write", "read")}
    is_new = not any(where == vhost for where, _ in found.topic_permissions)
    request.node.users.permit_topics(user, vhost, **wanted)
    request.audit("topic_permission.set", name=user, vhost=vhost, **wanted)
    return created() if is_new else None


@routes.delete(
    "/api/topic-permissions/{vhost}/{user}", ADMINISTRATOR, "Clear a user's topic permissions", returns=schemas.NOTHING
)
def delete_topics(request: Request, vhost: str, user: str) -> Answer:
    _topics(request, vhost, user)
    request.node.users.forbid_topics(user, vhost)
    request.audit("topic_permission.cleared", name=user, vhost=vhost)


@routes.get(
    "/api/topic-permissions/{vhost}/{user}/{exchange}",
    ADMINISTRATOR,
    "Those for one exchange",
    returns=array(TOPIC_PERMISSION_SCHEMA),
)
def topics_of_exchange(request: Request, vhost: str, user: str, exchange: str) -> Answer:
    return _topics(request, vhost, user, exchange)


@routes.delete(
    "/api/topic-permissions/{vhost}/{user}/{exchange}",
    ADMINISTRATOR,
    "Clear those for one exchange",
    returns=schemas.NOTHING,
)
def delete_topics_of_exchange(request: Request, vhost: str, user: str, exchange: str) -> Answer:
    _topics(request, vhost, user, exchange)
    request.node.users.forbid_topics(user, vhost, exchange)
    request.audit("topic_permission.cleared", name=user, vhost=vhost, exchange=exchange)
