"""One client's STOMP connection to one broker, with blocking calls."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import time
from typing import Any

from tests.protocols.stomp.memory import Answer, frame

TIMEOUT_SECONDS = 20.0
_ESCAPES = {"\\": "\\\\", "\n": "\\n", ":": "\\c"}
_BACK = {"\\\\": "\\", "\\n": "\n", "\\c": ":", "\\r": "\r"}
# Names of the connection's own, or what the two are documented to differ in.
_LEFT_OUT = ("message-id", "ack", "content-length", "receipt", "transaction", "persistent")

# What needs no escapes; in 1.0 RabbitMQ escapes, and Menura does not.
_PLAIN = ("destination", "redelivered", "subscription", "timestamp", "priority", "expiration", "user-id", "reply-to")


class Connection:
    def __init__(self, address: tuple[str, int], version: str) -> None:
        self.sock = socket.create_connection(address, TIMEOUT_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.version = version
        self.alive = True
        self.answers: list[str] = []
        self.messages: dict[str, list[Answer]] = {}
        self.unsettled: list[tuple[str, str, bool, str]] = []
        self._modes: dict[str, str] = {}
        self._unread = b""
        self._receipts = itertools.count(1)
        self.sock.sendall(
            frame("CONNECT", {"accept-version": version, "login": "guest", "passcode": "guest", "host": "/"})
        )
        self.read_until("CONNECTED")

    def send(self, command: str, headers: dict[str, Any], body: bytes = b"") -> None:
        escaped = {self._escape(name): self._escape(value) for name, value in headers.items()}
        if self.alive:
            with contextlib.suppress(ConnectionError):
                self.sock.sendall(frame(command, escaped, body))

    def ask(self, command: str, headers: dict[str, str], body: bytes, measured: bool) -> None:
        """Send, with a receipt where that is not put off, and wait for it."""
        if command == "SUBSCRIBE":
            self._modes[headers["id"]] = headers.get("ack", "auto")
        if measured and command == "SEND":
            headers = {**headers, "content-length": str(len(body))}
        if "transaction" in headers and command in ("SEND", "ACK", "NACK"):
            self.send(command, headers, body)
            return
        receipt = f"r{next(self._receipts)}"
        self.send(command, {**headers, "receipt": receipt}, body)
        self.read_until("RECEIPT", receipt)

    def settle(self) -> None:
        if self.alive:
            receipt = f"b{next(self._receipts)}"
            self.send("SEND", {"destination": "/exchange/amq.topic/no.where", "receipt": receipt})
            self.read_until("RECEIPT", receipt)

    def wait(self, seconds: float) -> None:
        """Take what comes within that time."""
        end = time.monotonic() + seconds
        while self.alive and (left := end - time.monotonic()) > 0:
            self.sock.settimeout(left)
            with contextlib.suppress(TimeoutError):
                self._read()
        if self.alive:
            self.sock.settimeout(TIMEOUT_SECONDS)

    def hang_up(self) -> None:
        if self.alive:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)
            while self.alive:
                self._read()

    def forget(self, id: str) -> None:
        """A subscription has ended: RabbitMQ takes no acknowledgements for it any more, Menura does."""
        self.unsettled = [each for each in self.unsettled if each[3] != id]

    def told(self) -> tuple[list[str], dict[str, list[tuple[Any, ...]]]]:
        """What came since the last time: answers, and messages by subscription."""
        answers, self.answers = self.answers, []
        messages, self.messages = self.messages, {}
        return answers, {id: [self._shown(each) for each in some] for id, some in sorted(messages.items())}

    def _shown(self, message: Answer) -> tuple[Any, ...]:
        headers = {name: value for name, value in message.headers.items() if name not in _LEFT_OUT}
        if re.match("/queue/(stomp|amq).gen-", headers["destination"]):
            headers["destination"] = "/queue/..."
        if self.version == "1.0":
            headers = {name: value for name, value in headers.items() if name in _PLAIN}
        if headers.get("reply-to", "").startswith("/reply-queue/") and len(headers["reply-to"]) > 25:
            headers["reply-to"] = "/reply-queue/..."
        return sorted(headers.items()), message.body

    def read_until(self, command: str, receipt: str = "") -> None:
        """Until that has come, or an ERROR, or the end."""
        while self.alive:
            for each in self._read():
                if each.command == "ERROR":
                    return
                if each.command == command and each.headers.get("receipt-id", "") == receipt:
                    return

    def _read(self) -> list[Answer]:
        try:
            octets = self.sock.recv(65536)
        except ConnectionError:
            octets = b""
        if not octets:
            self.alive = False
            self.answers.append("closed")
            self.sock.close()
        self._unread += octets
        found = list(self._cut())
        for each in found:
            self._take(each)
        return found

    def _cut(self) -> list[Answer]:
        found = []
        while True:
            data = self._unread = self._unread.lstrip(b"\n")
            stop = data.find(b"\n\n")
            if stop < 0:
                return found
            command, *lines = data[:stop].decode().split("\n")
            headers: dict[str, str] = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers.setdefault(self._plain(name), self._plain(value))
            size = headers.get("content-length")
            end = data.find(b"\0", stop + 2) if size is None else stop + 2 + int(size)
            if not stop < end < len(data):
                return found
            found.append(Answer(command, headers, data[stop + 2 : end]))
            self._unread = data[end + 1 :]

    def _take(self, each: Answer) -> None:
        if each.command == "MESSAGE":
            id = each.headers["subscription"]
            self.messages.setdefault(id, []).append(each)
            mode = self._modes.get(id, "auto")
            if mode != "auto":
                name = "id" if self.version == "1.2" else "message-id"
                token = each.headers["ack" if self.version == "1.2" else "message-id"]
                self.unsettled.append((name, token, mode == "client", id))
        elif each.command == "ERROR":
            self.answers.append(f"ERROR {each.headers['message']}")
        elif each.command == "CONNECTED":
            self.answers.append(f"CONNECTED {each.headers['version']}")
        elif not each.headers.get("receipt-id", "").startswith("b"):
            self.answers.append(each.command)

    def _escape(self, text: Any) -> str:
        if self.version == "1.0":
            return str(text)
        return "".join(_ESCAPES.get(letter, letter) for letter in str(text))

    def _plain(self, text: str) -> str:
        if self.version == "1.0" or "\\" not in text:
            return text
        letters = iter(text)
        return "".join(_BACK["\\" + next(letters)] if letter == "\\" else letter for letter in letters)
