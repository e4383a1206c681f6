"""A client on a real socket that does as it is told, and waits with a deadline."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from pamqp import base
from tests.protocols.amqp.memory import FRAME_BYTES_MAX, Answer, Answers, Channel, handshake, method

DEADLINE_SECONDS = 25.0


def eventually(condition: Callable[[], object], what: str = "condition") -> None:
    """Wait until it holds."""
    end = time.monotonic() + DEADLINE_SECONDS
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, f"not within {DEADLINE_SECONDS} s: {what}"
        pause.wait(0.005)


class Peer:
    """Octets out, answers in."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None, receive_bytes: int = 0) -> None:
        raw = socket.socket()
        if receive_bytes:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        raw.settimeout(DEADLINE_SECONDS)
        self.socket: socket.socket = raw
        try:
            raw.connect(("127.0.0.1", port))
            if context is not None:
                self.socket = context.wrap_socket(raw, server_hostname="localhost")
        except BaseException:
            raw.close()
            raise
        self.answers = Answers()
        self.heard: list[Answer] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def connect(self, channel: int = 1, **settings: Any) -> Self:
        """Shake hands and open a channel."""
        self.send(handshake(**settings))
        self.expect("Connection.OpenOk")
        self.answers.frame_bytes_max = settings.get("frame_max", FRAME_BYTES_MAX)
        self.call(Channel.Open(), channel)
        return self

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def read(self) -> bytes:
        """Some octets; none at the end."""
        try:
            octets = self.socket.recv(1 << 18)
        except ConnectionResetError:
            return b""
        self.heard += self.answers.feed(octets)
        return octets

    def next(self) -> Answer:
        """The next answer."""
        while not self.heard:
            assert self.read(), "closed by the broker"
        return self.heard.pop(0)

    def expect(self, name: str) -> Answer:
        """The next answer of that name; those before it are passed over."""
        while (answer := self.next()).name != name:
            pass
        return answer

    def call(self, value: base.Frame, channel: int = 1) -> Answer:
        self.send(method(value, channel))
        return self.expect(f"{value.name}Ok")

    def rest(self) -> bytes:
        """All octets up to the end of the connection."""
        found = b""
        while octets := self.socket.recv(1 << 18):
            found += octets
        return found

    def ended(self) -> bool:
        """Read up to the end of the connection."""
        while self.read():
            pass
        return True
