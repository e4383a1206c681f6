"""The load over pika: workers on its callback-style connection, requests on the blocking one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import pika
from pika.adapters.select_connection import IOLoop, SelectConnection
from pika.channel import Channel
from pika.exceptions import AMQPConnectionError, ChannelWrongStateError
from tests.durability.load import PREFETCH, Desk, Gone, Worker
from tests.net.peer import DEADLINE_SECONDS

PERSISTENT, TRANSIENT = (pika.BasicProperties(delivery_mode=mode) for mode in (2, 1))
_LOST = (AMQPConnectionError, ChannelWrongStateError)
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _parameters(port: int) -> pika.ConnectionParameters:
    return pika.ConnectionParameters("127.0.0.1", port, blocked_connection_timeout=DEADLINE_SECONDS)


def _or_gone(request: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    @wraps(request)
    def asking(*arguments: Arguments.args, **settings: Arguments.kwargs) -> Result:
        try:
            return request(*arguments, **settings)
        except _LOST as error:
            raise Gone from error

    return asking


class PikaDesk(Desk):
    """Its methods are described in `load`."""

    @_or_gone
    def __init__(self, port: int) -> None:
        self._connection = pika.BlockingConnection(_parameters(port))
        self._channel = self._connection.channel()
        self._channel.tx_select()

    def close(self) -> None:
        with suppress(*_LOST):
            self._connection.close()

    @_or_gone
    def declare_queue(self, name: str, durable: bool) -> None:
        self._channel.queue_declare(name, durable=durable)

    @_or_gone
    def delete_queue(self, name: str) -> None:
        self._channel.queue_delete(name)

    @_or_gone
    def declare_exchange(self, name: str, kind: str, durable: bool) -> None:
        self._channel.exchange_declare(name, kind, durable=durable)

    @_or_gone
    def delete_exchange(self, name: str) -> None:
        self._channel.exchange_delete(name)

    @_or_gone
    def bind(self, queue: str, exchange: str, key: str) -> None:
        self._channel.queue_bind(queue, exchange, key)

    @_or_gone
    def unbind(self, queue: str, exchange: str, key: str) -> None:
        self._channel.queue_unbind(queue, exchange, key)

    @_or_gone
    def publish(self, key: str, body: bytes) -> None:
        self._channel.basic_publish("", key, body, PERSISTENT)

    @_or_gone
    def get(self, queue: str) -> tuple[int, bool, bytes] | None:
        answer, _, body = self._channel.basic_get(queue)
        return None if answer is None else (answer.delivery_tag, answer.redelivered, body)

    @_or_gone
    def ack(self, tag: int) -> None:
        self._channel.basic_ack(tag)

    @_or_gone
    def commit(self) -> None:
        self._channel.tx_commit()


class PikaLine:
    """A worker's connection: one channel to publish on, with confirms, and one to consume on."""

    desk = PikaDesk

    def __init__(self, port: int, worker: Worker) -> None:
        self._worker = worker
        worker.line = self
        self._port = port
        self._publishing: Channel
        self._consuming: Channel

    def run(self) -> None:
        """Work until the broker is gone."""
        loop = IOLoop()
        self._connection = SelectConnection(
            _parameters(self._port),
            on_open_callback=self._opened,
            on_open_error_callback=lambda *_: loop.stop(),
            on_close_callback=lambda *_: loop.stop(),
            custom_ioloop=loop,
        )
        with suppress(*_LOST):
            loop.start()
        loop.close()

    def _opened(self, connection: Any) -> None:
        connection.channel(on_open_callback=self._open_publishing)

    def _open_publishing(self, channel: Channel) -> None:
        self._publishing = channel
        channel.confirm_delivery(self._answered, lambda _: self._connection.channel(on_open_callback=self._consume))

    def _consume(self, channel: Channel) -> None:
        self._consuming = channel
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.basic_consume(self._worker.queue, self._delivered)
        self._worker.fill()

    def _answered(self, answer: Any) -> None:
        if answer.method.NAME == "Basic.Ack":
            self._worker.confirmed(answer.method.delivery_tag, answer.method.multiple)
        else:
            self._worker.refused(answer.method.delivery_tag)
        self._worker.fill()

    def _delivered(self, channel: Channel, delivery: Any, properties: Any, body: bytes) -> None:
        self._worker.delivered(delivery.delivery_tag, delivery.redelivered, body)

    def publish(self, exchange: str, key: str, body: bytes, kept: bool) -> None:
        self._publishing.basic_publish(exchange, key, body, PERSISTENT if kept else TRANSIENT)

    def ack(self, tag: int, multiple: bool) -> None:
        self._consuming.basic_ack(tag, multiple)

    def nack(self, tag: int, multiple: bool, requeue: bool) -> None:
        self._consuming.basic_nack(tag, multiple, requeue)
