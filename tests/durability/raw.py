"""The load over plain sockets: frames are cut and made here, as few octets of work for each as possible.

Methods and headers come from another project's codec, once each; only bodies are wrapped, and only deliveries and
confirms are read, by hand.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from struct import Struct

from pamqp import frame, header
from tests.durability.load import PREFETCH, Desk, Gone, Worker
from tests.net.peer import Peer
from tests.protocols.amqp.memory import (
    FRAME_BYTES_MAX,
    Answer,
    Basic,
    Channel,
    Confirm,
    Exchange,
    Queue,
    Tx,
    ack,
    method,
    publish,
)

PUBLISHING, CONSUMING = 1, 2
_LEAD = Struct(">BHI")
_TAG = Struct(">Q")
_METHOD, _HEADER, _BODY = 1, 2, 3
_DELIVER, _ACK, _NACK = (bytes((0, 60, 0, number)) for number in (60, 80, 120))
_PAYLOAD_BYTES_MAX = FRAME_BYTES_MAX - 8


class Caller(Peer):
    """A peer that may lose its broker at any time."""

    def __init__(self, port: int) -> None:
        try:
            super().__init__(port)
        except OSError as error:
            raise Gone from error

    def send(self, octets: bytes) -> None:
        try:
            super().send(octets)
        except OSError as error:
            raise Gone from error

    def next(self) -> Answer:
        while not self.heard:
            if not self.read():
                raise Gone
        return super().next()


class RawDesk(Desk):
    """Its methods are described in `load`."""

    def __init__(self, port: int) -> None:
        self._peer = Caller(port)
        self._peer.connect().call(Tx.Select())

    def close(self) -> None:
        self._peer.socket.close()

    def declare_queue(self, name: str, durable: bool) -> None:
        self._peer.call(Queue.Declare(0, name, durable=durable))

    def delete_queue(self, name: str) -> None:
        self._peer.call(Queue.Delete(0, name))

    def declare_exchange(self, name: str, kind: str, durable: bool) -> None:
        self._peer.call(Exchange.Declare(0, name, kind, durable=durable))

    def delete_exchange(self, name: str) -> None:
        self._peer.call(Exchange.Delete(0, name))

    def bind(self, queue: str, exchange: str, key: str) -> None:
        self._peer.call(Queue.Bind(0, queue, exchange, key))

    def unbind(self, queue: str, exchange: str, key: str) -> None:
        self._peer.call(Queue.Unbind(0, queue, exchange, key))

    def publish(self, key: str, body: bytes) -> None:
        self._peer.send(publish(key, body, delivery_mode=2))

    def get(self, queue: str) -> tuple[int, bool, bytes] | None:
        self._peer.send(method(Basic.Get(0, queue)))
        answer = self._peer.next()
        if answer.name == "Basic.GetEmpty":
            return None
        assert answer.name == "Basic.GetOk"
        assert answer.body is not None
        return answer.delivery_tag, answer.redelivered, answer.body

    def ack(self, tag: int) -> None:
        self._peer.send(ack(tag))

    def commit(self) -> None:
        self._peer.call(Tx.Commit())


@lru_cache
def _publish_frame(exchange: str, key: str) -> bytes:
    return method(Basic.Publish(0, exchange, key), PUBLISHING)


@lru_cache(4096)
def _header_frame(size_bytes: int, kept: bool) -> bytes:
    properties = Basic.Properties(delivery_mode=2 if kept else 1)
    return frame.marshal(header.ContentHeader(0, size_bytes, properties), PUBLISHING)


def _body_frames(body: bytes) -> bytes:
    pieces = [body[at : at + _PAYLOAD_BYTES_MAX] for at in range(0, len(body), _PAYLOAD_BYTES_MAX)]
    return b"".join([_LEAD.pack(_BODY, PUBLISHING, len(piece)) + piece + b"\xce" for piece in pieces])


class RawLine:
    """A worker's connection: one channel to publish on, with confirms, and one to consume on."""

    desk = RawDesk

    def __init__(self, port: int, worker: Worker) -> None:
        self._worker = worker
        worker.line = self
        self._out: list[bytes] = []
        self._rest = b""
        self._delivery: tuple[int, bool] | None = None
        self._missing = 0
        self._parts: list[bytes] = []
        self._port = port

    def run(self) -> None:
        """Work until the broker is gone."""
        with suppress(Gone), Caller(self._port) as self._peer:
            self._open()
            while True:
                self._worker.fill()
                self._peer.send(b"".join(self._out))
                self._out.clear()
                self._receive(self._read())

    def _open(self) -> None:
        peer = self._peer.connect(PUBLISHING)
        peer.call(Confirm.Select(), PUBLISHING)
        peer.call(Channel.Open(), CONSUMING)
        peer.call(Basic.Qos(0, PREFETCH), CONSUMING)
        # What follows the answer, deliveries at once, is for the reader below.
        peer.send(method(Basic.Consume(0, self._worker.queue, "c", nowait=True), CONSUMING))
        assert not peer.heard
        assert peer.answers.whole

    def _read(self) -> bytes:
        try:
            data = self._peer.socket.recv(1 << 18)
        except ConnectionResetError as error:
            raise Gone from error
        if not data:
            raise Gone
        return data

    # -- frames in -------------------------------------------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        while at + 8 <= size:
            kind, _, payload_bytes = _LEAD.unpack_from(data, at)
            end = at + 8 + payload_bytes
            if end > size:
                break
            if kind == _METHOD:
                self._method(data, at + 7, end - 1)
            elif kind == _HEADER:
                self._missing = _TAG.unpack_from(data, at + 11)[0]
                self._body(b"")
            elif kind == _BODY:
                self._missing -= payload_bytes
                self._body(data[at + 7 : end - 1])
            at = end
        self._rest = data[at:]

    def _method(self, data: bytes, at: int, end: int) -> None:
        name = data[at : at + 4]
        if name == _DELIVER:
            tag_at = at + 5 + data[at + 4]
            self._delivery = _TAG.unpack_from(data, tag_at)[0], bool(data[tag_at + 8])
        elif name == _ACK:
            self._worker.confirmed(_TAG.unpack_from(data, at + 4)[0], bool(data[at + 12]))
        elif name == _NACK:
            self._worker.refused(_TAG.unpack_from(data, at + 4)[0])
        else:
            raise AssertionError(f"the broker says {data[at:end]!r}")

    def _body(self, piece: bytes) -> None:
        self._parts.append(piece)
        if not self._missing:
            assert self._delivery is not None
            tag, redelivered = self._delivery
            body = b"".join(self._parts)
            self._parts.clear()
            self._worker.delivered(tag, redelivered, body)

    # -- frames out ------------------------------------------------------------------------------------------

    def publish(self, exchange: str, key: str, body: bytes, kept: bool) -> None:
        self._out += (_publish_frame(exchange, key), _header_frame(len(body), kept), _body_frames(body))

    def ack(self, tag: int, multiple: bool) -> None:
        self._out.append(ack(tag, CONSUMING, multiple))

    def nack(self, tag: int, multiple: bool, requeue: bool) -> None:
        self._out.append(method(Basic.Nack(tag, multiple, requeue), CONSUMING))
