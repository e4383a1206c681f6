"""What RabbitMQ has no endpoints for: sessions that may outlive their connection, subscriptions, and logins counted.

The paths of counted logins are RabbitMQ's. Where they came from is in a table that forgets what is old.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from menura.core.descriptions import SessionState
from menura.core.login_counts import LoginCount
from menura.core.node import NAME
from menura.core.presence import Connected
from menura.management import lists
from menura.management.api.connections import own_only, seen_connections
from menura.management.http.messages import Answer, Request, Work, not_found
from menura.management.lists import listed
from menura.management.rights import ADMINISTRATOR, MANAGEMENT, MONITORING, may_see
from menura.management.routes import Routes
from menura.management.views.schemas import INTEGER, NOTHING, STRING, array, fixed
from menura.management.views.session import (
    SESSION_SCHEMA,
    SUBSCRIPTION_SCHEMA,
    Subscribed,
    session_row,
    single_session,
    subscribed_of,
    subscription_row,
)

routes = Routes("sessions")

_AT_ONCE = 20
_ROWS_AT_ONCE = 200
_COUNTED = {
    "protocol": STRING,
    "auth_attempts": INTEGER,
    "auth_attempts_failed": INTEGER,
    "auth_attempts_succeeded": INTEGER,
}


@routes.get(
    "/api/menura/sessions",
    MANAGEMENT,
    "Sessions under the names of clients, which may be connected or away",
    query=lists.QUERY,
    returns=lists.schema(SESSION_SCHEMA),
)
def sessions(request: Request) -> Work:
    states = yield from _states(request)
    return (yield from listed(request, states, session_row, sort=("vhost", "client_id")))


@routes.get("/api/menura/sessions/{vhost}/{client}", MANAGEMENT, "One session", returns=SESSION_SCHEMA)
def session(request: Request, vhost: str, client: str) -> Answer:
    for remembered in request.node.presence.sessions:
        if remembered.name == client and remembered.vhost == vhost:
            state = remembered.describe()
            if state is not None and _sees(request, state):
                return single_session(state)
    raise not_found()


@routes.get(
    "/api/menura/subscriptions",
    MANAGEMENT,
    "Subscriptions of protocols that have them: filters and destinations, and the queues behind them",
    query={**lists.QUERY, "client": "only those of this client"},
    returns=lists.schema(SUBSCRIPTION_SCHEMA),
)
def subscriptions(request: Request) -> Work:
    client = request.parameter("client")
    states = yield from _states(request)
    owners = [subscribed_of(state) for state in states if client in ("", state.client_id)]
    for at, connected in enumerate(seen_connections(request)):
        if at % _AT_ONCE == 0:
            yield
        # Those of a session are there already.
        if client in ("", connected.address) and not connected.describe().client_id:
            owners.append(_subscribed(connected))
    rows: list[Subscribed] = []
    for owner in owners:
        for row in owner:
            rows.append(row)
            if len(rows) % _ROWS_AT_ONCE == 0:
                yield
    return (yield from listed(request, rows, subscription_row, sort=("vhost", "client", "source")))


def _subscribed(connected: Connected) -> Iterator[Subscribed]:
    for each in connected.subscribed():
        yield Subscribed(connected.vhost, connected.address, connected.protocol, connected, each)


def _states(request: Request) -> Generator[None, None, list[SessionState]]:
    found = []
    for at, remembered in enumerate(list(request.node.presence.sessions)):
        if at % _AT_ONCE == 0:
            yield
        state = remembered.describe()
        if state is not None and _sees(request, state):
            found.append(state)
    return found


def _sees(request: Request, state: SessionState) -> bool:
    """Of those whose client is away nobody knows the user any more."""
    if own_only(request):
        return state.connected is not None and state.connected.user == request.user.name
    return may_see(request, state.vhost)


# -- logins --------------------------------------------------------------------------------------------------


@routes.get(
    "/api/auth/attempts/{node}", MONITORING, "Logins by protocol, counted", returns=array(fixed(_COUNTED))
)
def attempts(request: Request, node: str) -> Answer:
    _require_here(node)
    counts = request.node.login_counts.by_protocol
    return [{"protocol": protocol, **_counted(count)} for protocol, count in counts.items()]


@routes.get(
    "/api/auth/attempts/{node}/source",
    MONITORING,
    "Logins by address and user, counted",
    returns=array(fixed({**_COUNTED, "remote_address": STRING, "username": STRING})),
)
def attempts_by_source(request: Request, node: str) -> Answer:
    _require_here(node)
    return [
        {"remote_address": host, "username": user, "protocol": protocol, **_counted(count)}
        for (protocol, host, user), count in request.node.login_counts.by_source.items()
    ]


@routes.delete("/api/auth/attempts/{node}", ADMINISTRATOR, "Count logins anew", returns=NOTHING)
def clear_attempts(request: Request, node: str) -> Answer:
    _require_here(node)
    request.node.login_counts.clear()
    request.audit("login.counts.cleared")
    return None


@routes.delete("/api/auth/attempts/{node}/source", ADMINISTRATOR, "Count logins by address anew", returns=NOTHING)
def clear_attempts_by_source(request: Request, node: str) -> Answer:
    _require_here(node)
    request.node.login_counts.clear_sources()
    request.audit("login.counts.cleared", by="source")
    return None


def _require_here(node: str) -> None:
    if node != NAME:
        raise not_found()


def _counted(count: LoginCount) -> dict[str, int]:
    return {
        "auth_attempts": count.total,
        "auth_attempts_failed": count.failed,
        "auth_attempts_succeeded": count.succeeded,
    }
