"""Random conversations over STOMP, and ways to spoil them. Everything follows from the `Random` that is handed in.

Frames are valid one by one, in an order that often makes sense. Acknowledgements name the session as `SESSION`, to be
replaced by whoever knows its name. A `quiet` conversation does not subscribe to what it sends.
"""

from __future__ import annotations

from random import Random
from typing import Any

from tests.protocols.stomp.memory import frame, send

SESSION = b"{session}"
DESTINATIONS = (
    "/queue/a", "/queue/a", "/queue/b", "c", "/topic/t.a", "/topic/#", "/exchange/amq.fanout",
    "/exchange/amq.direct/k", "/amq/queue/a", "/reply-queue/a", "/queue/%2F", "/queue/amq.x", "/exchange/none/k",
    "/temp-queue/t", "/nowhere", "",
)  # fmt: skip
COMMON = DESTINATIONS[:8]
QUIET = ("/queue/own", "/topic/own.*", "/exchange/amq.direct/own")
MORE: tuple[dict[str, Any], ...] = (
    {}, {}, {}, {}, {"persistent": "true"}, {"priority": 5}, {"priority": "x"}, {"expiration": 100},
    {"reply-to": "/temp-queue/p"}, {"reply-to": "/reply-queue/x"}, {"user-id": "guest"}, {"user-id": "other"},
    {"a": "b\\c\\n\\\\"}, {"a": "\\t"}, {"content-type": "text/plain", "correlation-id": "c"},
)  # fmt: skip
DECLARING: tuple[dict[str, Any], ...] = (
    {}, {}, {}, {"durable": "true", "auto-delete": "false"}, {"durable": "false"}, {"exclusive": "true"},
    {"x-max-priority": 5}, {"x-queue-name": "named"}, {"prefetch-count": 2}, {"prefetch-count": 0}, {"x-priority": -1},
    {"selector": "a = b"},
)  # fmt: skip


def conversation(chance: Random, version: str, quiet: bool = False) -> list[bytes]:
    """Frames, the first of which is CONNECT."""
    beats = chance.choice(("0,0", "0,0", "1000,2000"))
    login = {"accept-version": version, "login": "guest", "passcode": "guest", "heart-beat": beats}
    talk = Talk(chance, version, quiet)
    return [
        frame(chance.choice(("CONNECT", "STOMP")), login),
        *[talk.say() for _ in range(chance.randrange(chance.choice((3, 10, 40))))],
    ]


class Talk:
    """Remembers what it has said, so that most of it is in order."""

    def __init__(self, chance: Random, version: str, quiet: bool) -> None:
        self._chance = chance
        self._named = "id" if version == "1.2" else "message-id"
        self._quiet = quiet
        self._subscribed: dict[str, str] = {}  # destination by id, where messages are settled
        self._next: dict[str, int] = {}  # the first number not settled, by id
        self._begun: set[str] = set()

    def say(self) -> bytes:
        """One thing a client may say."""
        chance = self._chance
        headers: dict[str, Any] = {"receipt": chance.randrange(100)} if chance.random() < 0.3 else {}
        kind = chance.random()
        if kind < 0.25:
            return self._settles(headers)
        if kind < 0.65:
            return self._sends(headers)
        if kind < 0.8:
            return self._subscribes(headers)
        if kind < 0.93:
            return self._transacts(headers)
        if kind < 0.99:
            return chance.choice((b"\n", b"\r\n", b"\0", b"\n\n\n"))
        wrong = (frame("DISCONNECT", headers), frame("CONNECT"), frame("FOO", headers), b"GET / HTTP/1.1\r\n\r\n")
        return chance.choice(wrong)

    def _transaction(self) -> dict[str, Any]:
        names = sorted(self._begun) if self._chance.random() < 0.98 else ["none"]
        return {"transaction": self._chance.choice(names)} if names and self._chance.random() < 0.3 else {}

    def _sends(self, headers: dict[str, Any]) -> bytes:
        """The same message a few times, as busy publishers do."""
        chance = self._chance
        names = COMMON if chance.random() < 0.97 else DESTINATIONS
        known = sorted(set(self._subscribed.values()))
        destination = chance.choice(known if known and not self._quiet and chance.random() < 0.6 else names)
        size = chance.choice((0, 1, 5, 5, 300, 2000))
        headers = {**headers, **self._transaction(), **chance.choice(MORE)}
        if chance.random() < 0.3:
            one = frame("SEND", {"destination": destination, **headers}, b"z" * size)
        else:
            one = send(destination, chance.randbytes(size), **headers)
        if chance.random() < 0.1:
            one = one.replace(b"\n", b"\r\n", 3)
        return one * chance.choice((1, 1, 2, 8))

    def _settles(self, headers: dict[str, Any]) -> bytes:
        chance = self._chance
        if not self._subscribed or (self._quiet and chance.random() < 0.9):
            return b""
        id = chance.choice(sorted(self._subscribed))
        first = self._next[id]
        self._next[id] = end = first + chance.choice((1, 1, 3))
        command = chance.choice(("ACK", "ACK", "ACK", "NACK"))
        headers = {**headers, **self._transaction()}
        if command == "NACK" and chance.random() < 0.3:
            headers["requeue"] = "false"
        tag = f"T_{id}@@{SESSION.decode()}@@"
        numbers = range(first, end) if chance.random() < 0.98 else (chance.choice((0, 2**63, 10**19)),)
        return b"".join(frame(command, {self._named: f"{tag}{n}", **headers}) for n in numbers)

    def _subscribes(self, headers: dict[str, Any]) -> bytes:
        chance = self._chance
        id = chance.choice("123")
        if id in self._next and chance.random() < 0.9:
            self._subscribed.pop(id, None)
            del self._next[id]
            return frame("UNSUBSCRIBE", {"id": id, **headers})
        names = QUIET if self._quiet else COMMON if chance.random() < 0.97 else DESTINATIONS
        destination, mode = chance.choice(names), chance.choice(("auto", "client", "client-individual"))
        self._next[id] = 1
        if mode != "auto":
            self._subscribed[id] = destination
        more = chance.choice(DECLARING) if chance.random() < 0.3 else {}
        return frame("SUBSCRIBE", {"id": id, "ack": mode, "destination": destination, **headers, **more})

    def _transacts(self, headers: dict[str, Any]) -> bytes:
        chance = self._chance
        name = chance.choice("xy")
        command = "BEGIN"
        if name in self._begun and chance.random() < 0.98:
            command = chance.choice(("COMMIT", "COMMIT", "ABORT"))
            self._begun.remove(name)
        else:
            self._begun.add(name)
        return frame(command, {**headers, "transaction": name})


# -- spoiling ------------------------------------------------------------------------------------------------


def _flip(chance: Random, one: bytes) -> bytes:
    data = bytearray(one)
    for _ in range(chance.choice((1, 1, 2, 8))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _overwrite(chance: Random, one: bytes) -> bytes:
    at = chance.randrange(len(one))
    wrong = (b"\0", b"\n", b"\n\n", b"\r\n", b"\r", b":", b"\\", b"\\x", b"\xff", b"@@", b"content-length:9999999\n")
    return one[:at] + chance.choice(wrong) + one[at + 1 :]


def _cut(chance: Random, one: bytes) -> bytes:
    return one[: chance.randrange(len(one))]


def _delete(chance: Random, one: bytes) -> bytes:
    at = chance.randrange(len(one))
    return one[:at] + one[at + chance.choice((1, 2, 20)) :]


def _double(chance: Random, one: bytes) -> bytes:
    at = chance.randrange(len(one))
    return one[:at] + one[at : at + 30] * chance.choice((2, 40)) + one[at + 30 :]


SPOIL = (_flip, _flip, _overwrite, _overwrite, _cut, _delete, _double)


def spoiled(chance: Random, frames: list[bytes], first: int) -> list[bytes]:
    """The conversation with a few changes, none of them before frame `first`."""
    frames = list(frames)
    for _ in range(chance.choice((0, 1, 1, 2, 5))):
        if len(frames) <= first:
            break
        at, other = (chance.randrange(first, len(frames)) for _ in range(2))
        kind = chance.random()
        if kind < 0.7:
            if frames[at]:
                frames[at] = chance.choice(SPOIL)(chance, frames[at])
        elif kind < 0.8:
            frames[at], frames[other] = frames[other], frames[at]
        elif kind < 0.95:
            left, right = frames[at], frames[other]
            frames[at] = left[: chance.randrange(len(left) + 1)] + right[chance.randrange(len(right) + 1) :]
        else:
            frames.insert(at, chance.randbytes(chance.choice((1, 2, 7, 100, 5000))))
    return frames
