"""The HTTP request that a WebSocket begins with (RFC 6455, section 4).

`Upgrade` is the session of a connection until its request has been answered. The request's head is gathered up to
`HEAD_BYTES_MAX` and `HANDSHAKE_SECONDS_MAX`, then judged by the `websockets` library: it knows HTTP's grammar, and
which header of the handshake must say what. If all is well a `WebSocket` takes over the connection, with the session
that `make` builds; otherwise the client gets an HTTP answer with a sentence in it, and the connection ends.

A page from elsewhere is refused, unless the listener's address names its origin, or `*` (`net.origins`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from websockets.exceptions import NegotiationError
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from menura.net.origins import is_welcome
from menura.net.peering import is_loopback, peer_address
from menura.net.port import Session, WebSocketRules
from menura.net.transport import Connection
from menura.net.websocket import WebSocket

HEAD_BYTES_MAX = 16 * 1024
HANDSHAKE_SECONDS_MAX = 10.0
_END = b"\r\n\r\n"
_log = logging.getLogger("menura")
# The library's own remarks, one for each connection, would say nothing new.
_silent = logging.getLogger("menura.silent")
_silent.disabled = True


@dataclass(frozen=True, slots=True)
class Place:
    """What a listener expects of a request, and how long a message may be."""

    path: str
    origins: Sequence[str]
    rules: WebSocketRules
    message_bytes_max: int


class Upgrade:
    """Waits for the request of one connection, and answers it."""

    __slots__ = ("_answer", "_connection", "_deadline", "_head", "_make", "_place", "congested", "finished")

    reading = True
    writable = True

    def __init__(self, connection: Connection, place: Place, make: Callable[[Connection], Session], now: float) -> None:
        self.congested = False
        self.finished = False
        self._connection = connection
        self._place = place
        self._make = make
        self._deadline = now + HANDSHAKE_SECONDS_MAX
        self._head = bytearray()
        self._answer = b""

    def receive(self, data: bytes) -> None:
        if self.finished:
            return
        searched = max(0, len(self._head) - len(_END) + 1)
        self._head += data
        end = self._head.find(_END, searched)
        if (len(self._head) if end < 0 else end) > HEAD_BYTES_MAX:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"a head of more than {HEAD_BYTES_MAX} octets")
        elif not self._head[:1].isalpha():
            self._refuse(HTTPStatus.BAD_REQUEST, "not an HTTP request: this is a WebSocket listener")
        elif end >= 0:
            end += len(_END)
            self._judge(bytes(self._head[:end]), bytes(self._head[end:]))

    def _judge(self, head: bytes, rest: bytes) -> None:
        """Answer the request; `rest` is what came behind it."""
        protocol = self._protocol()
        protocol.receive_data(head)
        events = protocol.events_received()
        if events:
            request = events[0]
            assert isinstance(request, Request)
            if (refusal := self._refusal(request)) is not None:
                self._refuse(*refusal)
                return
            response = protocol.accept(request)
            granted = response.status_code == HTTPStatus.SWITCHING_PROTOCOLS
            if not granted:
                response.headers["Sec-WebSocket-Version"] = "13"
            protocol.send_response(response)
            if granted:
                self._hand_over(b"".join(protocol.data_to_send()), rest)
                return
        self._answer = b"".join(protocol.data_to_send())
        if self._answer:
            self._end(f"{self._answer.split(None, 2)[1].decode()} {protocol.handshake_exc}")
        else:
            self._refuse(HTTPStatus.BAD_REQUEST, "not a valid HTTP request")

    def _refusal(self, request: Request) -> tuple[HTTPStatus, str] | None:
        """What is wrong with a request that the library knows nothing of."""
        place, headers = self._place, request.headers
        if request.path.partition("?")[0].rstrip("/") != place.path:
            return HTTPStatus.NOT_FOUND, f"the WebSocket is at {place.path or '/'}"
        hosts, origins = headers.get_all("Host"), headers.get_all("Origin")
        if len(hosts) > 1 or len(origins) > 1:
            return HTTPStatus.BAD_REQUEST, "Host or Origin more than once"
        own = hosts[0] if hosts and not is_loopback(_peer(self._connection)[0]) else ""
        for origin in origins:
            if not is_welcome(origin, own, place.origins):
                return HTTPStatus.FORBIDDEN, f"pages of {origin} may not connect: add ?origin={origin} to the listener"
        return None

    def _protocol(self) -> ServerProtocol:
        rules = self._place.rules

        def choose(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
            for name in rules.subprotocols:
                if name in offered:
                    return Subprotocol(name)
            if rules.required:
                raise NegotiationError(f"subprotocol must be {' or '.join(rules.subprotocols)}")
            return None

        return ServerProtocol(select_subprotocol=choose, logger=_silent)

    def _hand_over(self, greeting: bytes, rest: bytes) -> None:
        connection, place = self._connection, self._place
        complain = partial(_complain, connection)
        session = WebSocket(
            self._make(connection), place.rules, greeting, connection.wake, complain, place.message_bytes_max
        )
        session.congested = self.congested
        connection.session = session
        if rest:
            session.receive(rest)

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        protocol = ServerProtocol(logger=_silent)
        self._answer = protocol.reject(status, f"Failed to open a WebSocket connection: {reason}.\n").serialize()
        self._end(f"{status.value} {reason}")

    def _end(self, why: str) -> None:
        self.finished = True
        self._head.clear()
        _complain(self._connection, why)

    def flush(self) -> bytes:
        answer, self._answer = self._answer, b""
        return answer

    def tick(self, now: float) -> None:
        if now >= self._deadline and not self.finished:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"no request within {HANDSHAKE_SECONDS_MAX:.0f} seconds")
            self._connection.wake()

    def stop(self) -> None:
        self.finished = True

    abandon = stop

    def resume(self) -> None: ...

    def unblock(self) -> None: ...

    def lost(self) -> None: ...


def _complain(connection: Connection, why: str) -> None:
    # What is wrong may be quoted: a line stays a line, and a terminal what it was.
    host, port = _peer(connection)
    said = why.encode("ascii", "backslashreplace").decode()
    extra = {"event": "websocket.refused", "fields": {"connection": f"{host}:{port}"}}
    _log.warning("%s:%d: closed: WebSocket: %s", host, port, said, extra=extra)


def _peer(connection: Connection) -> tuple[str, int]:
    return peer_address(connection.transport)
