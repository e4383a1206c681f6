"""A client in memory, at the other end of a `Session`: octets in, octets out, and a clock that is a number.

What goes in is encoded, and what comes out decoded, by another project's codec, so that a mistake of ours cannot
cancel itself out. Every answer is checked to be made of whole frames of at most the negotiated size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pamqp import base, body, commands, frame, header, heartbeat
from tests.protocols.memory import End

from menura.core.node import Node
from menura.core.peers import Peer
from menura.protocols.amqp.limits import AmqpLimits, Identity
from menura.protocols.amqp.session import Session

Basic, Channel, Confirm, Connection = commands.Basic, commands.Channel, commands.Confirm, commands.Connection
Exchange, Queue, Tx = commands.Exchange, commands.Queue, commands.Tx
HEADER = b"AMQP\x00\x00\x09\x01"
HEARTBEAT = frame.marshal(heartbeat.Heartbeat(), 0)
CAPABILITIES = {"authentication_failure_close": True, "consumer_cancel_notify": True, "connection.blocked": True}
FRAME_BYTES_MAX = 131072


# -- frames --------------------------------------------------------------------------------------------------


def method(value: base.Frame, channel: int = 1) -> bytes:
    return frame.marshal(value, channel)


def content(data: bytes = b"", channel: int = 1, frame_bytes_max: int = FRAME_BYTES_MAX, **properties: Any) -> bytes:
    """Header and body frames of a message."""
    head = header.ContentHeader(0, len(data), Basic.Properties(**properties))
    step = frame_bytes_max - 8
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    return frame.marshal(head, channel) + b"".join(frame.marshal(body.ContentBody(piece), channel) for piece in pieces)


def publish(
    key: str,
    data: bytes = b"x",
    channel: int = 1,
    exchange: str = "",
    mandatory: bool = False,
    frame_bytes_max: int = FRAME_BYTES_MAX,
    **properties: Any,
) -> bytes:
    """A whole message to `key`."""
    return method(Basic.Publish(0, exchange, key, mandatory), channel) + content(
        data, channel, frame_bytes_max, **properties
    )


def ack(tag: int, channel: int = 1, multiple: bool = False) -> bytes:
    return method(Basic.Ack(tag, multiple), channel)


def start_ok(
    mechanism: str = "PLAIN", response: str = "\0guest\0guest", capabilities: dict[str, bool] = CAPABILITIES
) -> bytes:
    return method(Connection.StartOk({"capabilities": dict(capabilities)}, mechanism, response, "en_US"), 0)


def tune_ok(channel_max: int = 2047, frame_max: int = FRAME_BYTES_MAX, seconds: int = 0) -> bytes:
    return method(Connection.TuneOk(channel_max, frame_max, seconds), 0)


def handshake(
    *, frame_max: int = FRAME_BYTES_MAX, seconds: int = 0, channel_max: int = 2047, vhost: str = "/", **start: Any
) -> bytes:
    """Everything a client says until it is connected, in one go."""
    opening = method(Connection.Open(vhost), 0)
    return HEADER + start_ok(**start) + tune_ok(channel_max, frame_max, seconds) + opening


# -- answers -------------------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """A method of the broker, with its content where it has one."""

    channel: int
    name: str
    arguments: dict[str, Any]
    properties: dict[str, Any] | None = None
    body: bytes | None = None

    def __getattr__(self, argument: str) -> Any:
        try:
            return self.arguments[argument]
        except KeyError:
            raise AttributeError(argument) from None


class Answers:
    """Decodes what a session says."""

    def __init__(self) -> None:
        self.frame_bytes_max = FRAME_BYTES_MAX
        self.longest_frame_bytes = 0
        self._octets = b""
        self._open: dict[int, tuple[Answer, int]] = {}

    def feed(self, octets: bytes) -> list[Answer]:
        octets = self._octets + octets
        answers = []
        at = 0
        while len(octets) - at >= 8:
            size = int.from_bytes(octets[at + 3 : at + 7], "big") + 8
            if at + size > len(octets):
                break
            assert size <= self.frame_bytes_max, "a frame longer than negotiated"
            self.longest_frame_bytes = max(self.longest_frame_bytes, size)
            _, channel, value = frame.unmarshal(octets[at : at + size])
            at += size
            answers += self._frame(channel, value)
        self._octets = octets[at:]
        return answers

    @property
    def whole(self) -> bool:
        """Nothing has begun that has not ended."""
        return not self._octets and not self._open

    def _frame(self, channel: int, value: Any) -> Iterator[Answer]:
        if isinstance(value, header.ContentHeader):
            answer, _ = self._open.pop(channel)
            answer = answer._replace(properties=_properties(value.properties), body=b"")
            yield from self._progress(answer, value.body_size)
        elif isinstance(value, body.ContentBody):
            answer, missing = self._open.pop(channel)
            assert answer.body is not None
            answer = answer._replace(body=answer.body + value.value)
            yield from self._progress(answer, missing - len(value.value))
        elif isinstance(value, heartbeat.Heartbeat):
            assert channel == 0
            yield Answer(0, "Heartbeat", {})
        else:
            answer = Answer(channel, value.name, dict(value))
            if value.name in ("Basic.Deliver", "Basic.GetOk", "Basic.Return"):
                assert channel not in self._open, "a method in the middle of content"
                self._open[channel] = (answer, 0)
            else:
                yield answer

    def _progress(self, answer: Answer, missing: int) -> Iterator[Answer]:
        assert missing >= 0, "more body than announced"
        if missing:
            self._open[answer.channel] = (answer, missing)
        else:
            yield answer


def _properties(value: Any) -> dict[str, Any]:
    return {name: got for name, got in dict(value).items() if got is not None and (name, got) != ("cluster_id", "")}


# -- a client ------------------------------------------------------------------------------------------------


class Client(End):
    """One session and what it has said so far."""

    session: Session

    def __init__(
        self,
        node: Node | None = None,
        limits: AmqpLimits | None = None,
        peer: Peer | None = None,
        identity: Identity | None = None,
        now: float = 100.0,
    ) -> None:
        self.answers = Answers()
        super().__init__(node, peer, now, lambda around: Session(around, limits, identity))

    def decode(self, octets: bytes) -> list[Answer]:
        return self.answers.feed(octets)

    def connect(self, channels: Iterable[int] = (1,), **settings: Any) -> Client:
        """Shake hands and open channels."""
        assert [answer.name for answer in self.send(handshake(**settings))] == [
            "Connection.Start",
            "Connection.Tune",
            "Connection.OpenOk",
        ]
        self.answers.frame_bytes_max = settings.get("frame_max", FRAME_BYTES_MAX)
        for channel in channels:
            assert [a.name for a in self.send(method(Channel.Open(), channel))] == ["Channel.OpenOk"]
        return self

    def call(self, value: base.Frame, channel: int = 1) -> Answer:
        """A method that has exactly one answer."""
        answers = self.send(method(value, channel))
        assert len(answers) == 1, answers
        return answers[0]

    def declare(self, *names: str, **settings: Any) -> Client:
        for name in names:
            assert self.call(Queue.Declare(0, name, **settings)).queue == name
        return self

    def consume(self, queue: str, channel: int = 1, tag: str = "c", **settings: Any) -> Answer:
        """Start consuming; nothing must be waiting in the queue."""
        return self.call(Basic.Consume(0, queue, tag, **settings), channel)

    def depth(self, queue: str) -> int:
        return int(self.call(Queue.Declare(0, queue, passive=True)).message_count)

    def tick(self, seconds: float) -> list[Answer]:
        """Let time pass."""
        self.pass_time(seconds)
        return self.take()


def names(answers: Iterable[Answer]) -> list[str]:
    return [answer.name for answer in answers]


def bodies(answers: Iterable[Answer]) -> list[bytes]:
    return [answer.body for answer in answers if answer.body is not None]


def closed(answers: list[Answer]) -> tuple[int, int, int]:
    """Channel, reply code and method id of the one answer, which must be a close."""
    assert len(answers) == 1, answers
    answer = answers[0]
    assert answer.name in ("Channel.Close", "Connection.Close"), answer
    return answer.channel, answer.reply_code, answer.class_id * 1000 + answer.method_id
