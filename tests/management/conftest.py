"""A broker with the HTTP API for each file of tests, and a RabbitMQ to compare it with, where one runs."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from tests.management.http_client import Client

import menura

RABBITMQ_PORT = 15672


@pytest.fixture(scope="module")
def api_broker() -> Iterator[menura.Broker]:
    with menura.Broker(listen=["amqp://127.0.0.1:0", "http://127.0.0.1:0"]) as broker:
        yield broker


@pytest.fixture(scope="module")
def api(api_broker: menura.Broker) -> Client:
    """The API as its administrator."""
    return Client(http_port(api_broker))


def http_port(broker: menura.Broker) -> int:
    return next(listener.port for listener in broker.listeners if listener.address.scheme == "http")


@pytest.fixture(scope="session")
def rabbitmq() -> Client:
    """The API of a RabbitMQ on this machine."""
    client = Client(RABBITMQ_PORT)
    try:
        answer = client.get("/overview")
    except OSError:
        pytest.skip("no RabbitMQ with its management plugin runs here")
    if answer.status != 200 or answer.json.get("product_name") != "RabbitMQ":
        pytest.skip("what runs here is no RabbitMQ that lets guest in")
    return client


@pytest.fixture
def unique() -> str:
    """A name that nobody else has, here or there."""
    return f"menura-{uuid4().hex[:12]}"
