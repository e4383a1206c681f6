"""Clients of AMQP, MQTT and STOMP that publish and tell of messages in the words of docs/protocols/mapping.md.

What goes with a message is a dict: of properties in AMQP and MQTT (`header.NAME`, `user_property.NAME` one by one), of
headers in STOMP. The clients live as long as a module's tests and listen to everything; a message is known by its body.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pika
import stomp
from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from tests.clients.paho_talk import DEADLINE_SECONDS, V3_1_1, V5, Paho
from tests.clients.stomp_talk import Inbox

import menura

Found = dict[str, Any]

NAMES = {
    "content_type": "ContentType",
    "payload_format_indicator": "PayloadFormatIndicator",
    "response_topic": "ResponseTopic",
    "correlation_data": "CorrelationData",
    "expiry": "MessageExpiryInterval",
}


class Amqp:
    def __init__(self, broker: menura.Broker) -> None:
        self.connection = pika.BlockingConnection(pika.URLParameters(broker.amqp_url))
        self.channel: Any = self.connection.channel()

    def listen(self, key: str) -> str:
        queue = str(self.channel.queue_declare("", exclusive=True).method.queue)
        self.channel.queue_bind(queue, "amq.topic", key)
        return queue

    def publish(self, key: str, body: bytes, given: Found) -> None:
        fields = {name: value for name, value in given.items() if not name.startswith("header.")}
        headers = {name[7:]: value for name, value in given.items() if name.startswith("header.")}
        self.channel.basic_publish("amq.topic", key, body, pika.BasicProperties(headers=headers or None, **fields))

    def deliveries(self, queue: str) -> Iterator[tuple[Any, Any, bytes]]:
        """Whatever comes next."""
        while True:
            consuming = self.channel.consume(queue, inactivity_timeout=DEADLINE_SECONDS)
            delivery = next(consuming)
            assert delivery[0] is not None, "nothing came"
            self.channel.basic_ack(delivery[0].delivery_tag)
            self.channel.cancel()
            yield delivery

    def message(self, queue: str, body: bytes) -> tuple[str, Found]:
        """The routing key and the properties of the message with this body."""
        method, properties, _ = next(each for each in self.deliveries(queue) if each[2] == body)
        found = {name: value for name, value in vars(properties).items() if value is not None and name != "headers"}
        return method.routing_key, found | {f"header.{name}": v for name, v in (properties.headers or {}).items()}


class Mqtt:
    def __init__(self, broker: menura.Broker, client_id: str, version: Any) -> None:
        self.peer = Paho(port_of(broker, "mqtt"), client_id, version)
        self.version = version

    def publish(self, topic: str, body: bytes, given: Found) -> None:
        settings = {name: given[name] for name in ("qos", "retain") if name in given}
        if self.version == V5:
            properties = Properties(PacketTypes.PUBLISH)
            for name, value in given.items():
                if name in NAMES:
                    setattr(properties, NAMES[name], value)
                elif name.startswith("user_property."):
                    texts = value if isinstance(value, list) else [value]
                    properties.UserProperty = [(name.removeprefix("user_property."), text) for text in texts]
            settings["properties"] = properties
        self.peer.publish(topic, body, **settings)

    def until(self, body: bytes) -> list[MQTTMessage]:
        """All messages up to the one with this body."""
        messages = [self.peer.message()]
        while messages[-1].payload != body:
            messages.append(self.peer.message())
        return messages

    def message(self, body: bytes) -> tuple[str, Found]:
        """Topic, flags and properties of the message with this body."""
        message = self.until(body)[-1]
        found: Found = {"qos": message.qos} | ({"retain": True} if message.retain else {})
        for name, value in (message.properties.json() if message.properties else {}).items():
            if name == "UserProperty":
                for key, text in message.properties.UserProperty:
                    before = found.get(f"user_property.{key}")
                    found[f"user_property.{key}"] = text if before is None else [before, text]
            else:
                (ours,) = [key for key, theirs in NAMES.items() if theirs == name]
                found[ours] = getattr(message.properties, name, value)
        return message.topic, found


class Stomp:
    OF_THE_DELIVERY = ("subscription", "destination", "message-id", "redelivered", "ack", "content-length")

    def __init__(self, broker: menura.Broker) -> None:
        hosts = [("127.0.0.1", port_of(broker, "stomp"))]
        self.connection = stomp.Connection12(hosts, vhost="/", auto_decode=False, auto_content_length=True)
        self.inbox = Inbox()
        self.connection.set_listener("inbox", self.inbox)
        self.connection.connect("guest", "guest", wait=True)
        self.ids = map(str, itertools.count())

    def listen(self, destination: str) -> str:
        """The subscription's id."""
        id = next(self.ids)
        self.connection.subscribe(destination, id=id, headers={"receipt": f"sub-{id}"})
        assert self.inbox.receipt() == f"sub-{id}"
        return id

    def publish(self, destination: str, body: bytes, given: Found) -> None:
        self.connection.send(destination, body, headers=dict(given))

    def message(self, id: str, body: bytes) -> tuple[str, Found]:
        """Destination and headers of the message with this body."""
        while (frame := self.inbox.message()).body != body or frame.headers["subscription"] != id:
            pass
        headers = {name: value for name, value in frame.headers.items() if name not in self.OF_THE_DELIVERY}
        return frame.headers["destination"], headers


class Clients:
    """One broker with clients of every protocol."""

    def __init__(self, broker: menura.Broker) -> None:
        self.amqp, self.stomp = Amqp(broker), Stomp(broker)
        self.mqtt, self.mqtt_3 = Mqtt(broker, "me", V5), Mqtt(broker, "me-3", V3_1_1)
        self.queue = self.amqp.listen("#")
        self.subscription = self.stomp.listen("/topic/#")
        for each in (self.mqtt, self.mqtt_3):
            each.peer.subscribe("#", 2)
        self.bodies = (b"body %d" % number for number in itertools.count())

    def close(self) -> None:
        self.amqp.connection.close()
        self.stomp.connection.disconnect()
        for each in (self.mqtt, self.mqtt_3):
            each.peer.close()


def port_of(broker: menura.Broker, scheme: str) -> int:
    return next(listener.port for listener in broker.listeners if listener.address.scheme == scheme)
