"""A blocking AMQP connection with one channel: the handshake and the calls that set a scenario up.

The steady state of a scenario does not go through here: it takes `sock` and moves prebuilt bytes. No
heartbeats are asked for, so the broker sends nothing by itself and deliveries follow each other without a
gap. Frames are read exactly, never beyond, so `sock` may be handed over after any call.
"""

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from menura.bench import wire
from menura.bench.confirms import Confirms
from menura.bench.errors import BenchError, BrokerClosedError

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is: `scheme://user:password@host:port/vhost`, every part but the scheme optional."""

    host: str
    port: int
    user: str
    password: str
    vhost: str

    @classmethod
    def parse(cls, url: str, scheme: str = "amqp", port: int = 5672) -> Self:
        parts = urlsplit(url)
        if parts.scheme != scheme:
            raise BenchError(f"{url!r}: the address must begin with {scheme}://")
        return cls(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or port,
            user=unquote(parts.username or "guest"),
            password=unquote(parts.password or "guest"),
            vhost=unquote(parts.path[1:]) or "/",
        )

    def connect(self) -> socket.socket:
        try:
            sock = socket.create_connection((self.host, self.port), TIMEOUT_SECONDS)
        except OSError as error:
            raise BenchError(f"nothing answers at {self.host}:{self.port}: {error}") from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock


class Connection:
    """An open connection; channel 1 is open too unless `channel=False`."""

    def __init__(self, address: Address, *, channel: bool = True) -> None:
        self.address = address
        self.frame_bytes = wire.FRAME_BYTES_DEFAULT
        self.sock = address.connect()
        try:
            self._handshake()
            if channel:
                self.open_channel()
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()

    def _handshake(self) -> None:
        self.sock.sendall(wire.PROTOCOL_HEADER)
        start = self._await(wire.CONNECTION_START)
        self.product = wire.text_field(start, "product") or "unnamed"
        self.version = wire.text_field(start, "version") or ""
        plain = f"\x00{self.address.user}\x00{self.address.password}".encode()
        capabilities = {"publisher_confirms": True, "basic.nack": True, "authentication_failure_close": True}
        client = wire.table({"product": "menura bench", "capabilities": capabilities})
        login = client + wire.short_string("PLAIN") + wire.long_string(plain) + wire.short_string("en_US")
        tune = self.call(wire.CONNECTION_START_OK, login, wire.CONNECTION_TUNE, channel=0)
        channels, frame_bytes = struct.unpack_from(">HI", tune)
        self.frame_bytes = min(frame_bytes or wire.FRAME_BYTES_DEFAULT, wire.FRAME_BYTES_DEFAULT)
        tuned = struct.pack(">HIH", channels, self.frame_bytes, 0)
        self.sock.sendall(wire.method(wire.CONNECTION_TUNE_OK, tuned, channel=0))
        vhost = wire.short_string(self.address.vhost) + b"\x00\x00"
        self.call(wire.CONNECTION_OPEN, vhost, wire.CONNECTION_OPEN_OK, channel=0)

    def open_channel(self) -> None:
        self.call(wire.CHANNEL_OPEN, b"\x00", wire.CHANNEL_OPEN_OK)

    def call(self, index: wire.Index, arguments: bytes, reply: wire.Index, *, channel: int = 1) -> bytes:
        """Send a method, wait for its answer and give the answer's arguments."""
        self.sock.sendall(wire.method(index, arguments, channel))
        return self._await(reply)

    def _await(self, expected: wire.Index) -> bytes:
        head = self._read(7)
        if head.startswith(b"AMQP"):
            raise BrokerClosedError("the broker speaks another version of AMQP")
        payload = self._read(struct.unpack_from(">I", head, 3)[0] + 1)[:-1]
        if reason := wire.close_reason(head + payload):
            raise BrokerClosedError(reason)
        index = struct.unpack_from(">HH", payload)
        if index != expected:
            raise BenchError(f"expected method {expected}, the broker sent {index}")
        return payload[4:]

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                part = self.sock.recv(count - len(data))
            except TimeoutError as error:
                raise BenchError(f"the broker did not answer in {TIMEOUT_SECONDS:.0f} s") from error
            if not part:
                raise BrokerClosedError("the broker closed the connection without a reason")
            data += part
        return data

    def declare_queue(
        self, name: str, *, durable: bool = False, arguments: Mapping[str, wire.Value] = wire.NO_ARGUMENTS
    ) -> int:
        """Declare a queue; the answer is how many messages it holds."""
        reply = self.call(
            wire.QUEUE_DECLARE, wire.queue_declare(name, durable=durable, arguments=arguments), wire.QUEUE_DECLARE_OK
        )
        messages: int = struct.unpack_from(">I", reply, 1 + reply[0])[0]
        return messages

    def delete_queue(self, name: str) -> None:
        self.call(wire.QUEUE_DELETE, wire.queue_delete(name), wire.QUEUE_DELETE_OK)

    def declare_exchange(
        self,
        name: str,
        kind: str,
        *,
        durable: bool = False,
        arguments: Mapping[str, wire.Value] = wire.NO_ARGUMENTS,
    ) -> None:
        strings = wire.short_string(name) + wire.short_string(kind)
        flags = bytes((durable << 1,))
        self.call(
            wire.EXCHANGE_DECLARE, b"\x00\x00" + strings + flags + wire.table(arguments), wire.EXCHANGE_DECLARE_OK
        )

    def delete_exchange(self, name: str) -> None:
        self.call(wire.EXCHANGE_DELETE, b"\x00\x00" + wire.short_string(name) + b"\x00", wire.EXCHANGE_DELETE_OK)

    def bind(self, queue: str, exchange: str, key: str) -> None:
        self.call(wire.QUEUE_BIND, wire.queue_bind(queue, exchange, key), wire.QUEUE_BIND_OK)

    def consume(self, queue: str, *, no_ack: bool) -> None:
        strings = wire.short_string(queue) + wire.short_string("c")
        arguments = b"\x00\x00" + strings + bytes((no_ack << 1,)) + wire.table({})
        self.call(wire.BASIC_CONSUME, arguments, wire.BASIC_CONSUME_OK)

    def prefetch(self, count: int) -> None:
        self.call(wire.BASIC_QOS, struct.pack(">IHB", 0, count, 0), wire.BASIC_QOS_OK)

    def select_confirms(self) -> Confirms:
        self.call(wire.CONFIRM_SELECT, b"\x00", wire.CONFIRM_SELECT_OK)
        return Confirms()

    def unasked(self, data: bytes) -> None:
        raise BrokerClosedError(wire.close_reason(data) or "the broker closed the publisher's connection")
