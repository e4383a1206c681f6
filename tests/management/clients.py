"""A broker that speaks everything, for tests of what the API says of clients, and the ways to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pika
from tests.management.http_client import Client

import menura

DEADLINE_SECONDS = 30.0
LISTEN = tuple(f"{scheme}://127.0.0.1:0" for scheme in ("amqp", "mqtt", "stomp", "mqtt+ws", "http"))


def port_of(broker: menura.Broker, scheme: str) -> int:
    return next(listener.port for listener in broker.listeners if listener.address.scheme == scheme)


def api_of(broker: menura.Broker) -> Client:
    return Client(port_of(broker, "http"))


@contextmanager
def connected(port: int, user: str = "guest", vhost: str = "/", **properties: Any) -> Iterator[pika.BlockingConnection]:
    """A connection of pika's, closed at the end if it is still open."""
    parameters = pika.ConnectionParameters(
        "127.0.0.1",
        port,
        vhost,
        pika.PlainCredentials(user, "guest"),
        client_properties=properties,
        heartbeat=600,
    )
    connection = pika.BlockingConnection(parameters)
    try:
        yield connection
    finally:
        if connection.is_open:
            connection.close()


def escaped(name: str) -> str:
    return quote(name, safe="")


def awaited(api: Client, path: str, wanted: Callable[[Any], object]) -> Any:
    """What a path answers, once it is as wanted. RabbitMQ takes some seconds to tell of what has happened."""
    end, pause = time.monotonic() + DEADLINE_SECONDS, threading.Event()
    while True:
        answer = api.get(path)
        if answer.status == 200 and wanted(answer.json):
            return answer.json
        assert time.monotonic() < end, f"not within {DEADLINE_SECONDS} s: {path} is {answer}"
        pause.wait(0.02)
