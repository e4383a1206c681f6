"""Connections: who is here, over which protocol, and why a publisher has to wait. They can be closed.

Who may only manage what is their own sees their own connections; so do lists of channels and consumers.
"""

from __future__ import annotations

from collections.abc import Iterable

from menura.core.presence import Connected
from menura.management import lists
from menura.management.http.messages import Answer, Request, bad_request, not_authorised, not_found
from menura.management.lists import listed
from menura.management.rights import ADMINISTRATOR, MANAGEMENT, MONITORING, seen_vhost
from menura.management.routes import Routes
from menura.management.statistics import QUERY as WINDOWS
from menura.management.views.connection import SCHEMA, connection_view
from menura.management.views.schemas import NOTHING

routes = Routes("connections")

REASON = "Closed via management plugin"
_REASON_MAX = 200
_QUERY = {**lists.QUERY, **WINDOWS}
_LIST = lists.schema(SCHEMA)
_REFUSAL = "User not authorised to access object"


def own_only(request: Request) -> bool:
    """Whether who asks sees no connections but their own."""
    return not (MONITORING.held_by(request.user) or ADMINISTRATOR.held_by(request.user))


def seen_connections(request: Request) -> list[Connected]:
    all_of_them: Iterable[Connected] = request.node.presence.connections
    if own_only(request):
        return [connected for connected in all_of_them if connected.user == request.user.name]
    return list(all_of_them)


def seen_connection(request: Request, name: str) -> Connected:
    connected = request.node.presence.find(name)
    if connected is None:
        raise not_found()
    if own_only(request) and connected.user != request.user.name:
        raise not_authorised(_REFUSAL)
    return connected


@routes.get("/api/connections", MANAGEMENT, "All connections", query=_QUERY, returns=_LIST)
def connections(request: Request) -> Answer:
    return listed(request, seen_connections(request), connection_view(request))


@routes.get(
    "/api/vhosts/{vhost}/connections", MANAGEMENT, "The connections to a virtual host", query=_QUERY, returns=_LIST
)
def connections_to_vhost(request: Request, vhost: str) -> Answer:
    seen_vhost(request, vhost)
    found = [connected for connected in seen_connections(request) if connected.vhost == vhost]
    return listed(request, found, connection_view(request))


@routes.get("/api/connections/{name}", MANAGEMENT, "One connection", query=_QUERY, returns=SCHEMA)
def connection(request: Request, name: str) -> Answer:
    return lists.one(request, seen_connection(request, name), connection_view(request))


@routes.delete(
    "/api/connections/{name}", MANAGEMENT, "Close a connection; the header X-Reason says why", returns=NOTHING
)
def close(request: Request, name: str) -> Answer:
    connected = request.node.presence.find(name)
    if connected is None:
        raise not_found()
    _require_closable(request, connected.user)
    _close(request, connected)
    return None


@routes.get(
    "/api/connections/{name}/sessions", MANAGEMENT, "Sessions of AMQP 1.0, which is not spoken here", returns=NOTHING
)
def sessions(request: Request, name: str) -> Answer:
    seen_connection(request, name)
    raise bad_request("connection does not use AMQP 1.0")


@routes.get("/api/connections/username/{user}", MANAGEMENT, "The connections of a user", query=_QUERY, returns=_LIST)
def connections_of_user(request: Request, user: str) -> Answer:
    if own_only(request) and user != request.user.name:
        raise not_authorised(_REFUSAL)
    return listed(request, _of_user(request, user), connection_view(request))


@routes.delete(
    "/api/connections/username/{user}",
    MANAGEMENT,
    "Close all connections of a user; the header X-Reason says why",
    returns=NOTHING,
)
def close_of_user(request: Request, user: str) -> Answer:
    _require_closable(request, user)
    for connected in _of_user(request, user):
        _close(request, connected)
    return None


def _of_user(request: Request, user: str) -> list[Connected]:
    return [connected for connected in request.node.presence.connections if connected.user == user]


def _require_closable(request: Request, user: str) -> None:
    if user != request.user.name and not ADMINISTRATOR.held_by(request.user):
        raise not_authorised(_REFUSAL)


def _close(request: Request, connected: Connected) -> None:
    said = request.headers.get("x-reason", "")
    reason = "".join(character for character in said if character.isprintable())[:_REASON_MAX] or REASON
    connected.end(reason)
    request.audit("connection.closed", connection=connected.address, user=connected.user, reason=reason)
