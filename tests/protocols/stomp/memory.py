"""A client in memory, at the other end of a `Session`: octets in, octets out, and a clock that is a number.

Answers are taken apart by a decoder of the tests' own, which knows nothing of the broker's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tests.protocols.memory import End

from menura.core.node import Node
from menura.core.peers import Peer
from menura.protocols.stomp.limits import Identity, StompLimits
from menura.protocols.stomp.session import Session

Headers = Mapping[str, Any]


class Answer(NamedTuple):
    command: str
    headers: dict[str, str]
    body: bytes

    def __getitem__(self, name: Any) -> Any:
        return self.headers[name] if isinstance(name, str) else tuple.__getitem__(self, name)

    def get(self, name: str) -> str | None:
        return self.headers.get(name)


def frame(command: str, headers: Headers | None = None, body: bytes = b"") -> bytes:
    """A frame as a client would write it, headers as they are given."""
    lines = [command, *(f"{name}:{value}" for name, value in (headers or {}).items())]
    return "\n".join(lines).encode() + b"\n\n" + body + b"\0"


def send(destination: str, body: bytes = b"x", **headers: Any) -> bytes:
    """SEND, with the length of its body; `_` in names of headers stands for a dash."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return frame("SEND", {"destination": destination, **more, "content-length": len(body)}, body)


def decode(octets: bytes, version: str) -> list[Answer]:
    """Whole frames, and line ends between them (heart-beats) as answers of their own."""
    answers = []
    at = 0
    while at < len(octets):
        if octets[at] == 0x0A:
            at += 1
            continue
        stop = octets.index(b"\n\n", at)
        command, *lines = octets[at:stop].decode().split("\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            assert colon, line
            if command != "CONNECTED":
                name, value = _plain(name, version), _plain(value, version)
            assert name not in headers, f"{name} twice in {octets!r}"
            headers[name] = value
        at = stop + 2
        end = at + int(headers["content-length"]) if "content-length" in headers else octets.index(b"\0", at)
        assert octets[end : end + 2] == b"\0\n", octets[at : end + 2]
        answers.append(Answer(command, headers, octets[at:end]))
        at = end + 2
    return answers


def _plain(text: str, version: str) -> str:
    if version == "1.0":
        return text
    parts = text.replace("\\\\", "\0").replace("\\n", "\n").replace("\\c", ":")
    return (parts.replace("\\r", "\r") if version == "1.2" else parts).replace("\0", "\\")


class Client(End):
    """One session and what it has said so far."""

    session: Session

    def __init__(
        self,
        node: Node | None = None,
        *,
        limits: StompLimits | None = None,
        peer: Peer | None = None,
        identity: Identity | None = None,
        now: float = 100.0,
    ) -> None:
        self.version = "1.2"
        super().__init__(node, peer, now, lambda around: Session(around, limits, identity))

    def decode(self, octets: bytes) -> list[Answer]:
        return decode(octets, self.version)

    def connect(self, version: str = "1.2", **headers: Any) -> Client:
        """Log in as guest."""
        login = {"accept-version": version, "login": "guest", "passcode": "guest", "host": "/"}
        answers = self.send(frame("CONNECT", {**login, **headers}))
        assert [(answer.command, answer["version"]) for answer in answers] == [("CONNECTED", version)]
        self.version = version
        return self

    def subscribe(self, destination: str, id: str = "1", **headers: Any) -> list[Answer]:
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(frame("SUBSCRIBE", {"destination": destination, "id": id, **more}))

    def fails(self, *pieces: bytes) -> tuple[str, str]:
        """What these octets end the connection with: `message` and body of the one answer, an ERROR frame."""
        answers = self.send(*pieces)
        assert commands(answers) == ["ERROR"], answers
        assert self.session.finished
        assert [level for level, _ in self.log].count("error") == 1
        assert answers[0]["content-type"] == "text/plain"
        return answers[0]["message"], answers[0].body.decode()

    def tick(self, seconds: float) -> bytes:
        """Let time pass; the octets that are said by that."""
        self.pass_time(seconds)
        return self.session.flush()


def commands(answers: Iterable[Answer]) -> list[str]:
    return [answer.command for answer in answers]


def bodies(answers: Iterable[Answer]) -> list[bytes]:
    return [answer.body for answer in answers if answer.command == "MESSAGE"]
