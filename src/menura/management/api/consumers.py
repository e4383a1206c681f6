"""Consumers of queues, of whatever protocol."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from menura.core.consumer import Consumer
from menura.core.vhost import VHost
from menura.management import lists
from menura.management.api.connections import own_only
from menura.management.http.messages import Answer, Request, Work
from menura.management.lists import listed
from menura.management.rights import MANAGEMENT, seen_vhost, seen_vhosts
from menura.management.routes import Routes
from menura.management.views.consumer import SCHEMA, consumer_row

routes = Routes("consumers")

_LIST = lists.schema(SCHEMA)
_QUEUES_AT_ONCE = 200


@routes.get("/api/consumers", MANAGEMENT, "All consumers", query=lists.QUERY, returns=_LIST)
def consumers(request: Request) -> Answer:
    return _listed(request, seen_vhosts(request))


@routes.get(
    "/api/consumers/{vhost}", MANAGEMENT, "The consumers of a virtual host", query=lists.QUERY, returns=_LIST
)
def consumers_of_vhost(request: Request, vhost: str) -> Answer:
    return _listed(request, [seen_vhost(request, vhost)])


def _listed(request: Request, vhosts: Iterable[VHost]) -> Work:
    rows = yield from _rows(request, vhosts)
    return (yield from listed(request, rows, consumer_row, sort=("queue.vhost", "queue.name", "consumer_tag")))


def _rows(request: Request, vhosts: Iterable[VHost]) -> Generator[None, None, list[Consumer]]:
    own, rows = own_only(request), []
    for vhost in vhosts:
        for at, queue in enumerate(list(vhost.queues.values())):
            if at % _QUEUES_AT_ONCE == 0:
                yield
            for consumer in queue.consumers.all:
                connected, _ = consumer.subscriber.who
                if not own or (connected is not None and connected.user == request.user.name):
                    rows.append(consumer)
    return rows
