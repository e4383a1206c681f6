"""The other end of an `HttpSession`, without a socket: octets in, answers out, and turns of a loop when asked for.

The application is the real one, on the node of a broker that was not started; beside the real routes it has some that
are good for tests.
"""

from __future__ import annotations

from base64 import b64encode
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import h11

import menura
from menura.core.peers import Peer, Surroundings
from menura.management.api import ALL
from menura.management.application import Application
from menura.management.http.messages import Answer, Request, Response, Stream, Work
from menura.management.http.session import HttpSession
from menura.management.rights import MANAGEMENT
from menura.management.routes import Routes

LOGIN = b"Authorization: Basic " + b64encode(b"guest:guest") + b"\r\n"
HOST = b"Host: 127.0.0.1:15672\r\n"


class Told(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Standing(menura.Broker):
    """A broker without a loop, so nobody has to be told that there is something to do."""

    def end_of_work(self) -> None: ...


class Desk:
    """An application, and what its test routes have seen."""

    def __init__(self) -> None:
        self.broker = Standing()
        self.turns: deque[Callable[[], None]] = deque()
        self.seen: list[str] = []
        self.closed: list[str] = []
        self.application = Application(self.broker, (*ALL, self._routes()), self.turns.append)
        self.broker.application = self.application

    def _routes(self) -> Routes:
        routes = Routes("tests")

        @routes.post("/test/echo", MANAGEMENT, "What was sent")
        def echo(request: Request) -> Answer:
            self.seen.append(request.target)
            return Response(200, request.body, "application/octet-stream")

        @routes.get("/test/slow/{turns}", MANAGEMENT, "An answer after so many turns")
        def slow(request: Request, turns: str) -> Work:
            try:
                for _ in range(int(turns)):
                    request.backend.node.random_bytes(1 << 21)  # longer than a slice
                    yield
                return turns
            finally:
                self.closed.append(turns)

        @routes.get("/test/stream", MANAGEMENT, "What has no end")
        def stream(request: Request) -> Answer:
            return Stream(lambda now: b"at %d\n" % now)

        @routes.get("/test/defect", MANAGEMENT, "A fault of ours")
        def defect(request: Request) -> Answer:
            raise ZeroDivisionError

        @routes.get("/test/unspeakable", MANAGEMENT, "What JSON has no word for")
        def unspeakable(request: Request) -> Answer:
            return {1, 2}

        return routes

    def busy(self) -> bool:
        """Whether there is another turn to come. Pauses in the work are over at once."""
        agenda = self.broker.node.agenda
        while not self.turns and agenda.next_due is not None:
            agenda.tick(agenda.next_due)
        return bool(self.turns)

    def run(self, turns_max: int = 10_000) -> int:
        """Turns of the loop until nothing is left to do; how many."""
        count = 0
        while self.busy():
            count += 1
            assert count <= turns_max
            for _ in range(len(self.turns)):
                self.turns.popleft()()
        return count


class HttpPeer:
    """One connection."""

    def __init__(self, desk: Desk, *, address: str = "127.0.0.1:1234", origins: tuple[str, ...] = ()) -> None:
        self.desk = desk
        self.log: list[tuple[str, str]] = []
        loopback = address.startswith("127.")
        around = Surroundings(
            desk.broker.node,
            Peer(address=address, loopback=loopback, server="127.0.0.1:15672"),
            lambda level, line, event="": self.log.append((level, line)),
            lambda: None,
            0.0,
        )
        self.session = HttpSession(desk.application, around, origins)
        self.said = bytearray()

    def send(self, data: bytes, *, step: int = 0) -> HttpPeer:
        """Say this, in pieces of so many octets."""
        pieces = [data[at : at + step] for at in range(0, len(data), step)] if step else [data]
        for piece in pieces:
            while not self.session.reading and self.desk.busy():
                self.desk.run()
            self.session.receive(piece)
            self.said += self.session.flush()
        self.finish()
        return self

    def finish(self) -> HttpPeer:
        self.desk.run()
        self.said += self.session.flush()
        return self

    def tick(self, now: float) -> HttpPeer:
        self.session.tick(now)
        self.said += self.session.flush()
        return self

    @property
    def closed(self) -> bool:
        return self.session.finished

    def answers(self, *methods: str) -> list[Told]:
        """All answers so far; `methods` are those asked with, all GET if none is given."""
        reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        reader.receive_data(bytes(self.said))
        if self.closed:
            reader.receive_data(b"")
        told: list[Told] = []
        while True:
            method = methods[len(told)] if len(told) < len(methods) else "GET"
            if reader.our_state is h11.IDLE:
                reader.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
                reader.send(h11.EndOfMessage())
            head, body = None, b""
            while True:
                event = reader.next_event()
                if isinstance(event, h11.InformationalResponse):
                    told.append(Told(event.status_code, {}, b""))
                elif isinstance(event, h11.Response):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    assert head is not None
                    headers = {name.decode(): value.decode() for name, value in head.headers}
                    told.append(Told(head.status_code, headers, body))
                    break
                else:
                    return told
            if reader.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
                return told
            reader.start_next_cycle()


def request(method: str, target: str, body: bytes = b"", *, headers: bytes = b"", login: bytes = LOGIN) -> bytes:
    """A request as it goes over the wire."""
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    head = f"{method} {target} HTTP/1.1\r\n".encode() + HOST + login + length + headers + b"\r\n"
    return head + body
