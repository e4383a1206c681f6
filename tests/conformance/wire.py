"""A raw AMQP 0-9-1 client for tests: sends what it is told, shows what comes back.

Frames are built and read by pamqp, a codec that shares no code with the broker under test, over a plain
blocking socket. Nothing is checked on the way out: a test may send methods in any order, on any channel, or
plain bytes (see `frames`).

What the broker answers is turned into one line of text per method, with the channel in front and the content
(header and body frames) joined to its method, so that a test compares whole answers as text:

    1 Queue.DeclareOk(queue='q', message_count=0, consumer_count=0)
    1 Channel.Close(404, "NOT_FOUND - no queue 'q' in vhost '/'", 50.10)
    1 Basic.Deliver(consumer_tag='c', delivery_tag=1, ...) {priority=3} b'hello'
    closed

The end of the TCP connection is the line `closed`. Names that differ from run to run are shown as the test
calls them: `rename` sees every line.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from pamqp import base, body, header, heartbeat
from pamqp.commands import Basic, Channel, Connection, Exchange, Queue
from tests.conformance.frames import FRAME_OVERHEAD, PROTOCOL_HEADER, content, decode, on, plain

ANSWER_SECONDS_MAX = 25.0
CLOSED = "closed"
SILENCE = "silence"
EXCHANGE_DECLARED = "1 Exchange.DeclareOk()"
CAPABILITIES = {
    "authentication_failure_close": True,
    "basic.nack": True,
    "connection.blocked": True,
    "consumer_cancel_notify": True,
    "exchange_exchange_bindings": True,
    "publisher_confirms": True,
}
# Reserved fields: pamqp gives each its own idea of empty, and the specification wants them ignored.
UNUSED = ("ticket", "channel_id", "known_hosts", "cluster_id")

Sendable = base.Frame | bytes


def _arguments(method: base.Frame) -> str:
    if isinstance(method, Connection.Close | Channel.Close):
        return f"{method.reply_code}, {method.reply_text!r}, {method.class_id}.{method.method_id}"
    return ", ".join(f"{name}={value!r}" for name, value in method if name not in UNUSED)


def _properties(head: header.ContentHeader) -> str:
    values = [f"{name}={value!r}" for name, value in head.properties if value is not None and name != "cluster_id"]
    return "{" + ", ".join(values) + "}"


def _matches(expected: str, line: str) -> bool:
    """Whether the line is the expected one, in which `...` stands for anything."""
    return line == expected or re.fullmatch(re.escape(expected).replace(r"\.\.\.", ".*"), line, re.DOTALL) is not None


class Client:
    """One TCP connection to the broker under test."""

    def __init__(
        self,
        url: str,
        rename: Callable[[str], str] = str,
        answers: Callable[[Sequence[str]], Sequence[str]] = list,
    ) -> None:
        """`answers` turns what `expect_differing` expects into what this broker is known to answer."""
        parts = urlsplit(url)
        self.user = unquote(parts.username or "guest")
        self.password = unquote(parts.password or "guest")
        self.vhost = unquote(parts.path[1:]) or "/"
        self.version = ""
        # Methods that delete what may outlive the connection.
        self.leftovers: list[base.Frame] = []
        self._rename = rename
        self._answers = answers
        self._socket = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5672), 5)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self._ended = False

    def close(self) -> None:
        if not self._ended:
            self.send(Connection.Close(200, "", 0, 0), channel=0)
        self._socket.close()

    def lose(self) -> None:
        """End the TCP connection without a word."""
        self._ended = True
        self._socket.close()

    # -- sending -------------------------------------------------------------------------------------------

    def send(self, *things: Sendable, channel: int = 1) -> None:
        """Send methods (on `channel`) and bytes (as they are) in one write."""
        data = b""
        for thing in things:
            self._note(thing)
            data += thing if isinstance(thing, bytes) else on(channel, thing)
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the broker has closed: what it said before that is still to be read

    def _note(self, thing: Sendable) -> None:
        """Remember how to delete what this may create."""
        if isinstance(thing, Queue.Declare):
            if thing.queue and not (thing.exclusive or thing.passive or thing.queue.startswith("amq.")):
                self.leftovers.append(Queue.Delete(queue=thing.queue, nowait=True))
        elif isinstance(thing, Exchange.Declare):
            if thing.exchange and not (thing.passive or thing.exchange.startswith("amq.")):
                self.leftovers.append(Exchange.Delete(exchange=thing.exchange, nowait=True))

    def publish(
        self,
        routing_key: str,
        payload: bytes = b"m",
        *,
        exchange: str = "",
        channel: int = 1,
        mandatory: bool = False,
        **properties: Any,
    ) -> None:
        method = Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory)
        self.send(method, content(payload, channel, **properties), channel=channel)

    # -- receiving -----------------------------------------------------------------------------------------

    def frame(self, seconds: float = ANSWER_SECONDS_MAX) -> tuple[int, Any] | None:
        """The next frame with its channel; None at the end of the connection."""
        data = self.frame_bytes(seconds)
        return decode(data) if data else None

    def frame_bytes(self, seconds: float = ANSWER_SECONDS_MAX) -> bytes:
        """The next frame as it came; nothing at the end of the connection."""
        deadline = time.monotonic() + seconds
        while True:
            whole = self._whole_frame_bytes()
            if whole:
                data, self._buffer = self._buffer[:whole], self._buffer[whole:]
                return data
            if self._ended:
                return b""
            self._receive(deadline - time.monotonic())

    def _whole_frame_bytes(self) -> int:
        """How long the first frame of the buffer is; 0 if it is not all there yet."""
        if self._buffer[:4] == b"AMQP":
            length = len(PROTOCOL_HEADER)
        elif len(self._buffer) < FRAME_OVERHEAD:
            return 0
        else:
            length = FRAME_OVERHEAD + int(struct.unpack_from(">I", self._buffer, 3)[0])
        return length if len(self._buffer) >= length else 0

    def _receive(self, seconds: float) -> None:
        if seconds <= 0:
            raise TimeoutError("no answer")
        self._socket.settimeout(seconds)
        try:
            data = self._socket.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        self._buffer += data
        self._ended = not data

    def method(self, seconds: float = ANSWER_SECONDS_MAX) -> tuple[int, Any, Any, bytes]:
        """The next method: its channel, itself, its content header (or None) and its whole body."""
        got = self.frame(seconds)
        if got is None:
            return 0, None, None, b""
        channel, value = got
        if not isinstance(value, Basic.Deliver | Basic.GetOk | Basic.Return):
            return channel, value, None, b""
        head = self._frame_of(header.ContentHeader, channel)
        payload = b""
        while len(payload) < head.body_size:
            payload += self._frame_of(body.ContentBody, channel).value
        return channel, value, head, payload

    def _frame_of(self, kind: type, channel: int) -> Any:
        got = self.frame()
        assert got is not None, f"{kind.__name__} expected, but the connection ended"
        assert isinstance(got[1], kind), f"{kind.__name__} expected, got {got}"
        assert got[0] == channel, f"content of channel {channel} on channel {got[0]}"
        return got[1]

    def line(self, seconds: float = ANSWER_SECONDS_MAX) -> str:
        """The next method with its content, as text."""
        return self.show(*self.method(seconds))

    def line_or_silence(self, seconds: float = ANSWER_SECONDS_MAX) -> str:
        try:
            return self.line(seconds)
        except TimeoutError:
            return SILENCE

    def show(self, channel: int, value: Any, head: Any = None, payload: bytes = b"") -> str:
        if value is None:
            return CLOSED
        if isinstance(value, heartbeat.Heartbeat):
            return f"{channel} heartbeat"
        if isinstance(value, header.ProtocolHeader):
            return f"AMQP {value.major_version} {value.minor_version} {value.revision}"
        if not isinstance(value, base.Frame):
            return f"{channel} {value!r}"
        text = f"{channel} {value.name}({_arguments(value)})"
        if head is not None:
            text += f" {_properties(head)} {payload!r}"
        return self._rename(re.sub(r"amq\.(gen|ctag)-[\w-]{22}", r"amq.\1-*", text))

    # -- comparing -----------------------------------------------------------------------------------------

    def expect(self, *expected: str) -> None:
        """The broker's next answers are these, in this order; `...` in them stands for anything."""
        got: list[str] = []
        for pattern in expected:
            line = self.line_or_silence()
            got.append(pattern if _matches(pattern, line) else line)
            if line in (CLOSED, SILENCE):
                break
        assert got == list(expected)

    def expect_differing(self, *expected: str) -> None:
        """As `expect`, in a case that stands in `differences`: an older broker has another answer."""
        self.expect(*self._answers(expected))

    def ask(self, thing: Sendable, *expected: str) -> None:
        """Send, then expect."""
        self.send(thing)
        self.expect(*expected)

    def expect_nothing(self, queue: str = "", channel: int = 1) -> None:
        """Nothing has come, and nothing of what has been sent so far is on its way.

        A method that changes nothing is answered in turn, so whatever the channel had to say precedes the
        answer. What a queue had to say has reached the channel when that queue has been asked.
        """
        got = []
        if queue:
            self.send(Queue.Declare(queue=queue, passive=True), channel=channel)
            while "Queue.DeclareOk(" not in (line := self.line()) and line != CLOSED:
                got.append(line)
        self.send(Basic.Cancel("no such consumer"), channel=channel)
        while "Basic.CancelOk(" not in (line := self.line()) and line != CLOSED:
            got.append(line)
        assert (got, line) == ([], f"{channel} Basic.CancelOk(consumer_tag='no such consumer')")

    # -- the usual beginnings ------------------------------------------------------------------------------

    def start(self) -> Connection.Start:
        self.send(PROTOCOL_HEADER)
        got = self.frame()
        assert got is not None, "the broker closed instead of sending connection.start"
        assert isinstance(got[1], Connection.Start), got
        self.version = got[1].server_properties["version"]
        return got[1]

    def start_ok(
        self, mechanism: str = "PLAIN", response: str | None = None, capabilities: dict[str, bool] = CAPABILITIES
    ) -> Connection.StartOk:
        """The method, not yet sent."""
        properties: Any = {"product": "wire", "capabilities": capabilities}
        if response is None:
            response = plain(self.user, self.password)
        return Connection.StartOk(properties, mechanism, response, "en_US")

    def login(self, frame_max: int = 131072, heartbeat: int = 0, channel_max: int = 2047, **start: Any) -> Client:
        """Everything up to connection.open-ok."""
        self.start()
        self.send(self.start_ok(**start), channel=0)
        self.expect("0 Connection.Tune(channel_max=2047, frame_max=131072, heartbeat=60)")
        self.send(Connection.TuneOk(channel_max, frame_max, heartbeat), Connection.Open(self.vhost), channel=0)
        self.expect("0 Connection.OpenOk()")
        return self

    def open_channel(self, channel: int = 1) -> Client:
        self.send(Channel.Open(), channel=channel)
        self.expect(f"{channel} Channel.OpenOk()")
        return self

    def queue(self, name: str, **arguments: Any) -> None:
        """Declare an exclusive queue on channel 1."""
        method = Queue.Declare(queue=name, exclusive=True, arguments=arguments or None)
        self.ask(method, self._rename(f"1 Queue.DeclareOk(queue={name!r}, message_count=0, consumer_count=0)"))

    def exchange(self, name: str, kind: str = "direct", **arguments: Any) -> None:
        """Declare an exchange on channel 1."""
        self.ask(Exchange.Declare(exchange=name, exchange_type=kind, arguments=arguments or None), EXCHANGE_DECLARED)

    def bind(self, queue: str, exchange: str, routing_key: str = "", arguments: Any = None) -> None:
        method = Queue.Bind(queue=queue, exchange=exchange, routing_key=routing_key, arguments=arguments)
        self.ask(method, "1 Queue.BindOk()")

    def bind_exchange(self, destination: str, source: str, routing_key: str = "") -> None:
        method = Exchange.Bind(destination=destination, source=source, routing_key=routing_key)
        self.ask(method, "1 Exchange.BindOk()")

    def consume(self, queue: str, tag: str = "c", **options: Any) -> None:
        method = Basic.Consume(queue=queue, consumer_tag=tag, **options)
        self.ask(method, f"1 Basic.ConsumeOk(consumer_tag={tag!r})")

    def bodies(self, queue: str) -> list[bytes]:
        """Take everything a queue holds."""
        got = []
        while True:
            self.send(Basic.Get(queue=queue, no_ack=True))
            _, method, _, payload = self.method()
            if isinstance(method, Basic.GetEmpty):
                return got
            assert isinstance(method, Basic.GetOk), method
            got.append(payload)
