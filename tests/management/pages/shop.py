"""A small shop on a broker, so that pages have something to show: every protocol, and names that want escaping."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

import pika

import menura

EVIL = "<img src=x onerror=alert(1)>\"'&"


class Shop:
    """Exchanges and queues; `publishing` keeps sending orders from a thread of its own."""

    def __init__(self, url: str, name: str = "shop") -> None:
        self.url = url
        self._connection, self.channel = self._connect(name)
        self.channel.exchange_declare("orders", "topic", durable=True)
        self.channel.exchange_declare("dead", "fanout", durable=True)
        self.channel.queue_declare("orders.dead", durable=True)
        self.channel.queue_bind("orders.dead", "dead")
        dead = {"x-dead-letter-exchange": "dead", "x-max-length": 100_000}
        for name in ("orders.eu", "orders.us"):
            self.channel.queue_declare(name, durable=True, arguments=dead)
            self.channel.queue_bind(name, "orders", f"order.{name[-2:]}.*")
        self._over = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._connection.close()

    def _connect(self, name: str) -> tuple[Any, Any]:
        parameters = pika.URLParameters(self.url)
        parameters.client_properties = {"connection_name": name}
        # It says nothing while a test is busy with the pages.
        parameters.heartbeat = 0
        connection = pika.BlockingConnection(parameters)
        return connection, connection.channel()

    def publish(self, key: str, body: bytes, **properties: Any) -> None:
        self.channel.basic_publish("orders", key, body, pika.BasicProperties(**properties))

    @contextmanager
    def publishing(self, key: str) -> Iterator[None]:
        """Some ten orders a second, so that they are soon taken even if it goes on for long."""
        over = threading.Event()

        def run() -> None:
            connection, channel = self._connect("web")
            number = 0
            while not over.is_set():
                number += 1
                body = b'{"order": %d, "items": [{"sku": "A-%d"}]}' % (number, number % 7)
                channel.basic_publish("orders", key, body, pika.BasicProperties(content_type="application/json"))
                connection.process_data_events(0.02)
            connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    @contextmanager
    def consuming(self, queue: str) -> Iterator[None]:
        """A worker that acknowledges at once."""
        connection, channel = self._connect("worker")
        channel.basic_qos(prefetch_count=50)
        channel.basic_consume(queue, lambda channel, method, *_: channel.basic_ack(method.delivery_tag))
        thread = threading.Thread(target=channel.start_consuming)
        thread.start()
        try:
            yield
        finally:
            connection.add_callback_threadsafe(channel.stop_consuming)
            thread.join()
            with suppress(pika.exceptions.AMQPError):
                connection.close()


def evil_names(broker: menura.Broker) -> None:
    """Somebody names things so that a careless page would run them."""
    shop = Shop(broker.amqp_url)
    with shop:
        shop.channel.exchange_declare(EVIL, "fanout")
        shop.channel.queue_declare(EVIL)
        shop.channel.queue_bind(EVIL, EVIL, EVIL)
        headers = {EVIL: EVIL}
        properties = pika.BasicProperties(content_type=EVIL, headers=headers)
        shop.channel.basic_publish("", EVIL, EVIL.encode(), properties)
