"""Which handler answers which request.

A file of handlers has a `Routes`, and each handler is entered with the method, the path and the right it takes:

    routes = Routes("queues")

    @routes.get("/api/queues/{vhost}/{name}", MANAGEMENT, "One queue")
    def queue(request: Request, vhost: str, name: str) -> Answer: ...

What stands in braces is one segment of the path, decoded, and comes as an argument of that name. The same entries are
what the description of the API is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote

from menura.management.http.messages import Answer, bad_request
from menura.management.rights import Right

Handler = Callable[..., Answer]
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One handler, and what is said of it. `right` None: anybody, without a login. Schemas are those of JSON Schema."""

    method: str
    path: str
    right: Right | None
    summary: str
    handler: Handler
    topic: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Schema | None = None
    returns: Schema | None = None

    @property
    def segments(self) -> list[str]:
        return self.path.split("/")[1:]


class Routes:
    """The routes of one topic."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.all: list[Route] = []

    def _enter(self, method: str) -> Callable[..., Callable[[Handler], Handler]]:
        def enter(
            path: str,
            right: Right | None,
            summary: str,
            *,
            query: Mapping[str, str] | None = None,
            body: Schema | None = None,
            returns: Schema | None = None,
        ) -> Callable[[Handler], Handler]:
            def decorate(handler: Handler) -> Handler:
                self.all.append(Route(method, path, right, summary, handler, self.topic, query or {}, body, returns))
                return handler

            return decorate

        return enter

    @property
    def get(self) -> Callable[..., Callable[[Handler], Handler]]:
        return self._enter("GET")

    @property
    def put(self) -> Callable[..., Callable[[Handler], Handler]]:
        return self._enter("PUT")

    @property
    def post(self) -> Callable[..., Callable[[Handler], Handler]]:
        return self._enter("POST")

    @property
    def delete(self) -> Callable[..., Callable[[Handler], Handler]]:
        return self._enter("DELETE")


class _Place:
    """A segment of the tree of paths: what may follow, and what is here by method."""

    __slots__ = ("any", "here", "named")

    def __init__(self) -> None:
        self.named: dict[str, _Place] = {}
        self.any: _Place | None = None
        self.here: dict[str, Route] = {}


class Found(NamedTuple):
    """The routes of a path by method, and the segments that stand for something."""

    routes: Mapping[str, Route]
    values: list[str]


class Router:
    """All routes, found by their path: a word beats what stands in braces."""

    def __init__(self, parts: Iterable[Routes]) -> None:
        self.routes = [route for part in parts for route in part.all]
        self._root = _Place()
        for route in self.routes:
            place = self._root
            for segment in route.segments:
                if segment.startswith("{"):
                    place.any = place = place.any or _Place()
                else:
                    place = place.named.setdefault(segment, _Place())
            if route.method in place.here:
                raise ValueError(f"{route.method} {route.path} has two handlers")
            place.here[route.method] = route

    def find(self, path: str) -> Found | None:
        """The routes of a path as it was sent, percent signs and all."""
        try:
            segments = [unquote(segment, errors="strict") for segment in path.split("/")[1:]]
        except UnicodeDecodeError:
            raise bad_request("the path is not UTF-8") from None
        if len(segments) > 1 and not segments[-1]:
            segments.pop()
        return _find(self._root, segments, 0, [])


def _find(place: _Place, segments: list[str], at: int, values: list[str]) -> Found | None:
    if at == len(segments):
        return Found(place.here, values) if place.here else None
    named = place.named.get(segments[at])
    if named is not None and (found := _find(named, segments, at + 1, values)) is not None:
        return found
    if place.any is None:
        return None
    return _find(place.any, segments, at + 1, [*values, segments[at]])
