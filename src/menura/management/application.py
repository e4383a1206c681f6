"""From a request to its answer: who asks, whether they may, which handler, and what is said if it goes wrong.

A request is `admit`ted with its head: known path and method, no foreign page behind it, a login, the right that the
route takes. Only then is its body read, and the request `handle`d. A handler that is a generator is worked on in
slices, `SLICE_SECONDS` in a turn of the loop for all of them together, with pauses while others have work to do, so
nobody's list holds up messages.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from types import GeneratorType
from typing import TYPE_CHECKING, NamedTuple

from menura.core.errors import AccessRefused, NotFound, Refusal
from menura.core.peers import Surroundings
from menura.logs.audit import auditor
from menura.management.authentication import who_asks
from menura.management.foreign_pages import check_page, preflight
from menura.management.http.messages import (
    SAFE_METHODS,
    Answer,
    HttpError,
    PatientWork,
    Request,
    Response,
    Stream,
    as_json,
    bad_request,
    error_response,
    not_authorised,
    not_found,
)
from menura.management.http.session import HttpSession
from menura.management.open_streams import OpenStreams
from menura.management.routes import Route, Router, Routes

if TYPE_CHECKING:
    from menura.management.backend import Backend

SLICE_SECONDS = 0.0005
# A turn of the loop that took longer than this had messages in it: they get some turns without us.
IDLE_TURN_SECONDS = 0.0002
PAUSE_SECONDS = 0.001
# Of a request that takes no login.
OPEN_BODY_BYTES_MAX = 16 * 1024
_log = logging.getLogger("menura")
Done = Callable[[Response | Stream], None]


class _Job(NamedTuple):
    request: Request
    work: PatientWork
    done: Done


class Application:
    """The handlers, and the work they have not finished yet."""

    def __init__(
        self, backend: Backend, parts: Iterable[Routes], call_soon: Callable[[Callable[[], None]], object]
    ) -> None:
        self.backend = backend
        self.router = Router(parts)
        self.streams = OpenStreams()
        self.call_soon = call_soon
        self._jobs: deque[_Job] = deque()
        self._scheduled = False
        self._asked_at = 0.0
        self._others_busy = False

    def session(self, around: Surroundings, origins: tuple[str, ...]) -> HttpSession:
        return HttpSession(self, around, origins)

    # -- before the body -------------------------------------------------------------------------------------

    def admit(self, request: Request) -> Response | None:
        """Whether a request may go on; an answer if there is nothing more to it. Raises HttpError."""
        request.backend = self.backend
        target = request.target
        if not target.startswith("/"):
            raise bad_request("the target of a request must be a path")
        found = self.router.find(request.path)
        check_page(request)
        if found is None:
            self._authenticate(request)  # who may not come in need not know what is there
            raise not_found()
        allowed = _allowed(found.routes)
        if request.method == "OPTIONS":
            return Response(200, headers={"allow": ", ".join(allowed), **preflight(request, allowed)})
        route = found.routes.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            self._authenticate(request)
            raise HttpError(405, "method_not_allowed", "Method Not Allowed", {"allow": ", ".join(allowed)})
        if route.right is None:
            request.body_bytes_max = OPEN_BODY_BYTES_MAX
        else:
            self._authenticate(request)
            route.right.require(request.user)
        return None

    def _authenticate(self, request: Request) -> None:
        request.user = who_asks(request)
        request.audit = auditor(request.user.name, request.peer.address)

    # -- with the body ---------------------------------------------------------------------------------------

    def handle(self, request: Request, done: Done) -> None:
        """Answer an admitted request: `done` is called with the answer, now or later."""
        found = self.router.find(request.path)
        assert found is not None
        route = found.routes["GET" if request.method == "HEAD" else request.method]
        try:
            with self._acting(request):
                answer = route.handler(request, **_arguments(route, found.values))
            ended = None if isinstance(answer, GeneratorType) else _response(answer)
        except Exception as error:
            ended = self._failed(request, error)
        if ended is None:
            job = _Job(request, answer, done)
            ended = self._step(job, time.perf_counter() + SLICE_SECONDS)
        if ended is None:
            self._schedule()
        else:
            self._finish(request, done, ended)

    def _acting(self, request: Request) -> AbstractContextManager[None]:
        """What happens within is the doing of whoever asks."""
        user = getattr(request, "user", None)
        return nullcontext() if user is None else self.backend.node.events.by(user.name)

    def _schedule(self) -> None:
        if not self._jobs or self._scheduled:
            return
        self._scheduled = True
        if self._others_busy:
            self._others_busy = False
            self.backend.node.agenda.after(PAUSE_SECONDS, self._ask)
        else:
            self._ask()

    def _ask(self) -> None:
        self._asked_at = time.perf_counter()
        self.call_soon(self._work)

    def _work(self) -> None:
        """One slice, of as many jobs as it is enough for."""
        self._scheduled = False
        self._others_busy = time.perf_counter() - self._asked_at > IDLE_TURN_SECONDS
        until = time.perf_counter() + SLICE_SECONDS
        try:
            while self._jobs and time.perf_counter() < until:
                job = self._jobs.popleft()
                if job.request.abandoned and job.request.method in SAFE_METHODS:
                    job.work.close()  # nobody waits for it
                    continue
                ended = self._step(job, until)
                if ended is not None:
                    self._finish(job.request, job.done, ended)
        finally:
            self._schedule()

    def _step(self, job: _Job, until: float) -> Response | Stream | None:
        """Go on with a job until the time is up, or for as long as it has something to do; its answer at its end."""
        try:
            with self._acting(job.request):
                while True:
                    pause_seconds = next(job.work)
                    if pause_seconds:
                        self.backend.node.agenda.after(pause_seconds, lambda: self._resume(job))
                        return None
                    if time.perf_counter() >= until:
                        self._jobs.append(job)
                        return None
        except StopIteration as end:
            return self._answered(job.request, end.value)
        except Exception as error:
            return self._failed(job.request, error)

    def _resume(self, job: _Job) -> None:
        self._jobs.append(job)
        self._schedule()

    def _answered(self, request: Request, answer: Answer) -> Response | Stream:
        try:
            return _response(answer)
        except Exception as error:
            return self._failed(request, error)

    def _finish(self, request: Request, done: Done, answer: Response | Stream) -> None:
        if request.method not in SAFE_METHODS:
            self.backend.end_of_work()
        done(answer)

    def _failed(self, request: Request, error: Exception) -> Response:
        if isinstance(error, Refusal):
            error = _translated(error)
        if not isinstance(error, HttpError):
            # Not the whole path: there is one with a password in it.
            where = "/".join(request.path.split("/")[:4])[:200]
            _log.error("HTTP: %s %s: defect", request.method, where, exc_info=error)
            error = HttpError(500, "internal_error", "the broker's log says more")
        return error_response(error)

    # -- answers ---------------------------------------------------------------------------------------------

    def headers(self, request: Request) -> list[tuple[str, str]]:
        """What every answer to this request says besides: whether a page elsewhere may read it."""
        origin = request.headers.get("origin")
        if origin is None or not (origin in request.origins or "*" in request.origins):
            return []
        return [("access-control-allow-origin", origin), ("access-control-allow-credentials", "true")]


def _response(answer: Answer) -> Response | Stream:
    if answer is None:
        return Response(204)
    return answer if isinstance(answer, (Response, Stream)) else as_json(answer)


def _arguments(route: Route, values: list[str]) -> dict[str, str]:
    names = [segment[1:-1] for segment in route.segments if segment.startswith("{")]
    return dict(zip(names, values, strict=True))


def _translated(refusal: Refusal) -> HttpError:
    if isinstance(refusal, NotFound):
        return not_found()
    if isinstance(refusal, AccessRefused):
        return not_authorised(str(refusal))
    return bad_request(str(refusal))


def _allowed(routes: Iterable[str]) -> list[str]:
    methods = set(routes)
    return ["HEAD", "GET"] * ("GET" in methods) + sorted(methods - {"GET"}) + ["OPTIONS"]
