"""Bindings: listed, made, and undone by their properties key (`views.binding`)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from urllib.parse import quote, unquote_plus

from menura.core.access import Access, Verb
from menura.core.errors import NotFound
from menura.core.exchange import Binding, Destination, Exchange
from menura.core.queue import Queue
from menura.core.vhost import VHost
from menura.management import bodies, lists
from menura.management.http.messages import Answer, HttpError, Request, created, not_authorised, not_found
from menura.management.lists import listed
from menura.management.naming import ARGUMENTS, arguments, checked_key, exchange_name
from menura.management.rights import MANAGEMENT, access_to, entered_vhost, seen_vhost, seen_vhosts
from menura.management.routes import Routes
from menura.management.views.binding import SCHEMA, SORT, Placed, binding_view, properties_key

routes = Routes("bindings")

QUEUE, EXCHANGE = "queue", "exchange"
_BINDING = {
    "type": "object",
    "properties": {"routing_key": {"type": "string", "maxLength": 255}, "arguments": ARGUMENTS},
}


@routes.get("/api/bindings", MANAGEMENT, "All bindings", query=lists.QUERY, returns=lists.schema(SCHEMA))
def bindings(request: Request) -> Answer:
    rows = chain.from_iterable(map(_all, seen_vhosts(request)))
    return listed(request, rows, binding_view, SORT)


@routes.get(
    "/api/bindings/{vhost}",
    MANAGEMENT,
    "The bindings of a virtual host",
    query=lists.QUERY,
    returns=lists.schema(SCHEMA),
)
def bindings_of_vhost(request: Request, vhost: str) -> Answer:
    return listed(request, _all(seen_vhost(request, vhost)), binding_view, SORT)


def _all(vhost: VHost) -> Iterator[Placed]:
    """Those of a virtual host as it is when the first is asked for."""
    found: list[Binding | Queue] = [*vhost.queues.values(), *vhost.bindings.values()]
    for binding in found:
        yield Placed(vhost.name, binding)


def _between(vhost: VHost, source: str, what: str, destination: str) -> list[Placed]:
    """The bindings from an exchange to a queue or another exchange."""
    name = exchange_name(source)
    ends = vhost.queues if what == QUEUE else vhost.exchanges
    end = ends.get(destination if what == QUEUE else exchange_name(destination))
    if end is None:
        return []
    if not name:
        return [] if isinstance(end, Exchange) else [Placed(vhost.name, end)]
    incoming = end.incoming if isinstance(end, Exchange) else end.bindings
    return [Placed(vhost.name, binding) for binding in incoming if binding.source.name == name]


def _found(vhost: VHost, source: str, what: str, destination: str, key: str) -> Placed:
    """The one with this properties key, as it is or as it comes out of a path."""
    between = _between(vhost, source, what, destination)
    for row in between:
        if row.properties_key == key:
            return row
    for row in between:
        if unquote_plus(row.properties_key) == key:
            return row
    raise not_found()


def _bind(request: Request, vhost: str, source: str, what: str, destination: str) -> Answer:
    host, body = entered_vhost(request, vhost), request.json()
    key = checked_key(bodies.text(body, "routing_key", ""))
    given = arguments(body)
    name = exchange_name(source)
    _permit(access_to(request, vhost), host, name, what, destination, key)
    try:
        host.exchange(name)
        end: Destination = host.queue(destination) if what == QUEUE else host.exchange(destination)
    except NotFound as error:
        raise HttpError(404, "not_found", str(error)) from None
    host.bind(name, end, key, given)
    request.audit("binding.created", source=name, destination=destination, routing_key=key, vhost=vhost)
    return created(f"{quote(destination, safe='')}/{quote(properties_key(key, given), safe='~')}")


def _unbind(request: Request, vhost: str, source: str, what: str, destination: str, props: str) -> Answer:
    host = entered_vhost(request, vhost)
    row = _found(host, source, what, destination, props)
    _permit(access_to(request, vhost), host, row.source, what, row.destination, row.key)
    end: Destination = host.queue(destination) if what == QUEUE else host.exchange(destination)
    host.unbind(row.source, end, row.key, row.arguments)
    request.audit("binding.deleted", source=row.source, destination=destination, routing_key=row.key, vhost=vhost)


def _permit(access: Access, vhost: VHost, source: str, what: str, destination: str, key: str) -> None:
    if not source or not exchange_name(destination):
        raise not_authorised("operation not permitted on the default exchange")
    access.require(Verb.WRITE, what, destination)
    access.require(Verb.READ, "exchange", source)
    found = vhost.exchanges.get(source)
    if found is not None and found.kind == "topic":
        access.require_topic(Verb.READ, source, key)


# -- from an exchange to a queue, and to another exchange ----------------------------------------------------


_TO_QUEUE = "/api/bindings/{vhost}/e/{source}/q/{destination}"
_TO_EXCHANGE = "/api/bindings/{vhost}/e/{source}/e/{destination}"


@routes.get(
    _TO_QUEUE,
    MANAGEMENT,
    "The bindings between an exchange and a queue",
    query=lists.QUERY,
    returns=lists.schema(SCHEMA),
)
def between_queue(request: Request, vhost: str, source: str, destination: str) -> Answer:
    rows = _between(seen_vhost(request, vhost), source, QUEUE, destination)
    return listed(request, rows, binding_view, SORT)


@routes.get(
    _TO_EXCHANGE, MANAGEMENT, "The bindings between two exchanges", query=lists.QUERY, returns=lists.schema(SCHEMA)
)
def between_exchanges(request: Request, vhost: str, source: str, destination: str) -> Answer:
    rows = _between(seen_vhost(request, vhost), source, EXCHANGE, destination)
    return listed(request, rows, binding_view, SORT)


@routes.post(_TO_QUEUE, MANAGEMENT, "Bind a queue to an exchange", body=_BINDING)
def bind_queue(request: Request, vhost: str, source: str, destination: str) -> Answer:
    return _bind(request, vhost, source, QUEUE, destination)


@routes.post(_TO_EXCHANGE, MANAGEMENT, "Bind an exchange to another", body=_BINDING)
def bind_exchange(request: Request, vhost: str, source: str, destination: str) -> Answer:
    return _bind(request, vhost, source, EXCHANGE, destination)


@routes.get(_TO_QUEUE + "/{props}", MANAGEMENT, "One binding of a queue", query=lists.QUERY, returns=SCHEMA)
def queue_binding(request: Request, vhost: str, source: str, destination: str, props: str) -> Answer:
    return lists.one(request, _found(seen_vhost(request, vhost), source, QUEUE, destination, props), binding_view)


@routes.get(_TO_EXCHANGE + "/{props}", MANAGEMENT, "One binding of an exchange", query=lists.QUERY, returns=SCHEMA)
def exchange_binding(request: Request, vhost: str, source: str, destination: str, props: str) -> Answer:
    return lists.one(request, _found(seen_vhost(request, vhost), source, EXCHANGE, destination, props), binding_view)


@routes.delete(_TO_QUEUE + "/{props}", MANAGEMENT, "Undo a binding of a queue")
def unbind_queue(request: Request, vhost: str, source: str, destination: str, props: str) -> Answer:
    return _unbind(request, vhost, source, QUEUE, destination, props)


@routes.delete(_TO_EXCHANGE + "/{props}", MANAGEMENT, "Undo a binding of an exchange")
def unbind_exchange(request: Request, vhost: str, source: str, destination: str, props: str) -> Answer:
    return _unbind(request, vhost, source, EXCHANGE, destination, props)
