"""The addresses that Prometheus reads. As with RabbitMQ's plugin they take no login."""

from __future__ import annotations

from dataclasses import replace

from menura.core.errors import PreconditionFailed
from menura.core.patterns import Pattern
from menura.management.http.messages import Request, Work, bad_request
from menura.management.metrics import pages
from menura.management.metrics.exposition import Page
from menura.management.metrics.groups import Scope
from menura.management.routes import Routes

routes = Routes("metrics")


@routes.get("/metrics", None, "Everything in sums, for Prometheus")
def metrics(request: Request) -> Work:
    page = Page(request)
    yield from pages.aggregated(page, Scope(request.backend, request.peer.loopback))
    return page.response()


@routes.get("/metrics/per-object", None, "Every queue, exchange, connection and channel, for Prometheus")
def per_object(request: Request) -> Work:
    page = Page(request)
    yield from pages.per_object(page, Scope(request.backend, request.peer.loopback))
    return page.response()


@routes.get(
    "/metrics/detailed",
    None,
    "The groups of families that are asked for, of every object, for Prometheus",
    query={
        "family": f"a group; may be said again: {', '.join(pages.GROUPS)}",
        "vhost": "only this virtual host; may be said again",
        "queue": "only queues whose name matches this regular expression",
    },
)
def detailed(request: Request) -> Work:
    page = Page(request)
    names, patterns = request.query.get("vhost"), request.query.get("queue", [])
    if len(patterns) > 1:
        raise bad_request("only one regular expression for queues")
    scope = Scope(request.backend, request.peer.loopback, None if names is None else frozenset(names))
    if patterns and patterns[0]:
        try:
            scope = replace(scope, wants=Pattern(patterns[0]).search)
        except PreconditionFailed as refusal:
            raise bad_request(str(refusal)) from None
    yield from pages.detailed(page, scope, request.query.get("family", []))
    return page.response()


@routes.get("/metrics/memory-breakdown", None, "What takes the memory, for Prometheus")
def memory_breakdown(request: Request) -> Work:
    page = Page(request)
    yield from pages.memory_breakdown(page, Scope(request.backend, request.peer.loopback))
    return page.response()
