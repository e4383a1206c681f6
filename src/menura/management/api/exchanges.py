"""Exchanges: listed, declared, deleted. Publishing is in `messages`."""

from __future__ import annotations

from collections.abc import Iterable

from menura.core.access import Verb
from menura.core.arguments import text
from menura.core.errors import PreconditionFailed
from menura.core.exchanges import KINDS
from menura.management import bodies, lists
from menura.management.http.messages import Answer, Request, created, not_authorised, not_found
from menura.management.lists import View, listed
from menura.management.naming import ARGUMENTS, arguments, checked_name, exchange_name
from menura.management.rights import MANAGEMENT, access_to, entered_vhost, seen_vhost, seen_vhosts
from menura.management.routes import Routes
from menura.management.views import binding
from menura.management.views.exchange import Placed, declared_view, exchange_view, single_view

routes = Routes("exchanges")

EXCHANGE = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "vhost": {"type": "string"},
        "type": {"type": "string"},
        "durable": {"type": "boolean"},
        "auto_delete": {"type": "boolean"},
        "internal": {"type": "boolean"},
        "arguments": {"type": "object"},
        "policy": {"type": "string"},
        "message_stats": {"type": "object"},
    },
}
_QUERY = {**lists.QUERY, "disable_stats": "`true`: only what exchanges were declared as"}
_DECLARATION = {
    "type": "object",
    "properties": {
        "type": {"enum": sorted(KINDS), "description": "direct, if it is not said"},
        "durable": {"type": "boolean", "description": "it outlives the process"},
        "auto_delete": {"type": "boolean", "description": "it goes with its last binding"},
        "internal": {"type": "boolean", "description": "clients cannot publish to it"},
        "arguments": ARGUMENTS,
    },
}


@routes.get("/api/exchanges", MANAGEMENT, "All exchanges", query=_QUERY, returns=lists.schema(EXCHANGE))
def exchanges(request: Request) -> Answer:
    rows = (Placed(vhost, found) for vhost in seen_vhosts(request) for found in list(vhost.exchanges.values()))
    return _listed(request, rows)


@routes.get(
    "/api/exchanges/{vhost}",
    MANAGEMENT,
    "The exchanges of a virtual host",
    query=_QUERY,
    returns=lists.schema(EXCHANGE),
)
def exchanges_of_vhost(request: Request, vhost: str) -> Answer:
    host = seen_vhost(request, vhost)
    return _listed(request, (Placed(host, found) for found in list(host.exchanges.values())))


@routes.get("/api/exchanges/{vhost}/{name}", MANAGEMENT, "One exchange", query=_QUERY, returns=EXCHANGE)
def exchange(request: Request, vhost: str, name: str) -> Answer:
    return lists.one(request, seen_exchange(request, vhost, name), _view(request) or single_view(request))


@routes.put("/api/exchanges/{vhost}/{name}", MANAGEMENT, "Declare an exchange", body=_DECLARATION)
def declare(request: Request, vhost: str, name: str) -> Answer:
    host, body = entered_vhost(request, vhost), request.json()
    name = checked_name("exchange", _not_default(name))
    kind = bodies.text(body, "type", "direct")
    if kind not in KINDS:
        raise PreconditionFailed(f"unknown exchange type '{kind[:100]}'")
    given = arguments(body)
    access = access_to(request, vhost)
    access.require(Verb.CONFIGURE, "exchange", name)
    alternate = text(given, "alternate-exchange")
    if alternate is not None:
        access.require(Verb.READ, "exchange", name)
        access.require(Verb.WRITE, "exchange", alternate)
    known = name in host.exchanges
    host.declare_exchange(
        name,
        kind,
        durable=bodies.truth(body, "durable"),
        auto_delete=bodies.truth(body, "auto_delete"),
        internal=bodies.truth(body, "internal"),
        arguments=given,
    )
    if known:
        return None
    request.audit("exchange.declared", exchange=name, vhost=vhost)
    return created()


@routes.delete(
    "/api/exchanges/{vhost}/{name}",
    MANAGEMENT,
    "Delete an exchange",
    query={"if-unused": "`true`: only if nothing is bound to it"},
)
def delete(request: Request, vhost: str, name: str) -> Answer:
    host = entered_vhost(request, vhost)
    if _not_default(name) not in host.exchanges:
        raise not_found()
    access_to(request, vhost).require(Verb.CONFIGURE, "exchange", name)
    host.delete_exchange(name, if_unused=request.flag("if-unused"))
    request.audit("exchange.deleted", exchange=name, vhost=vhost)


@routes.get(
    "/api/exchanges/{vhost}/{name}/bindings/source",
    MANAGEMENT,
    "The bindings that start at an exchange",
    query=lists.QUERY,
    returns=lists.schema(binding.SCHEMA),
)
def bindings_from(request: Request, vhost: str, name: str) -> Answer:
    found = seen_exchange(request, vhost, name)
    if not found.exchange.name:
        rows = (binding.Placed(vhost, queue) for queue in list(found.vhost.queues.values()))
    else:
        rows = (binding.Placed(vhost, each) for each in list(found.exchange.bindings))
    return listed(request, rows, binding.binding_view, binding.SORT)


@routes.get(
    "/api/exchanges/{vhost}/{name}/bindings/destination",
    MANAGEMENT,
    "The bindings that end at an exchange",
    query=lists.QUERY,
    returns=lists.schema(binding.SCHEMA),
)
def bindings_to(request: Request, vhost: str, name: str) -> Answer:
    found = seen_exchange(request, vhost, name)
    rows = (binding.Placed(vhost, each) for each in list(found.exchange.incoming))
    return listed(request, rows, binding.binding_view, binding.SORT)


def seen_exchange(request: Request, vhost: str, name: str) -> Placed:
    """An exchange to look at."""
    host = seen_vhost(request, vhost)
    found = host.exchanges.get(exchange_name(name))
    if found is None:
        raise not_found()
    return Placed(host, found)


def _not_default(name: str) -> str:
    if not exchange_name(name):
        raise not_authorised("operation not permitted on the default exchange")
    return name


def _listed(request: Request, rows: Iterable[Placed]) -> Answer:
    return listed(request, rows, _view(request) or exchange_view(request))


def _view(request: Request) -> View[Placed] | None:
    return declared_view() if request.flag("disable_stats") else None
