"""The MQTT scenarios, very short, against a real broker, and what they rest on."""

import shutil
import socket
from collections.abc import Iterator

import pytest
from benchmarks import peers
from hypothesis import given
from hypothesis import strategies as st

import menura
from menura.bench import SCENARIOS, BenchError, BrokerClosedError, Result, footprint
from menura.bench import mqtt_wire as wire
from menura.bench.expected import Stream
from menura.bench.flow import Publisher, pump
from menura.bench.mqtt_connection import MqttConnection, Pubacks, address_of, forget, unique_name
from menura.bench.mqtt_streams import AcknowledgingSubscriber, Subscriber
from menura.bench.scenarios import run_here

SHORT = {"seconds": 0.2, "warmup_seconds": 0.05}


@pytest.fixture(scope="module")
def mqtt_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with menura.Broker(data=str(tmp_path_factory.mktemp("data")), listen=["mqtt://127.0.0.1:0"]) as broker:
        yield broker.url("mqtt")


def short(name: str, url: str, **given: object) -> Result:
    return run_here(SCENARIOS[name].settings(url=url, **{**SHORT, **given}))


def figures(result: Result) -> dict[str, float]:
    return {metric.name: metric.value for metric in result.metrics}


@pytest.mark.parametrize("name", ["mqtt-qos0-64", "mqtt-qos0-1k", "mqtt-durable-128"])
def test_a_stream_has_a_rate(mqtt_url: str, name: str) -> None:
    result = short(name, mqtt_url, window=2_000)
    assert figures(result)["rate"] > 0
    assert result.seconds >= 0.2


@pytest.mark.parametrize("name", ["mqtt-fanout-1000", "mqtt-fanin-1000", "mqtt-fanin-1000-single"])
def test_a_crowd_has_a_rate_and_says_how_many_there_were(mqtt_url: str, name: str) -> None:
    assert SCENARIOS[name].settings().connections == 1_000
    result = short(name, mqtt_url, connections=20, window=200)
    assert figures(result)["rate"] > 0
    assert result.notes[0].startswith("20 ")


def test_a_crowd_gets_through_a_window_that_is_smaller_than_itself(mqtt_url: str) -> None:
    assert figures(short("mqtt-fanin-1000", mqtt_url, connections=20, window=1))["rate"] > 0
    assert figures(short("mqtt-fanout-1000", mqtt_url, connections=20, window=1))["rate"] > 0


def test_memory_is_read_from_the_brokers_process(mqtt_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "SETTLE_SECONDS", 0)
    result = short("mqtt-memory-connections", mqtt_url, connections=20)
    names = {"connection", "subscription"}
    missing = {name for name in names if any(f"for a {name}" in note for note in result.notes)}
    assert figures(result).keys() == {"idle", *names} - missing
    assert result.notes[0] == "20 connections"


def test_the_persistent_session_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch, mqtt_url: str) -> None:
    monkeypatch.setattr("menura.bench.mqtt_streams.unique_name", lambda: "bench-session")
    short("mqtt-durable-128", mqtt_url)
    assert not session_present(mqtt_url, "bench-session")


def test_a_session_that_was_not_forgotten_is_there(mqtt_url: str) -> None:
    name = unique_name()
    MqttConnection(address_of(mqtt_url), name, clean=False).sock.close()
    assert session_present(mqtt_url, name)
    forget(address_of(mqtt_url), name)
    assert not session_present(mqtt_url, name)


def session_present(url: str, client_id: str) -> bool:
    address = address_of(url)
    with address.connect() as sock:
        sock.sendall(wire.connect(client_id, address.user, address.password, clean=False))
        connack = sock.recv(4, socket.MSG_WAITALL)
    assert connack[3] == 0
    return bool(connack[2])


def test_wrong_credentials_are_named(mqtt_url: str) -> None:
    with pytest.raises(BenchError, match="refuses"):
        short("mqtt-qos0-64", mqtt_url.replace("guest:guest", "guest:wrong"))


def test_an_absent_broker_is_named(unused_url: str) -> None:
    with pytest.raises(BenchError, match="nothing answers"):
        short("mqtt-qos0-64", unused_url.replace("amqp://", "mqtt://"))


@pytest.mark.skipif(not shutil.which("mosquitto", path="/usr/sbin:/usr/bin"), reason="mosquitto is not installed")
@pytest.mark.parametrize("name", ["mqtt-qos0-64", "mqtt-durable-128", "mqtt-fanout-1000", "mqtt-fanin-1000"])
def test_mosquitto_is_measured(name: str) -> None:
    with peers.mosquitto() as mosquitto:
        assert mosquitto is not None
        assert "mosquitto" in mosquitto.product
        assert figures(short(name, mosquitto.url, connections=10, window=100))["rate"] > 0


# -- what is compared with what was sent ---------------------------------------------------------------------


def test_what_was_not_sent_is_an_error(mqtt_url: str) -> None:
    address, topic = address_of(mqtt_url), unique_name()
    with MqttConnection(address) as receiving, MqttConnection(address) as sending:
        receiving.subscribe(topic, 0)
        subscriber = Subscriber(receiving, Stream([wire.publish(topic, b"one"), wire.publish(topic, b"two")]))
        publisher = Publisher(sending, [wire.publish(topic, b"one"), wire.publish(topic, b"other")], limit=2)
        with pytest.raises(BenchError, match="not what was sent"):
            pump(publisher, [subscriber], 10, lambda: subscriber.received >= 2)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (wire.publish("t", b"00000001", 1, 7), "not what was sent"),
        (b"\x3a" + wire.publish("t", b"00000000", 1, 7)[1:], "second time"),
    ],
    ids=["another body", "sent again"],
)
def test_a_delivery_of_qos_1_that_differs_is_an_error(packet: bytes, reason: str, mqtt_url: str) -> None:
    with MqttConnection(address_of(mqtt_url)) as connection:
        connection.sock.close()
        connection.sock, broker = socket.socketpair()
        subscriber = AcknowledgingSubscriber(connection, "t", wire.numbered(8, 2))
        with broker:
            broker.sendall(packet)
            with pytest.raises(BenchError, match=reason):
                subscriber.on_readable()


def test_every_delivery_of_qos_1_is_acknowledged_under_its_identifier(mqtt_url: str) -> None:
    with MqttConnection(address_of(mqtt_url)) as connection:
        connection.sock.close()
        connection.sock, broker = socket.socketpair()
        subscriber = AcknowledgingSubscriber(connection, "t", wire.numbered(8, 3))
        packets = b"".join(
            wire.publish("t", body, 1, id) for body, id in zip(wire.numbered(8, 3), (7, 9, 258), strict=True)
        )
        with broker:
            for part in (packets[:20], packets[20:]):
                broker.sendall(part)
                subscriber.on_readable()
            assert subscriber.received == 3
            assert broker.recv(100) == bytes.fromhex("40020007 40020009 40020102")


def test_a_closed_connection_is_said_to_be_closed(mqtt_url: str) -> None:
    with MqttConnection(address_of(mqtt_url)) as connection:
        subscriber = Subscriber(connection, Stream([b"x"]))
        connection.sock.sendall(b"\x00\x00")  # no packet of MQTT
        with pytest.raises(BrokerClosedError, match="closed"):
            pump(None, [subscriber], 0, lambda: False)


PIECES = st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=5)


@given(pieces=PIECES, at=st.integers(0, 200), length=st.integers(0, 50))
def test_any_stretch_of_the_stream_is_what_was_sent(pieces: list[bytes], at: int, length: int) -> None:
    endless = b"".join(pieces) * 300
    Stream(pieces, 50).check(endless[at : at + length], at)


@given(pieces=PIECES, at=st.integers(0, 200), length=st.integers(1, 50), data=st.data())
def test_one_other_octet_is_found(pieces: list[bytes], at: int, length: int, data: st.DataObject) -> None:
    stretch = bytearray((b"".join(pieces) * 300)[at : at + length])
    stretch[data.draw(st.integers(0, length - 1))] ^= 1
    with pytest.raises(BenchError, match="not what was sent"):
        Stream(pieces, 50).check(bytes(stretch), at)


# -- octets against the specification ------------------------------------------------------------------------


def test_packets_are_as_the_specification_has_them() -> None:
    connect = "10 18 0004 4d515454 04 c2 0000 0001 61 0001 75 0006 736563726574"
    assert wire.connect("a", "u", "secret") == bytes.fromhex(connect)
    assert wire.connect("a", "u", "secret", clean=False)[9] == 0xC0
    assert wire.subscribe("a/b", 1) == bytes.fromhex("82 08 0001 0003 612f62 01")
    assert wire.publish("a/b", b"hi") == bytes.fromhex("30 07 0003 612f62 6869")
    assert wire.publish("a/b", b"hi", 1, 10) == bytes.fromhex("32 09 0003 612f62 000a 6869")
    assert wire.pubacks([b"\x00\x0a", b"\x01\x00"]) == bytes.fromhex("4002000a 40020100")
    assert wire.pubacks([]) == b""


@pytest.mark.parametrize("value", [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455])
def test_a_length_is_read_as_it_was_written_and_not_before_it_is_whole(value: int) -> None:
    head = b"\x30" + wire.varint(value)
    assert wire.size_of(head) == len(head) + value
    assert all(wire.size_of(head[:cut]) is None for cut in range(len(head)))


@given(
    topic=st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=150),
    size=st.integers(1, 300),
)
def test_the_identifier_of_a_delivery_is_found(topic: str, size: int) -> None:
    packet = wire.publish(topic, b"x" * size, 1, 0x1234)
    head, id, body = wire.delivery_layout(topic, size).unpack(packet)
    assert (id, body) == (b"\x12\x34", b"x" * size)
    assert head + id + body == packet


@given(count=st.integers(0, 20), cut=st.integers(0, 80))
def test_pubacks_are_counted_however_they_are_cut(count: int, cut: int) -> None:
    data = wire.pubacks([number.to_bytes(2, "big") for number in range(1, count + 1)])
    pubacks = Pubacks()
    pubacks.feed(data[:cut])
    assert pubacks.count == min(cut, len(data)) // 4
    pubacks.feed(data[cut:])
    assert pubacks.count == count


def test_another_packet_is_no_puback() -> None:
    with pytest.raises(BenchError, match="no PUBACK"):
        Pubacks().feed(b"\x40\x02\x00\x01\xe0\x00\x00\x00")
