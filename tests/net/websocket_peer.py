"""A WebSocket client on a real socket, frame by frame, as good or bad as a test wants it."""

from __future__ import annotations

import socket
import struct
from types import TracebackType
from typing import NamedTuple, Self

from menura import Broker

DEADLINE_SECONDS = 25.0
MASK = bytes.fromhex("37fa213d")
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
# Section 1.3 of RFC 6455 gives this pair.
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, mask: bytes = MASK, reserved: int = 0) -> bytes:
    """A client's frame."""
    length = len(payload)
    if length < 126:
        size = bytes([0x80 | length])
    elif length < 65536:
        size = bytes([0x80 | 126]) + struct.pack(">H", length)
    else:
        size = bytes([0x80 | 127]) + struct.pack(">Q", length)
    masked = bytes(octet ^ mask[at % 4] for at, octet in enumerate(payload))
    return bytes([(0x80 if final else 0) | reserved | opcode]) + size + mask + masked


def request(line: str = "GET /ws HTTP/1.1", **changes: str | None) -> bytes:
    """The request of section 1.3; `changes` are headers with underscores for hyphens, None for without."""
    headers: dict[str, str | None] = {
        "Host": "server.example.com",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Origin": "http://localhost:8080",
        "Sec-WebSocket-Version": "13",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    lines = [line, *(f"{name}: {value}" for name, value in headers.items() if value is not None)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Answer(NamedTuple):
    """An HTTP answer; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Frame(NamedTuple):
    opcode: int
    payload: bytes


class WebSocketPeer:
    def __init__(self, broker: Broker, scheme: str) -> None:
        port = next(each.port for each in broker.listeners if each.address.scheme == scheme)
        self.socket = socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS)
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def open(self, subprotocol: str | None = None) -> Self:
        """Shake hands and insist on success."""
        self.send(request(Sec_WebSocket_Protocol=subprotocol))
        answer = self.answer()
        assert answer.status == 101, answer
        assert answer.headers.get("sec-websocket-protocol") == subprotocol
        return self

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def say(self, payload: bytes, opcode: int = BINARY) -> None:
        self.send(frame(opcode, payload))

    def answer(self) -> Answer:
        """The HTTP answer to the request."""
        while b"\r\n\r\n" not in self._unread:
            self._more()
        head, self._unread = self._unread.split(b"\r\n\r\n", 1)
        status, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = self._take(int(headers.get("content-length", 0)))
        return Answer(int(status.split()[1]), headers, body)

    def next(self) -> Frame:
        """The next frame, which must be whole and unmasked, as a server's are."""
        first, length = self._take(2)
        assert first & 0xF0 == 0x80
        if length >= 126:
            length = int.from_bytes(self._take(2 if length == 126 else 8))
        return Frame(first & 0x0F, self._take(length))

    def close_code(self) -> int:
        """Of the close frame, which must come next."""
        found = self.next()
        assert found.opcode == CLOSE, found
        return int.from_bytes(found.payload[:2])

    def ended(self) -> bool:
        """Nothing more comes but the end of the connection."""
        assert self._unread == b""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _take(self, count: int) -> bytes:
        while len(self._unread) < count:
            self._more()
        found, self._unread = self._unread[:count], self._unread[count:]
        return found

    def _more(self) -> None:
        octets = self.socket.recv(1 << 18)
        assert octets, f"closed by the broker; unread: {self._unread!r}"
        self._unread += octets
