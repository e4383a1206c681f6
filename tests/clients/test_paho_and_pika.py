"""MQTT and AMQP clients of one broker: the same messages, through amq.topic, with all that goes with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pika
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from tests.clients.paho_talk import DEADLINE_SECONDS, V3_1_1, V5, MQTTProtocolVersion, Paho

import menura


@pytest.fixture(scope="module")
def broker() -> Iterator[menura.Broker]:
    with menura.Broker(listen=["mqtt://127.0.0.1:0", "amqp://127.0.0.1:0"]) as broker:
        yield broker


@pytest.fixture
def peer(broker: menura.Broker, name: str) -> Iterator[Paho]:
    with Paho(next(each.port for each in broker.listeners if each.address.scheme == "mqtt"), name) as peer:
        yield peer


@pytest.fixture
def channel(broker: menura.Broker) -> Iterator[Any]:
    connection = pika.BlockingConnection(pika.URLParameters(broker.amqp_url))
    yield connection.channel()
    connection.close()


def bound(channel: Any, key: str) -> str:
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "amq.topic", key)
    return str(queue)


def next_of(channel: Any, queue: str) -> tuple[Any, Any, bytes]:
    for found in channel.consume(queue, inactivity_timeout=DEADLINE_SECONDS):
        assert found[0] is not None, "nothing came"
        channel.basic_ack(found[0].delivery_tag)
        channel.cancel()
        return found  # type: ignore[no-any-return]
    raise AssertionError


@pytest.mark.parametrize(
    ("topic", "key"),
    [
        ("a/b/c", "a.b.c"),
        ("a.b/c", "a/b.c"),
        ("/", "."),
        ("/a//b/", ".a..b."),
        ("a/*/b", "a.\\*.b"),
        ("a/\\*/b", "a.\\\\*.b"),
        ("a*/b", "a*.b"),
        ("$x/y", "$x.y"),
        ("Grüße/ 世界", "Grüße. 世界"),
    ],
)
def test_a_topic_is_a_routing_key_and_the_other_way_round(peer: Paho, channel: Any, topic: str, key: str) -> None:
    queue = bound(channel, "#")
    peer.subscribe(topic, 1)
    peer.publish(topic, b"from mqtt", 1)
    assert next_of(channel, queue)[0].routing_key == key
    assert peer.message().topic == topic
    channel.basic_publish("amq.topic", key, b"from amqp")
    message = peer.message()
    assert (message.topic, message.payload) == (topic, b"from amqp")


@pytest.mark.parametrize(("filter", "pattern"), [("a/+", "a.*"), ("a/#", "a.#"), ("+/b", "*.b"), ("#", "#")])
def test_wildcards_mean_the_same(peer: Paho, channel: Any, filter: str, pattern: str) -> None:
    queue = bound(channel, pattern)
    peer.subscribe(filter, 1)
    channel.basic_publish("amq.topic", "a.b", b"1")
    assert peer.message().topic == "a/b"
    peer.publish("a/b", b"2", 1)
    assert [next_of(channel, queue)[2] for _ in range(2)] == [b"1", b"2"]


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_the_quality_of_service_is_the_delivery_mode(peer: Paho, channel: Any, qos: int) -> None:
    queue = bound(channel, "q")
    peer.publish("q", b"x", qos)
    _, found, _ = next_of(channel, queue)
    assert found.delivery_mode == (2 if qos else 1)
    assert found.headers["x-mqtt-publish-qos"] == qos


@pytest.mark.parametrize(("mode", "qos"), [(None, 0), (1, 0), (2, 1)])
def test_the_delivery_mode_is_the_quality_of_service(peer: Paho, channel: Any, mode: int | None, qos: int) -> None:
    peer.subscribe("q", 2)
    channel.basic_publish("amq.topic", "q", b"x", pika.BasicProperties(delivery_mode=mode))
    assert peer.message().qos == qos


def test_properties_of_a_publish_reach_amqp(peer: Paho, channel: Any) -> None:
    queue = bound(channel, "p")
    found = Properties(PacketTypes.PUBLISH)
    found.PayloadFormatIndicator = 1
    found.ContentType = "text/plain"
    found.ResponseTopic = "replies/me"
    found.CorrelationData = b"id-1"
    found.MessageExpiryInterval = 60
    found.UserProperty = [("name", "value"), ("twice", "1"), ("twice", "2")]
    peer.publish("p", b"x", 1, retain=True, properties=found)
    _, got, _ = next_of(channel, queue)
    assert (got.content_type, got.content_encoding) == ("text/plain", "utf-8")
    assert (got.reply_to, got.correlation_id, got.expiration) == ("replies.me", "id-1", "60000")
    assert (got.headers["name"], got.headers["twice"]) == ("value", "2")
    assert got.headers["x-mqtt-retain"] is True
    assert "x-mqtt-user-properties" in got.headers
    peer.publish("p", b"", 1, retain=True)


def test_correlation_data_that_is_no_text_is_a_header(peer: Paho, channel: Any) -> None:
    queue = bound(channel, "p")
    found = Properties(PacketTypes.PUBLISH)
    found.CorrelationData = b"\xff\x00"
    peer.publish("p", b"x", 1, properties=found)
    _, got, _ = next_of(channel, queue)
    assert got.correlation_id is None
    assert got.headers["x-mqtt-correlation"] == b"\xff\x00"


def test_properties_of_amqp_reach_a_subscriber(peer: Paho, channel: Any) -> None:
    peer.subscribe("p", 1)
    properties = pika.BasicProperties(
        content_type="text/plain",
        content_encoding="utf-8",
        reply_to="replies.me",
        correlation_id="id-1",
        expiration="59500",
        headers={"name": "value", "number": 7, "truth": True, "table": {"a": 1}, "nothing": None},
    )
    channel.basic_publish("amq.topic", "p", b"x", properties)
    got = peer.message().properties
    assert got is not None
    assert (got.PayloadFormatIndicator, got.ContentType) == (1, "text/plain")
    assert (got.ResponseTopic, got.CorrelationData) == ("replies/me", b"id-1")
    assert got.MessageExpiryInterval == 60
    assert got.UserProperty == [("name", "value"), ("number", "7"), ("truth", "true")]


@pytest.mark.parametrize("key", ["a.+", "#", "", "a.#.b"])
def test_a_routing_key_that_is_no_topic_is_not_delivered(peer: Paho, channel: Any, key: str) -> None:
    peer.subscribe("#", 1)
    channel.basic_publish("amq.topic", key, b"no topic")
    channel.basic_publish("amq.topic", "fine", b"x")
    assert peer.message().topic == "fine"


@pytest.mark.parametrize("version", [V3_1_1, V5])
def test_a_call_goes_there_and_back(
    broker: menura.Broker, peer: Paho, channel: Any, name: str, version: MQTTProtocolVersion
) -> None:
    """An AMQP client asks, an MQTT client answers to the topic it is given."""
    replies = bound(channel, f"replies.{name}")
    peer.subscribe(f"calls/{name}", 1)
    channel.basic_publish(
        "amq.topic", f"calls.{name}", b"ping", pika.BasicProperties(reply_to=f"replies.{name}", correlation_id="7")
    )
    asked = peer.message().properties
    assert asked is not None
    found = Properties(PacketTypes.PUBLISH)
    found.CorrelationData = asked.CorrelationData
    peer.publish(asked.ResponseTopic, b"pong", 1, properties=found)
    _, got, body = next_of(channel, replies)
    assert (got.correlation_id, body) == ("7", b"pong")
