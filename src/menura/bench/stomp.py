"""STOMP 1.2: one publisher and one subscriber of a queue, messages settled as they are sent (ack:auto).

Frames are encoded ahead. In what the subscriber gets, every broker has its own headers and a number in each message,
so frames are of any length: they are cut at their NULs, which no body of ours has, and must end with a blank line and
the bodies that were sent, in order.
"""

import contextlib
import secrets
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from menura.bench.confirms import Confirms
from menura.bench.connection import TIMEOUT_SECONDS, Address
from menura.bench.errors import BenchError, BrokerClosedError
from menura.bench.expected import READ_BYTES, Stream
from menura.bench.flow import LITTLE_BYTES, Publisher
from menura.bench.mqtt_wire import numbered
from menura.bench.result import Result, Settings
from menura.bench.streams import measure_stream

URL = "stomp://guest:guest@127.0.0.1:61613"
MESSAGES = 256
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", ":": "\\c", "\r": "\\r"})


def frame(command: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """A frame; a body has its length said, as client libraries do."""
    if body:
        headers = {**headers, "content-length": str(len(body))}
    # The headers of CONNECT are never escaped (section "Value Encoding").
    table = {} if command == "CONNECT" else _ESCAPES
    lines = [command, *(f"{name.translate(table)}:{value.translate(table)}" for name, value in headers.items())]
    return "\n".join(lines).encode() + b"\n\n" + body + b"\0"


def error_of(data: bytes) -> str | None:
    """The message of an ERROR frame, if one begins in `data`."""
    begun, found, rest = data.partition(b"ERROR\n")
    if not found or (begun and begun[-1:] not in b"\n\0"):
        return None
    head, _, body = rest.partition(b"\0")[0].partition(b"\n\n")
    message = next((line for line in head.split(b"\n") if line.startswith(b"message:")), b"")
    return b" ".join((message[8:], body)).decode(errors="replace").strip()


class StompConnection:
    """An open connection; the virtual host is that of the address."""

    def __init__(self, address: Address) -> None:
        self.sock = address.connect()
        try:
            login = {"login": address.user, "passcode": address.password, "heart-beat": "0,0"}
            headers = {"accept-version": "1.2", "host": address.vhost, **login}
            self.call(frame("CONNECT", headers), b"CONNECTED\n")
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # gone, or so full that it does not matter
            self.sock.send(frame("DISCONNECT", {}))
        self.sock.close()

    def subscribe(self, queue: str) -> None:
        """To a queue that is made for it and goes with it."""
        declared = {"destination": f"/queue/{queue}", "durable": "true", "auto-delete": "true", "exclusive": "false"}
        self.call(frame("SUBSCRIBE", {"id": "0", "ack": "auto", "receipt": "subscribed", **declared}), b"RECEIPT\n")

    def call(self, data: bytes, command: bytes) -> None:
        """Send a frame and read its answer, which must begin so."""
        self.sock.sendall(data)
        answer = b""
        while not answer.lstrip(b"\n").endswith(b"\0"):
            try:
                part = self.sock.recv(1)
            except TimeoutError as error:
                raise BenchError(f"the broker did not answer in {TIMEOUT_SECONDS:.0f} s") from error
            if not part:
                raise BrokerClosedError("the broker closed the connection without a reason")
            answer += part
        if not answer.lstrip(b"\n").startswith(command):
            raise BrokerClosedError(error_of(answer) or f"the broker sent {answer[:80]!r}")

    def select_confirms(self) -> Confirms:
        raise BenchError("receipts are not measured")

    def unasked(self, data: bytes) -> None:
        if not data or data.strip(b"\n"):  # a line end behind a frame means nothing
            raise BrokerClosedError(error_of(data) or "the broker closed the publisher's connection")


class Subscriber:
    """Receives what is sent to a queue; a subscription is made already."""

    def __init__(self, connection: StompConnection, bodies: list[bytes]) -> None:
        self._sock = connection.sock
        self._sock.setblocking(False)
        self._tails = Stream([b"\n\n" + body for body in bodies])
        self._tail_bytes = len(bodies[0]) + 2
        self._rest = b""
        self.received = 0
        self.has_unsent = self.little = False

    def fileno(self) -> int:
        return self._sock.fileno()

    def on_readable(self) -> None:
        got = self._sock.recv(READ_BYTES)
        if not got:
            raise BrokerClosedError("the broker closed the subscriber's connection")
        *frames, self._rest = (self._rest + got).split(b"\0")
        size = self._tail_bytes
        try:
            self._tails.check(b"".join([each[-size:] for each in frames]), self.received * size)
        except BenchError:
            if reason := error_of(got):
                raise BrokerClosedError(reason) from None
            raise
        self.received += len(frames)
        self.little = len(got) < LITTLE_BYTES

    def on_writable(self) -> None:
        """With ack:auto there is nothing to say."""


def queue_stream(settings: Settings) -> Result:
    address = Address.parse(settings.url, "stomp", 61613)
    queue = f"menura-bench-{secrets.token_hex(4)}"
    bodies = numbered(settings.body_bytes, MESSAGES)
    with ExitStack() as stack:
        receiving = stack.enter_context(StompConnection(address))
        receiving.subscribe(queue)
        subscriber = Subscriber(receiving, bodies)
        sends = [frame("SEND", {"destination": f"/amq/queue/{queue}"}, body) for body in bodies]
        publisher = Publisher(stack.enter_context(StompConnection(address)), sends)
        return measure_stream(settings, publisher, [subscriber])
