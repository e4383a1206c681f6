"""The API's own description."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from menura.management import openapi
from menura.management.http.messages import Answer, Request, Response, as_json
from menura.management.routes import Route, Routes
from menura.management.views.schemas import fixed

_CSP = "default-src 'none'; style-src 'unsafe-inline'"


def describing(parts: Iterable[Routes]) -> Routes:
    """Routes to the description of these and of themselves."""
    routes = Routes("about")
    described = (*parts, routes)

    def every() -> list[Route]:
        return [route for part in described for route in part.all]

    @cache
    def for_programs() -> Response:
        return as_json(openapi.described(every()))

    @cache
    def to_be_read() -> Response:
        page = openapi.page(every()).encode()
        return Response(200, page, "text/html; charset=utf-8", {"content-security-policy": _CSP})

    @routes.get(
        "/api/openapi.json",
        None,
        "What can be asked here, as OpenAPI 3.1",
        returns=fixed({"openapi": {"type": "string"}, "info": {"type": "object"}, "paths": {"type": "object"}}),
    )
    def description(request: Request) -> Answer:
        return for_programs()

    @routes.get("/api/index.html", None, "The same to be read")
    def page(request: Request) -> Answer:
        return to_be_read()

    @routes.get("/api", None, "Leads there")
    def index(request: Request) -> Answer:
        return Response(301, headers={"location": "/api/index.html"})

    return routes
