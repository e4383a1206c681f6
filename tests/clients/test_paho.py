"""paho-mqtt, in all three versions of the protocol, against a broker over TCP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions
from tests.clients.paho_talk import DEADLINE_SECONDS, V3_1, V3_1_1, V5, MQTTProtocolVersion, Paho

import menura

VERSIONS = pytest.mark.parametrize("version", [V3_1, V3_1_1, V5], ids=["3.1", "3.1.1", "5.0"])


def port_of(broker: menura.Broker, scheme: str = "mqtt") -> int:
    return next(listener.port for listener in broker.listeners if listener.address.scheme == scheme)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[menura.Broker]:
    data = str(tmp_path_factory.mktemp("data"))
    with menura.Broker(listen=["mqtt://127.0.0.1:0", "amqp://127.0.0.1:0"], data=data) as broker:
        yield broker


@pytest.fixture
def port(broker: menura.Broker) -> int:
    return port_of(broker)


def properties(kind: int, **values: object) -> Properties:
    found = Properties(kind)
    for name, value in values.items():
        setattr(found, name, value)
    return found


@VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_thousand_messages_arrive_in_order(port: int, name: str, version: MQTTProtocolVersion, qos: int) -> None:
    with Paho(port, f"{name}r", version) as reader, Paho(port, f"{name}w", version) as writer:
        reader.subscribe(f"{name}/+", qos)
        sent = [writer.client.publish(f"{name}/x", b"%d" % number, qos) for number in range(1000)]
        assert [reader.message().payload for _ in range(1000)] == [b"%d" % number for number in range(1000)]
        for each in sent:
            each.wait_for_publish(DEADLINE_SECONDS)
            assert each.is_published()


@VERSIONS
def test_retained_messages_and_wills(port: int, name: str, version: MQTTProtocolVersion) -> None:
    will = {"topic": f"{name}/will", "payload": b"bye", "qos": 1, "retain": True}
    with Paho(port, f"{name}w", version) as writer:
        writer.publish(f"{name}/kept", b"1", 1, retain=True)
        with Paho(port, f"{name}r", version) as reader:
            reader.subscribe(f"{name}/#", 1)
            message = reader.message()
            assert (message.payload, message.retain) == (b"1", True)
            Paho(port, f"{name}x", version, will=will).break_off()
            message = reader.message()
            assert (message.topic, message.payload, message.retain) == (f"{name}/will", b"bye", False)


@VERSIONS
def test_a_session_goes_on_where_it_was(port: int, name: str, version: MQTTProtocolVersion) -> None:
    expiry = properties(PacketTypes.CONNECT, SessionExpiryInterval=100) if version == V5 else None
    with Paho(port, name, version, clean=False, properties=expiry) as reader:
        assert not reader.flags.session_present
        reader.subscribe(name, 2)
    with Paho(port, f"{name}w", version) as writer:
        for number in range(3):
            writer.publish(name, b"%d" % number, 2)
    with Paho(port, name, version, clean=False, properties=expiry) as reader:
        assert reader.flags.session_present is (version != V3_1)
        assert [reader.message().payload for _ in range(3)] == [b"0", b"1", b"2"]
    Paho(port, name, version, clean=True).close()


def test_a_session_outlives_the_broker(tmp_path: Path, name: str) -> None:
    expiry = properties(PacketTypes.CONNECT, SessionExpiryInterval=1000)
    data = str(tmp_path / "data")
    for life in range(2):
        with menura.Broker(listen=["mqtt://127.0.0.1:0"], data=data) as broker:
            with Paho(port_of(broker), name, clean=False, properties=expiry) as reader:
                assert reader.flags.session_present is bool(life)
                if life:
                    assert reader.message().payload == b"waited"
                else:
                    reader.subscribe("a/+", 1)
            with Paho(port_of(broker), f"{name}w") as writer:
                writer.publish("a/b", b"waited", 1)
                writer.publish("kept", b"still", 0, retain=True)
            with Paho(port_of(broker), f"{name}r") as late:
                late.subscribe("kept", 0)
                assert late.message().payload == b"still"


def test_properties_of_version_5_arrive(port: int, name: str) -> None:
    found = properties(
        PacketTypes.PUBLISH,
        PayloadFormatIndicator=1,
        ContentType="text/plain",
        ResponseTopic=f"{name}/replies",
        CorrelationData=b"\x00\xff",
        MessageExpiryInterval=1000,
        UserProperty=[("a", "1"), ("a", "2")],
    )
    with Paho(port, name) as peer:
        peer.subscribe(name, options=SubscribeOptions(qos=1, retainAsPublished=True))
        peer.publish(name, b"x", 1, retain=True, properties=found)
        message = peer.message()
        got = message.properties
        assert got is not None
        assert message.retain
        assert (got.PayloadFormatIndicator, got.ContentType, got.ResponseTopic) == (1, "text/plain", f"{name}/replies")
        assert (got.CorrelationData, got.UserProperty) == (b"\x00\xff", [("a", "1"), ("a", "2")])
        assert 940 <= got.MessageExpiryInterval <= 1000


def test_an_alias_stands_for_a_topic_both_ways(port: int, name: str) -> None:
    limit = properties(PacketTypes.CONNECT, TopicAliasMaximum=2)
    with Paho(port, f"{name}r", properties=limit) as reader, Paho(port, f"{name}w") as writer:
        assert writer.properties.TopicAliasMaximum > 0
        reader.subscribe(f"{name}/+", 1)
        for number in range(8):
            alias = properties(PacketTypes.PUBLISH, TopicAlias=number % 4 + 1)
            writer.publish(f"{name}/{number}" if number < 4 else "", b"%d" % number, 1, properties=alias)
        messages = [reader.message() for _ in range(8)]
    # What paho shows is what the broker wrote: an alias has a topic the first time only.
    topics: dict[int, str] = {}
    got = []
    for message in messages:
        alias = getattr(message.properties, "TopicAlias", None)
        topic = message.topic or topics[alias]
        if alias is not None:
            topics[alias] = topic
        got.append((topic, message.payload))
    assert got == [(f"{name}/{number % 4}", b"%d" % number) for number in range(8)]
    assert len(topics) == 2
    assert "" in [message.topic for message in messages]


def test_disconnect_changes_how_long_a_session_is_kept(port: int, name: str) -> None:
    kept = properties(PacketTypes.CONNECT, SessionExpiryInterval=1000)
    for seconds, present in ((1000, True), (0, False)):
        peer = Paho(port, name, clean=False, properties=kept)
        peer.client.disconnect(properties=properties(PacketTypes.DISCONNECT, SessionExpiryInterval=seconds))
        assert peer.ends.get(timeout=DEADLINE_SECONDS).value == 0
        peer.client.loop_stop()
        with Paho(port, name, clean=False, properties=kept) as again:
            assert again.flags.session_present is present
    Paho(port, name).close()


@VERSIONS
def test_a_second_connection_takes_over_with_the_session(port: int, name: str, version: MQTTProtocolVersion) -> None:
    expiry = properties(PacketTypes.CONNECT, SessionExpiryInterval=100) if version == V5 else None
    first = Paho(port, name, version, clean=False, properties=expiry)
    first.subscribe(name, 1)
    with Paho(port, name, version, clean=False, properties=expiry) as second:
        end = first.ends.get(timeout=DEADLINE_SECONDS)
        first.client.loop_stop()
        assert end.is_failure
        if version == V5:
            assert end.value == 0x8E
        second.publish(name, b"x", 1)
        assert second.message().payload == b"x"
    Paho(port, name, version, clean=True).close()


def test_permissions_decide(broker: menura.Broker, port: int, name: str) -> None:
    broker.add_user(name, "secret")
    broker.permit(name, configure="^mqtt-", write="^(mqtt-|amq\\.topic$)", read="^(mqtt-|amq\\.topic$)")
    broker.permit_topics(name, "amq.topic", write="^mine\\.", read="^mine\\.")
    with Paho(port, f"{name}c", user=(name, "secret")) as peer:
        assert [code.value for code in peer.subscribe("theirs/#", 1)] == [0x80]
        assert [code.value for code in peer.subscribe("mine/#", 1)] == [1]
        peer.publish("mine/x", b"x", 1)
        assert peer.message().payload == b"x"
        peer.client.publish("theirs/x", b"x", 0)
        assert peer.ends.get(timeout=DEADLINE_SECONDS).value == 0x87


def test_a_wrong_password_and_a_wrong_vhost_are_refused(broker: menura.Broker, port: int, name: str) -> None:
    refused = Paho(port, name, user=("guest", "wrong"))
    assert refused.code.value == 0x86
    refused.close()
    broker.add_vhost(name)
    refused = Paho(port, name, user=(f"{name}:guest", "guest"))
    assert refused.code.value == 0x87
    refused.close()
    broker.permit("guest", name)
    with Paho(port, name, user=(f"{name}:guest", "guest")) as elsewhere, Paho(port, f"{name}2") as here:
        elsewhere.subscribe("#", 0)
        here.publish("a", b"not for them")
        elsewhere.publish("a", b"for them")
        assert elsewhere.message().payload == b"for them"


def test_tls(tmp_path: Path, name: str) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    with (
        menura.Broker(listen=[f"mqtts://127.0.0.1:0?cert={tmp_path}/server.pem"]) as broker,
        Paho(port_of(broker, "mqtts"), name, tls=str(tmp_path / "ca.pem")) as peer,
    ):
        peer.subscribe("a", 1)
        peer.publish("a", b"x", 1)
        assert peer.message().payload == b"x"
