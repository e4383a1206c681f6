"""What a page shows, kept up to date over one event stream.

A page asks for the GET paths of the API that it shows: `/api/menura/live?of=/api/overview&of=/api/nodes`. They are
answered here again and again, about once a second, by the same handlers under the same rights as if they were asked one
by one, and an answer is sent when it differs from the one before:

    data: {"of": 0, "status": 200, "body": {...}}

`of` counts the paths. What takes long to answer is asked for less often, so that a tab left open on a broker with
very many queues stays a small part of its work. Nothing is done while the client does not read, and nothing more is
told to a user who is gone, or has another password or other tags since the stream was opened. How many streams there
may be is in `open_streams`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from menura.core.access import User
from menura.core.attempts import host_of
from menura.management.http.messages import (
    JSON_TYPE,
    Answer,
    HttpError,
    Request,
    Response,
    Stream,
    bad_request,
    error_response,
    not_found,
)
from menura.management.rights import MANAGEMENT
from menura.management.routes import Routes

if TYPE_CHECKING:
    from menura.management.application import Application

routes = Routes("live")

PATH = "/api/menura/live"
PATHS_MAX = 8
PATH_BYTES_MAX = 4000
ANSWER_BYTES_MAX = 4 * 1024 * 1024
"""Of each path one answer is kept, to tell whether the next is another."""
ROUND_SECONDS = 0.9
"""Streams are asked twice a second: every second time there is a round."""
SHARE = 0.05
"""No path is worked on for more than so much of the time."""
IDLE_SECONDS = 15.0
_IDLE = b": idle\n\n"


@routes.get(
    PATH,
    MANAGEMENT,
    "An event stream of what other GET requests answer, whenever that changes",
    query={"of": f"a path of the API with its query; up to {PATHS_MAX} times"},
)
def live(request: Request) -> Answer:
    targets = request.query.get("of", [])
    if not 0 < len(targets) <= PATHS_MAX:
        raise bad_request(f"of must be there once or up to {PATHS_MAX} times")
    streams, whose = request.backend.application.streams, (request.user.name, host_of(request.peer.address))
    streams.enter(*whose)
    return Stream(Feed(request.backend.application, request, targets).poll, close=lambda: streams.leave(*whose))


class Feed:
    """The requests of one stream."""

    def __init__(self, application: Application, request: Request, targets: Iterable[str]) -> None:
        self._application = application
        self._request = request
        self._user = _identity(request.user)
        self._followed = [Followed(at, target) for at, target in enumerate(targets)]
        self._sent_at = 0.0

    def poll(self, now: float) -> bytes:
        """What there is to send, after asking what it is time to ask."""
        for followed in self._followed:
            if followed.next_at <= now:
                self._ask(followed, now)
        data = b"".join(followed.take() for followed in self._followed)
        if not data and now - self._sent_at < IDLE_SECONDS:
            return b""
        self._sent_at = now
        return data or _IDLE

    def _ask(self, followed: Followed, now: float) -> None:
        followed.asked(now)
        try:
            request = self._made(followed.target, now)
        except HttpError as error:
            followed.answered(error_response(error))
        else:
            self._application.handle(request, followed.answered)

    def _made(self, target: str, now: float) -> Request:
        """The request, if whoever opened the stream might still make it."""
        mine = self._request
        known = mine.user
        if not mine.peer.local:
            if known.name not in mine.node.users or _identity(mine.node.users.get(known.name)) != self._user:
                raise HttpError(401, "not_authorized", "Login failed")
            known = mine.node.users.get(known.name)
        if not target.startswith("/api/") or len(target) > PATH_BYTES_MAX:
            raise bad_request("only paths of the API can be followed")
        request = replace(mine, method="GET", target=target, now=now, _query=None)
        request.backend, request.user, request.audit = mine.backend, known, mine.audit
        found = self._application.router.find(request.path)
        route = found.routes.get("GET") if found is not None else None
        if route is None or route.right is None or route.path == PATH:
            raise not_found()
        route.right.require(known)
        return request


class Followed:
    """One path: what it answered last, and whether that was sent."""

    __slots__ = ("_asked_at", "_at", "_begun", "_last", "_new", "next_at", "target")

    def __init__(self, at: int, target: str) -> None:
        self.target = target
        self.next_at = 0.0
        self._asked_at = self._begun = 0.0
        self._at = at
        self._last: tuple[int, bytes] | None = None
        self._new = False

    def asked(self, now: float) -> None:
        self._asked_at, self._begun = now, time.perf_counter()
        self.next_at = math.inf

    def answered(self, answer: Response | Stream) -> None:
        self.next_at = self._asked_at + max(ROUND_SECONDS, (time.perf_counter() - self._begun) / SHARE)
        if isinstance(answer, Stream) or answer.content_type != JSON_TYPE or not answer.body:
            answer = error_response(bad_request("only what is answered in JSON can be followed"))
        if len(answer.body) > ANSWER_BYTES_MAX:
            answer = error_response(bad_request("the answer is too long to be followed: a page of it is not"))
        said = answer.status, bytes(answer.body)
        self._new = self._new or said != self._last
        self._last = said

    def take(self) -> bytes:
        """The event, if there is a new one."""
        if not self._new or self._last is None:
            return b""
        self._new = False
        status, body = self._last
        # A line break ends a line of an event. In JSON there is none but between values.
        return b'data: {"of":%d,"status":%d,"body":%b}\n\n' % (self._at, status, body.replace(b"\n", b" "))


def _identity(user: User) -> tuple[str, frozenset[str]]:
    return user.password_hash, user.tags
