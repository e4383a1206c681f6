"""The description of the HTTP API, generated from its routes: for programs (OpenAPI 3.1), and as a page to read.

A route says what it takes and returns in JSON Schema; here it gets the answers that follow from that: what a change is
answered with, how each refusal looks, and which login it takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from menura.management.http.messages import BODY_BYTES_MAX
from menura.management.routes import Route
from menura.version import __version__

Description = dict[str, Any]
_REFUSALS = {
    "400": "Something in the request is wrong",
    "401": "No login, a wrong one, or one that may not do this",
    "404": "There is no such thing",
}
_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "reason": {"description": "a sentence, or what it is about"}},
    "required": ["error", "reason"],
}
_PARAMETER = re.compile(r"\{(\w+)\}")
_ABOUT = (
    "The HTTP API of RabbitMQ's management plugin, and more. Names in a path are percent-encoded, slashes as well. "
    f"A body has at most {BODY_BYTES_MAX >> 20} MiB."
)


def described(routes: Iterable[Route]) -> Description:
    """The OpenAPI description of these routes."""
    known = list(routes)
    paths: dict[str, Any] = {}
    for route in known:
        path = paths.setdefault(route.path, {})
        if not path and (names := _PARAMETER.findall(route.path)):
            path["parameters"] = [_in_path(name) for name in names]
        path[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Menura", "version": __version__, "description": _ABOUT},
        "tags": [{"name": topic} for topic in sorted({route.topic for route in known})],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"login": {"type": "http", "scheme": "basic"}},
            "schemas": {"Error": _ERROR},
            "responses": {name: _refusal(text) for name, text in [*_REFUSALS.items(), ("other", "Refused")]},
        },
    }


def _in_path(name: str) -> Description:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _operation(route: Route) -> Description:
    operation: Description = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "tags": [route.topic],
        "security": [] if route.right is None else [{"login": []}],
        "responses": _responses(route),
    }
    if route.right is not None:
        operation["description"] = f"Takes the tag {_tags(route)}."
    if route.query:
        operation["parameters"] = [
            {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
            for name, text in route.query.items()
        ]
    if route.body is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": dict(route.body)}}}
    return operation


def operation_id(route: Route) -> str:
    words = "-".join(re.findall(r"\w+", route.path))
    return f"{route.method.lower()}-{words or 'root'}"


def _tags(route: Route) -> str:
    assert route.right is not None
    return " or ".join(sorted(route.right.value[0]))


def _responses(route: Route) -> Description:
    """What follows from the method and from what is returned: {} is nothing, and None may be anything."""
    found: Description = {}
    if route.method == "GET" or route.returns is None or route.returns:
        found["200"] = _answer(route)
    if route.method != "GET":
        found["204"] = {"description": "Done"}
        if route.method in ("PUT", "POST") and not route.returns:
            found["201"] = {"description": "Done, and there is a new one"}
    if route.topic == "health checks":
        found["503"] = {**_answer(route), "description": "It is not well, and why"}
    for status in _REFUSALS:
        found[status] = {"$ref": f"#/components/responses/{status}"}
    found["default"] = {"$ref": "#/components/responses/other"}
    return found


def _answer(route: Route) -> Description:
    if route.returns:
        schema = dict(route.returns) if "columns" not in route.query else _any_part(route.returns)
        return {"description": route.summary, "content": {"application/json": {"schema": schema}}}
    return {"description": route.summary, "content": {"*/*": {}}}


def _any_part(schema: Any) -> Any:
    """The schema of what may be asked for in part: nothing has to be there."""
    if isinstance(schema, Mapping):
        return {key: _any_part(value) for key, value in schema.items() if key != "required"}
    return [_any_part(item) for item in schema] if isinstance(schema, list) else schema


def _refusal(text: str) -> Description:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


# -- to be read --------------------------------------------------------------------------------------------------

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #8886; }
dl { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 4fr); gap: .3rem 1.5rem; }
dt { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
dd { margin: 0; }
small { display: block; opacity: .75; }
b { display: inline-block; min-width: 4.2em; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .8rem; } }
"""


def page(routes: Iterable[Route]) -> str:
    """The same as a page."""
    topics: dict[str, list[Route]] = {}
    for route in sorted(routes, key=lambda route: (route.topic, route.path, route.method)):
        topics.setdefault(route.topic, []).append(route)
    sections = "".join(
        f"<h2>{escape(topic)}</h2><dl>{''.join(map(_row, found))}</dl>" for topic, found in topics.items()
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>HTTP API of Menura</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style><main><h1>HTTP API</h1><p>{escape(_ABOUT)}</p>"
        f'<p>For programs: <a href="openapi.json">openapi.json</a>.</p>{sections}</main></html>'
    )


def _row(route: Route) -> str:
    right = "no login" if route.right is None else _tags(route)
    query = "".join(f"<small>?{escape(name)}: {escape(text)}</small>" for name, text in route.query.items())
    body = (
        ""
        if route.body is None
        else f"<small>body: {escape(', '.join(route.body.get('properties', ('JSON',))))}</small>"
    )
    return (
        f"<dt><b>{route.method}</b> {escape(route.path)}</dt>"
        f"<dd>{escape(route.summary)}<small>{escape(right)}</small>{query}{body}</dd>"
    )
