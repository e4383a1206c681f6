"""Clients of every protocol are traced, in the same words."""

from __future__ import annotations

from typing import Any

import pika
import pytest
import stomp
from tests.clients.paho_talk import Paho
from tests.clients.stomp_talk import Inbox
from tests.net.peer import eventually

import menura

LISTEN = ["amqp://127.0.0.1:0", "mqtt://127.0.0.1:0", "stomp://127.0.0.1:0"]


@pytest.fixture
def broker() -> Any:
    with menura.Broker(listen=LISTEN) as broker:
        connection = pika.BlockingConnection(pika.URLParameters(broker.amqp_url))
        channel = connection.channel()
        channel.queue_declare("copies")
        channel.queue_bind("copies", "amq.rabbitmq.trace", "#")
        broker.trace_on()
        yield broker
        connection.close()


def port(broker: menura.Broker, scheme: str) -> int:
    return next(listener.port for listener in broker.listeners if listener.address.scheme == scheme)


def copies(broker: menura.Broker, count: int) -> list[tuple[str, bytes, Any]]:
    """Key, body and user of the copies, once there are so many."""
    eventually(lambda: len(broker.peek("copies").messages) >= count)
    return [
        (seen.routing_keys[0], seen.body, (seen.properties.headers or {})["user"])
        for seen in broker.peek("copies").messages
    ]


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_mqtt(broker: menura.Broker, qos: int) -> None:
    with Paho(port(broker, "mqtt"), "me") as client:
        client.subscribe("a/b", qos)
        client.publish("a/b", b"m", qos)
        assert client.message().payload == b"m"
    published, delivered = copies(broker, 2)
    assert published == ("publish.amq.topic", b"m", "guest")
    assert delivered[0].startswith("deliver.mqtt-subscription-me")
    assert delivered[1:] == (b"m", "guest")


def test_stomp(broker: menura.Broker) -> None:
    inbox = Inbox()
    connection = stomp.Connection12([("127.0.0.1", port(broker, "stomp"))], vhost="/")
    connection.set_listener("", inbox)
    connection.connect("guest", "guest", wait=True)
    connection.subscribe("/queue/q", "1")
    connection.send("/queue/q", "m")
    assert inbox.bodies(1) == ["m"]
    assert copies(broker, 2) == [("publish.", b"m", "guest"), ("deliver.q", b"m", "guest")]
    connection.disconnect()
