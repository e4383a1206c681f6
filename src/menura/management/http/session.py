"""One HTTP/1.1 connection: requests in, one after the other, and their answers out.

h11 knows HTTP's grammar, and refuses what is ambiguous; this session gives it octets, and knows limits and deadlines.
Who asks is decided as soon as a head is there, so a body is only taken from those who may send one. An answer that says
that something was changed waits until the change is certain (`core.output`). Work that takes long is done by the
application in slices; meanwhile nothing more is read here.

A client that shuts its end after its requests is answered; one that follows an event stream has gone.

A client has `HEAD_SECONDS_MAX` for a head, `BODY_SECONDS_MAX` for a body, and `IDLE_SECONDS_MAX` between requests; one
that does not take its answer for `UNREAD_SECONDS_MAX` is cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import h11

from menura.core.output import Output
from menura.core.peers import Surroundings
from menura.management.http.messages import (
    BODY_BYTES_MAX,
    SAFE_METHODS,
    HttpError,
    Request,
    Response,
    Stream,
    bad_request,
    error_response,
)

if TYPE_CHECKING:
    from menura.management.application import Application

HEAD_BYTES_MAX = 16 * 1024
HEAD_SECONDS_MAX = 10.0
BODY_SECONDS_MAX = 60.0
IDLE_SECONDS_MAX = 60.0
UNREAD_SECONDS_MAX = 60.0
REQUESTS_A_TURN_MAX = 10
# Of a long answer so much is handed to the socket at a time: copies of all of it would hold up others.
PART_BYTES = 256 * 1024
# A body may come in the smallest of pieces.
PIECES_A_TURN_MAX = 50
_COMMON = [
    ("cache-control", "no-cache"),
    ("vary", "origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
]


class HttpSession:
    """A client's connection; implements the transport's port (`net.port.Session`)."""

    writable = True

    def __init__(self, application: Application, around: Surroundings, origins: tuple[str, ...]) -> None:
        self.congested = False
        self.finished = False
        self._application = application
        self._peer = around.peer
        self._log = around.log
        self._origins = origins
        self._output = Output(around.node.keeper, around.wake)
        self._http: h11.Connection | None = None
        self._request: Request | None = None  # whose body is being read, or whose answer is being made
        self._body = bytearray()
        self._verdict: Response | None = None  # on a request of which only the end is still to come
        self._working = False
        self._busy = False
        self._waiting = False  # for the loop's next turn
        self._stream: Stream | None = None
        self._rest = memoryview(b"")  # of an answer; more is not heard before it is out
        self._now = around.now
        self._deadline: float | None = around.now + HEAD_SECONDS_MAX
        self._unread_since: float | None = None
        self._last = False
        self._closing = False

    @property
    def reading(self) -> bool:
        return not (self._working or self._waiting)

    # -- input -----------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        if self._closing or self._stream is not None:  # behind a request whose answer has no end
            return
        if self._http is None:
            self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        try:
            self._http.receive_data(data)
        except h11.RemoteProtocolError as error:  # more after it said that this was all
            self._refuse(HttpError(400, "bad_request", str(error)))
            return
        self._go_on()

    def input_ended(self) -> None:
        """What was asked is answered."""
        if self._http is None or self._stream is not None:
            self._close()
        else:
            self.receive(b"")

    def _go_on(self) -> None:
        """Deal with what is here: a few requests now, and more in the loop's next turn."""
        self._waiting = False
        if self._busy:  # an answer was ready at once, and the loop below goes on
            return
        self._busy = True
        try:
            self._requests()
        except Exception as defect:
            self._log("defect", f"{self._peer.address}: HTTP: {type(defect).__name__}: {defect}")
            self._close()
        finally:
            self._busy = False

    def _requests(self) -> None:
        http = self._connection
        done = pieces = 0
        while not (self._closing or self._working or self._stream or self.congested):
            if done == REQUESTS_A_TURN_MAX or pieces == PIECES_A_TURN_MAX:
                self._waiting = True
                self._application.call_soon(self._go_on)
                return
            try:
                event = http.next_event()
            except h11.RemoteProtocolError as error:
                self._refuse(HttpError(error.error_status_hint or 400, "bad_request", str(error)))
                return
            if isinstance(event, h11.Request):
                self._head(event)
            elif isinstance(event, h11.Data):
                self._take(bytes(event.data))
                pieces += 1
            elif isinstance(event, h11.EndOfMessage):
                self._dispatch()
                done += 1
            elif event is h11.NEED_DATA and http.they_are_waiting_for_100_continue:
                self._write(h11.InformationalResponse(status_code=100, headers=[]))
            else:  # nothing more is here, or the client has said that nothing more will come
                if isinstance(event, h11.ConnectionClosed):
                    self._close()
                return

    @property
    def _connection(self) -> h11.Connection:
        assert self._http is not None
        return self._http

    def _head(self, event: h11.Request) -> None:
        """Somebody wants something: find out who, before more of it is read."""
        self._deadline = self._now + BODY_SECONDS_MAX
        headers: dict[str, str] = {}
        for name, value in event.headers:
            text = value.decode("latin-1")
            known = headers.setdefault(name.decode("ascii"), text)
            if known is not text:
                headers[name.decode("ascii")] = f"{known}, {text}"
        method, target = event.method.decode("ascii"), event.target.decode("latin-1")
        request = self._request = Request(method, target, headers, self._peer, self._origins, now=self._now)
        self._body.clear()
        if (unclear := _unclear(event, headers)) is not None:
            self._last = True
            self._answer(error_response(unclear))
            return
        try:
            length = headers.get("content-length", "0")
            _check_length(length, BODY_BYTES_MAX)
            refusal = self._application.admit(request)
            if refusal is None:
                _check_length(length, request.body_bytes_max)
        except HttpError as error:
            refusal = error_response(error)
        if refusal is None:
            return
        if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
            self._answer(refusal)  # and close: nobody wants the body
        else:
            self._verdict = refusal

    def _take(self, data: bytes) -> None:
        assert self._request is not None
        self._body += data
        if len(self._body) > self._request.body_bytes_max:
            self._refuse(_too_long(self._request.body_bytes_max))

    def _dispatch(self) -> None:
        request, verdict = self._request, self._verdict
        assert request is not None
        self._deadline = self._verdict = None
        if verdict is not None:
            self._answer(verdict)
            return
        request.body, self._body = self._body, bytearray()
        self._working = True
        self._application.handle(request, self._handled)

    def _handled(self, answer: Response | Stream) -> None:
        """What a request came to, at once or later."""
        self._working = False
        if self._closing or self._request is None:
            if isinstance(answer, Stream):
                answer.close()
            return
        if self._request.method not in SAFE_METHODS:
            self._output.promise()
        self._answer(answer)
        self._go_on()

    # -- output ----------------------------------------------------------------------------------------------

    def _refuse(self, error: HttpError) -> None:
        """Say what is wrong, and end: where the next request would begin is not known."""
        self._last = True
        if self._request is None:
            self._request = Request("GET", "/", {}, self._peer)
        if self._connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self._close()
            return
        self._answer(error_response(error))

    def _answer(self, answer: Response | Stream) -> None:
        request = self._request
        assert request is not None
        self._request = None
        http = self._connection
        unread = http.their_state is h11.SEND_BODY
        headers = [("date", formatdate(usegmt=True)), *self._application.headers(request)]
        if isinstance(answer, Stream) and request.method == "HEAD":
            answer.close()
            answer = Response(content_type=answer.content_type)
        if isinstance(answer, Stream):
            headers += [("content-type", answer.content_type), *_COMMON]
            self._write(h11.Response(status_code=200, headers=headers))
            self._stream = answer
            self._deadline = None
            return
        named = {name for name, _ in headers} | answer.headers.keys()
        headers += [(name, value) for name, value in _COMMON if name not in named]
        headers += answer.headers.items()
        if answer.body or answer.status not in (204, 304):
            headers.append(("content-length", str(len(answer.body))))
        if answer.body:
            headers.append(("content-type", answer.content_type))
        if unread or self._last or http.their_state is h11.ERROR:
            headers.append(("connection", "close"))
        reason = HTTPStatus(answer.status).phrase
        self._write(h11.Response(status_code=answer.status, headers=headers, reason=reason.encode()))
        if answer.body and request.method != "HEAD":
            self._rest = memoryview(answer.body)
            self._working = True
            self._send_part()
            return
        self._write(h11.EndOfMessage())
        self._next()

    def _send_part(self) -> None:
        part, self._rest = self._rest[:PART_BYTES], self._rest[PART_BYTES:]
        self._write(h11.Data(data=bytes(part)))
        if not self._rest:
            self._working = False
            self._write(h11.EndOfMessage())
            self._next()

    def _next(self) -> None:
        """Be ready for another request, unless the connection has come to its end."""
        http = self._connection
        if http.our_state is h11.DONE and http.their_state is h11.DONE:
            http.start_next_cycle()
            self._deadline = self._now + IDLE_SECONDS_MAX
        else:
            self._close()

    def _write(self, event: Any) -> None:
        data = self._connection.send(event)
        if data:
            self._output.send(data)

    def _close(self) -> None:
        self._closing = True
        self._rest = memoryview(b"")
        self._end_stream()
        self._deadline = None
        self._output.wake()

    def _end_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def flush(self) -> bytes:
        if self._rest and not (self.congested or self._output.pieces):
            self._send_part()
            if not self._rest:
                self._application.call_soon(self._go_on)
        data = self._output.take()
        if data and self._rest:
            self._output.wake()
        if self._closing and not self._output.waiting:
            self.finished = True
        return data

    # -- time ------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        self._now = now
        if self.congested:
            self._unread_since = self._unread_since or now
            if now - self._unread_since > UNREAD_SECONDS_MAX:
                self._output.clear()
                self._close()
            return
        self._unread_since = None
        if self._stream is not None and not self._output.pieces:
            data = self._stream.poll(now)
            if data:
                self._write(h11.Data(data=data))
        elif self._deadline is not None and now >= self._deadline:
            http = self._http
            if http is None or (http.their_state is h11.IDLE and not http.trailing_data[0]):
                self._close()
            else:
                self._refuse(HttpError(408, "timeout", "the request did not arrive in time"))

    def resume(self) -> None:
        if self._http is not None and not self._waiting:
            self._go_on()

    def unblock(self) -> None: ...

    def stop(self) -> None:
        self._close()

    abandon = stop

    def lost(self) -> None:
        self._closing = True
        self._rest = memoryview(b"")
        self._end_stream()
        if self._request is not None:
            self._request.abandoned = True
            self._request = None


def _unclear(event: h11.Request, headers: Mapping[str, str]) -> HttpError | None:
    """What h11 lets pass, and others may understand in another way than we do."""
    if event.http_version not in (b"1.0", b"1.1"):
        return HttpError(505, "http_version_not_supported", "HTTP/1.1 is spoken here")
    if "transfer-encoding" in headers and ("content-length" in headers or event.http_version == b"1.0"):
        return bad_request("where the body ends can be read in two ways")
    return None


def _check_length(length: str, most: int) -> None:
    if len(length) > 18 or int(length) > most:
        raise _too_long(most)


def _too_long(most: int) -> HttpError:
    return HttpError(413, "bad_request", f"a body may have {most} octets")
