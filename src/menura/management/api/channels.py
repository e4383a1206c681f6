"""Channels of connections, where a protocol has such things."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from menura.core.presence import Connected
from menura.management import lists
from menura.management.api.connections import seen_connection, seen_connections
from menura.management.http.messages import Answer, Request, Work, not_found
from menura.management.lists import listed
from menura.management.rights import MANAGEMENT, seen_vhost
from menura.management.routes import Routes
from menura.management.statistics import QUERY as WINDOWS
from menura.management.views.channel import SCHEMA, SINGLE_SCHEMA, Row, channel_view, single_view

routes = Routes("channels")

_QUERY = {**lists.QUERY, **WINDOWS}
_LIST = lists.schema(SCHEMA)
_AT_ONCE = 25


@routes.get("/api/channels", MANAGEMENT, "All channels", query=_QUERY, returns=_LIST)
def channels(request: Request) -> Answer:
    return _listed(request, seen_connections(request))


@routes.get("/api/vhosts/{vhost}/channels", MANAGEMENT, "The channels of a virtual host", query=_QUERY, returns=_LIST)
def channels_of_vhost(request: Request, vhost: str) -> Answer:
    seen_vhost(request, vhost)
    return _listed(request, [connected for connected in seen_connections(request) if connected.vhost == vhost])


@routes.get(
    "/api/connections/{name}/channels", MANAGEMENT, "The channels of a connection", query=_QUERY, returns=_LIST
)
def channels_of_connection(request: Request, name: str) -> Answer:
    return _listed(request, [seen_connection(request, name)])


@routes.get(
    "/api/channels/{name}",
    MANAGEMENT,
    "One channel: the name of its connection, and its number in brackets",
    query=_QUERY,
    returns=SINGLE_SCHEMA,
)
def channel(request: Request, name: str) -> Answer:
    address, bracket, number = name.removesuffix(")").rpartition(" (")
    if not bracket or not name.endswith(")"):
        raise not_found()
    connected = seen_connection(request, address)
    for each in connected.channels():
        if str(each.number) == number:
            return lists.one(request, Row(connected, each), single_view(request))
    raise not_found()


def _listed(request: Request, connections: Iterable[Connected]) -> Work:
    rows = yield from _rows(connections)
    return (yield from listed(request, rows, channel_view(request)))


def _rows(connections: Iterable[Connected]) -> Generator[None, None, list[Row]]:
    rows: list[Row] = []
    for at, connected in enumerate(connections):
        if at % _AT_ONCE == 0:
            yield
        rows += [Row(connected, each) for each in connected.channels()]
    return rows
