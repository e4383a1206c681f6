"""Golden packets: each type and property, as the specification (MQTT 5.0; 3.1.1 where it says so) prescribes.

What a client sends is written out in hexadecimal, and so is the answer. Malformed packets are named after the clause
that forbids them.
"""

from __future__ import annotations

import pytest
from tests.protocols.memory import make_node
from tests.protocols.mqtt.peer import V3_1, V3_1_1, V5, Peer, connect, names, packet, props, publish, subscribe, text

from menura.protocols.mqtt import spec, wire
from menura.protocols.mqtt.errors import MqttError
from menura.protocols.mqtt.limits import MqttLimits


def octets(words: str) -> bytes:
    return bytes.fromhex(words.replace("'", ""))


# -- elements ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "encoded"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "80 01"),
        (16383, "ff 7f"),
        (16384, "80 80 01"),
        (2097151, "ff ff 7f"),
        (2097152, "80 80 80 01"),
        (268435455, "ff ff ff 7f"),
    ],
)
def test_1_5_5_variable_byte_integers(number: int, encoded: str) -> None:
    assert wire.varint(number) == octets(encoded)
    assert wire.read_varint(octets(encoded), 0, 4) == (number, len(octets(encoded)))


@pytest.mark.parametrize("encoded", ["", "80", "80 80 80 80 01", "ff ff ff ff 7f", "80 00", "80 80 00"])
def test_1_5_5_variable_byte_integers_that_are_none(encoded: str) -> None:
    with pytest.raises(MqttError) as error:
        wire.read_varint(octets(encoded), 0, len(octets(encoded)))
    assert error.value.code == 0x81


VALUES = {
    "payload_format_indicator": (1, "01 01"),
    "message_expiry_interval": (5, "02 00000005"),
    "content_type": ("t", "03 0001 74"),
    "response_topic": ("r/t", "08 0003 722f74"),
    "correlation_data": (b"\x00\xff", "09 0002 00ff"),
    "subscription_identifier": ([1, 128], "0b 01 0b 8001"),
    "session_expiry_interval": (0xFFFFFFFF, "11 ffffffff"),
    "assigned_client_identifier": ("c", "12 0001 63"),
    "server_keep_alive": (60, "13 003c"),
    "authentication_method": ("m", "15 0001 6d"),
    "authentication_data": (b"", "16 0000"),
    "request_problem_information": (0, "17 00"),
    "will_delay_interval": (1, "18 00000001"),
    "request_response_information": (1, "19 01"),
    "response_information": ("i", "1a 0001 69"),
    "server_reference": ("s", "1c 0001 73"),
    "reason_string": ("why", "1f 0003 776879"),
    "receive_maximum": (65535, "21 ffff"),
    "topic_alias_maximum": (3, "22 0003"),
    "topic_alias": (1, "23 0001"),
    "maximum_qos": (1, "24 01"),
    "retain_available": (1, "25 01"),
    "user_property": ([("a", "b"), ("a", "c")], "26 0001 61 0001 62 26 0001 61 0001 63"),
    "maximum_packet_size": (100, "27 00000064"),
    "wildcard_subscription_available": (1, "28 01"),
    "subscription_identifier_available": (1, "29 01"),
    "shared_subscription_available": (1, "2a 01"),
}


@pytest.mark.parametrize("row", spec.PROPERTIES, ids=lambda row: row.name)
def test_2_2_2_2_each_property_in_the_packets_that_may_have_it_and_in_no_other(row: spec.Property) -> None:
    value, encoded = VALUES[row.name]
    data = props(octets(encoded))
    assert wire.properties({row.name: value}) == data
    for kind in range(16):
        if kind in row.packets:
            assert wire.read_properties(data, 0, len(data), kind) == ({row.name: value}, len(data))
        else:
            with pytest.raises(MqttError) as error:
                wire.read_properties(data, 0, len(data), kind)
            assert error.value.code == 0x81


@pytest.mark.parametrize("row", spec.PROPERTIES, ids=lambda row: row.name)
def test_2_2_2_a_property_cut_short_is_malformed(row: spec.Property) -> None:
    encoded = octets(VALUES[row.name][1].split("0b 80")[0])
    for size in range(1, len(encoded)):
        data = props(encoded[:size])
        if row.name == "user_property" and size == 7:
            continue
        with pytest.raises(MqttError) as error:
            wire.read_properties(data, 0, len(data), row.packets[0])
        assert error.value.code == 0x81


@pytest.mark.parametrize("row", spec.PROPERTIES, ids=lambda row: row.name)
def test_2_2_2_2_only_some_properties_may_stand_twice(row: spec.Property) -> None:
    data = props(octets(VALUES[row.name][1]) * 2)
    if row.name in wire.REPEATABLE:
        assert len(wire.read_properties(data, 0, len(data), row.packets[0])[0][row.name]) == 4
        return
    with pytest.raises(MqttError) as error:
        wire.read_properties(data, 0, len(data), row.packets[0])
    assert error.value.code == 0x82


# -- conversations, octet by octet ---------------------------------------------------------------------------

NAME, PASSWORD = "0005 6775657374", "0005 6775657374"
CONNECT_5 = f"10 1d 0004 4d515454 05 c2 0000 00 0001 63 {NAME} {PASSWORD}".replace("1d", "1c", 1)


def hello(version: int) -> bytes:
    return connect("c", version)


@pytest.mark.parametrize(
    ("version", "sent", "answer"),
    [
        (V3_1, f"10 1d 0006 4d5149736470 03 c2 0000 0001 63 {NAME} {PASSWORD}", "20 02 00 00"),
        (V3_1_1, f"10 1b 0004 4d515454 04 c2 0000 0001 63 {NAME} {PASSWORD}", "20 02 00 00"),
        (V5, CONNECT_5, "20 0e 00 00 0b 21 0400 27 08000000 22 0020"),
    ],
)
def test_3_2_connack(version: int, sent: str, answer: str) -> None:
    peer = Peer()
    peer.packets.version = version
    peer.send(octets(sent))
    assert peer.octets == octets(answer)
    assert octets(sent) == hello(version)


@pytest.mark.parametrize(
    ("version", "sent", "answer"),
    [
        (V3_1_1, "c0 00", "d0 00"),
        (V3_1_1, "82 06 0001 0001 61 01", "90 03 0001 01"),
        (V3_1_1, "82 0a 0001 0001 61 02 0001 62 00", "90 04 0001 02 00"),
        (V3_1_1, "82 0c 0001 0007 2473686172652f 01", "90 03 0001 80"),
        (V3_1_1, "a2 05 0001 0001 61", "b0 02 0001"),
        (V3_1_1, "32 06 0001 61 0007 78", "40 02 0007"),
        (V3_1_1, "34 06 0001 61 0007 78", "50 02 0007"),
        (V3_1_1, "62 02 0007", "70 02 0007"),
        (V3_1_1, "50 02 0007", "62 02 0007"),
        (V3_1_1, "70 02 0007", ""),
        (V3_1_1, "40 02 0007", ""),
        (V3_1_1, "30 04 0001 61 78", ""),
        (V5, "c0 00", "d0 00"),
        (V5, "82 07 0001 00 0001 61 01", "90 04 0001 00 01"),
        (V5, "82 09 0001 02 0b05 0001 61 2e", "90 04 0001 00 02"),
        (V5, "a2 06 0001 00 0001 61", "b0 04 0001 00 11"),
        (V5, "32 07 0001 61 0007 00 78", "40 03 0007 10"),
        (V5, "34 07 0001 61 0007 00 78", "50 02 0007"),
        (V5, "62 02 0007", "70 03 0007 92"),
        (V5, "62 03 0007 00", "70 03 0007 92"),
        (V5, "62 04 0007 00 00", "70 03 0007 92"),
        (V5, "50 02 0007", "62 03 0007 92"),
        (V5, "50 08 0007 00 04 1f 0001 78", "62 03 0007 92"),
        (V5, "50 03 0007 80", ""),
        (V5, "70 02 0007", ""),
        (V5, "40 02 0007", ""),
        (V5, "40 08 0007 10 04 1f 0001 78", ""),
        (V5, "e0 00", ""),
        (V5, "e0 01 04", ""),
        (V5, "e0 02 00 00", ""),
        (V5, "30 0f 0001 61 0a 01 01 02 00000009 23 0001 78", ""),
    ],
)
def test_3_packets_and_their_answers(version: int, sent: str, answer: str) -> None:
    peer = Peer().connect(version=version)
    peer.octets = b""
    peer.send(octets(sent))
    assert peer.octets == octets(answer)


@pytest.mark.parametrize(
    ("version", "options", "published", "delivered"),
    [
        (V3_1_1, 0, publish("a/b", b"xy", 0, version=V5), "30 07 0003 612f62 7879"),
        (V3_1_1, 1, publish("a/b", b"xy", 1, version=V5), "32 09 0003 612f62 0001 7879"),
        (V5, 1, publish("a/b", b"xy", 2), "32 0a 0003 612f62 0001 00 7879"),
        (V5, 2, publish("a/b", b"xy", 2), "34 0a 0003 612f62 0001 00 7879"),
        (V5, 0, publish("a/b", b"", 0), "30 06 0003 612f62 00"),
        (V5, 0, publish("a", bytes(200), 0), "30 cc01 0001 61 00" + "00" * 200),
    ],
)
def test_3_3_publish_as_it_is_delivered(version: int, options: int, published: bytes, delivered: str) -> None:
    node = make_node()
    reader, writer = Peer(node).connect("r", version), Peer(node).connect("w")
    reader.subscribe(("#", options))
    reader.octets = b""
    writer.send(published)
    reader.take()
    assert reader.octets == octets(delivered)


# -- what is refused -----------------------------------------------------------------------------------------


def raw_connect(body: str) -> bytes:
    return packet(0x10, octets(body))


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        pytest.param(octets("c0 00"), "", id="3.1-0-1 the first packet is CONNECT"),
        pytest.param(octets("20 02 00 00"), "", id="3.1-0-1 not CONNACK"),
        pytest.param(octets("11 00"), "", id="2.1.3-1 flags of CONNECT"),
        pytest.param(raw_connect("0004 4d515455 04 02 0000 0001 63"), "", id="3.1.2-1 protocol name"),
        pytest.param(raw_connect("0004 4d515454 06 02 0000 0001 63"), "20 02 00 01", id="3.1.2-2 level"),
        pytest.param(raw_connect("0004 4d515454 03 02 0000 0001 63"), "20 02 00 01", id="3.1.2-2 level and name"),
        pytest.param(raw_connect("0004 4d515454 04 03 0000 0001 63"), "", id="3.1.2-3 reserved flag"),
        pytest.param(raw_connect("0004 4d515454 04 1e 0000 0001 63 0001 61 0000"), "", id="3.1.2-12 will QoS 3"),
        pytest.param(raw_connect("0004 4d515454 04 0a 0000 0001 63"), "", id="3.1.2-11 will QoS without will"),
        pytest.param(raw_connect("0004 4d515454 04 22 0000 0001 63"), "", id="3.1.2-13 will retain without will"),
        pytest.param(raw_connect("0004 4d515454 04 42 0000 0001 63 0001 61"), "", id="3.1.2-22 password alone"),
        pytest.param(raw_connect("0004 4d515454 04 00 0000 0000"), "20 02 00 02", id="3.1.3-8 no identifier"),
        pytest.param(raw_connect("0004 4d515454 04 02 0000 0001 63 00"), "", id="octets too many"),
        pytest.param(raw_connect("0004 4d515454 04 82 0000 0001 63"), "", id="3.1.3-11 the user name is missing"),
        pytest.param(raw_connect("0004 4d515454 04 02 0000 0002 c328"), "", id="1.5.4-1 not UTF-8"),
        pytest.param(raw_connect("0004 4d515454 04 02 0000 0003 eda080"), "", id="1.5.4-1 a surrogate"),
        pytest.param(raw_connect("0004 4d515454 04 02 0000 0001 00"), "", id="1.5.4-2 U+0000"),
        pytest.param(octets("10 ff ff ff ff 7f"), "", id="1.5.5 a length of five octets"),
        pytest.param(octets("10 ff ff ff 7f"), "", id="a CONNECT of 256 MiB"),
        pytest.param(octets("10 80 00"), "", id="1.5.5-1 a length longer than it has to be"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", "", id="another protocol"),
        pytest.param(b"AMQP\x00\x00\x09\x01", "", id="yet another protocol"),
    ],
)
def test_3_1_a_bad_connect_before_version_5_is_answered_only_where_there_is_a_code(sent: bytes, answer: str) -> None:
    peer = Peer()
    peer.packets.version = V3_1_1
    peer.send(sent)
    assert peer.octets == octets(answer)
    assert peer.session.finished


def raw_connect_5(properties: str = "", rest: str = "0001 63", flags: str = "02") -> bytes:
    found = props(octets(properties))
    return packet(0x10, octets(f"0004 4d515454 05 {flags} 0000") + found + octets(rest))


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(raw_connect_5("11 0000"), 0x81, id="2.2.2 a property cut short"),
        pytest.param(raw_connect_5("01 01"), 0x81, id="2.2.2.2 a property of PUBLISH"),
        pytest.param(raw_connect_5("7f 01"), 0x81, id="2.2.2.2 a property that is none"),
        pytest.param(raw_connect_5("21 0001 21 0001"), 0x82, id="3.1.2.11.3 receive maximum twice"),
        pytest.param(raw_connect_5("21 0000"), 0x82, id="3.1.2.11.3 receive maximum 0"),
        pytest.param(raw_connect_5("27 00000000"), 0x82, id="3.1.2.11.4 maximum packet size 0"),
        pytest.param(raw_connect_5("17 02"), 0x82, id="3.1.2.11.7 request problem information 2"),
        pytest.param(raw_connect_5("19 02"), 0x82, id="3.1.2.11.6 request response information 2"),
        pytest.param(raw_connect_5("15 0001 6d"), 0x8C, id="3.1.2.11.9 authentication method"),
        pytest.param(raw_connect_5("16 0001 6d"), 0x82, id="3.1.2.11.10 authentication data alone"),
        pytest.param(raw_connect_5(rest="0001 63 00 0001 2b 0000", flags="06"), 0x90, id="3.1.3.3 a will to +"),
        pytest.param(raw_connect_5(rest="0001 63 02 0102 0001 61 0000", flags="06"), 0x82, id="3.1.3.2.3 format 2"),
        pytest.param(raw_connect_5(rest="00c9" + "63" * 201), 0x85, id="3.1.3.1 identifier too long"),
        pytest.param(raw_connect_5(flags="03"), 0x81, id="3.1.2-3 reserved flag"),
        pytest.param(raw_connect_5(flags="0a"), 0x81, id="3.1.2-11 will QoS without will"),
        pytest.param(raw_connect_5(flags="22"), 0x81, id="3.1.2-13 will retain without will"),
        pytest.param(raw_connect_5(rest="0001 63 00 0001 61 0000", flags="1e"), 0x81, id="3.1.2-12 will QoS 3"),
        pytest.param(raw_connect_5(rest="0001 63", flags="06"), 0x81, id="3.1.2-9 the will is missing"),
        pytest.param(raw_connect_5(rest="0001 63", flags="82"), 0x81, id="3.1.2-17 the user name is missing"),
        pytest.param(raw_connect_5(rest="0001 63", flags="42"), 0x81, id="3.1.2-19 the password is missing"),
        pytest.param(raw_connect_5(rest="0001 63 00"), 0x81, id="3.1.3-1 octets too many"),
        pytest.param(raw_connect_5(rest="0002 c328"), 0x81, id="3.1.3-4 an identifier that is not UTF-8"),
        pytest.param(raw_connect_5(rest="0001 00"), 0x81, id="1.5.4-2 an identifier with U+0000"),
        pytest.param(raw_connect_5(rest=""), 0x81, id="3.1.3-3 no identifier"),
        pytest.param(
            raw_connect_5(rest="0001 63 00 0002 c328 0000", flags="06"), 0x81, id="3.1.3-11 a will to no text"
        ),
        pytest.param(raw_connect_5(rest="0001 63 0002 c328", flags="82"), 0x81, id="3.1.3-12 a user name not UTF-8"),
        pytest.param(
            packet(0x10, octets("0004 4d515454 05 02 0000 05 1100")), 0x81, id="3.1.2.11 properties cut short"
        ),
        pytest.param(packet(0x10, octets("0004 4d515454 05 02 00")), 0x81, id="3.1.2.10 the keep alive is cut short"),
        pytest.param(raw_connect_5(rest="0001 63 0001 78", flags="82"), 0x86, id="3.1.3.5 unknown user"),
        pytest.param(raw_connect_5(rest="0001 63 0001 78", flags="42"), 0x86, id="3.1.3.6 a password alone"),
        pytest.param(raw_connect_5(rest=f"0001 63 0007 6e6f3a67756573 {PASSWORD}", flags="c2"), 0x86, id="user"),
        pytest.param(
            raw_connect_5(rest=f"0001 63 0008 6e6f3a6775657374 {PASSWORD}", flags="c2"), 0x87, id="no such vhost"
        ),
    ],
)
def test_3_2_2_2_a_bad_connect_of_version_5_is_answered_with_its_reason(sent: bytes, code: int) -> None:
    peer = Peer()
    (answer,) = peer.send(sent)
    assert (answer.name, answer.codes, answer.code) == ("CONNACK", (0,), code)
    peer.tick(1)
    assert peer.session.finished
    assert not peer.session.node.vhosts["/"].queues


@pytest.mark.parametrize(("most", "answer"), [(5, "20 03 00 82 00"), (4, "")])
def test_3_2_2_19_a_refusal_is_no_longer_than_the_client_takes(most: int, answer: str) -> None:
    peer = Peer()
    peer.send(raw_connect_5(f"27 {most:08x}", rest="0001 63 00 0001 61 0000", flags="06").replace(b"a", b"+"))
    assert peer.octets == octets(answer.replace("82", "90"))
    assert peer.session.finished


@pytest.mark.parametrize(("most", "answer"), [(16, "CONNACK 0"), (15, "CONNACK 149"), (4, "")])
def test_3_1_2_24_a_connack_is_no_longer_than_the_client_takes(most: int, answer: str) -> None:
    peer = Peer()
    answers = peer.send(raw_connect_5(f"27 {most:08x}", flags="02"))
    assert " ".join(f"{each.name} {each.code}" for each in answers) == answer
    assert peer.session.finished is (not answer.endswith(" 0"))


def test_3_1_2_24_a_suback_is_no_longer_than_the_client_takes() -> None:
    peer = Peer().connect(properties=octets("27 00000014"))
    (answer,) = peer.send(subscribe(*"abcdefghijklmno"))
    assert (answer.name, len(answer.codes)) == ("SUBACK", 15)
    (answer,) = peer.send(subscribe(*"abcdefghijklmnop"))
    assert (answer.name, answer.code) == ("DISCONNECT", 0x95)
    assert not peer.node.vhosts["/"].queues


@pytest.mark.parametrize("flags", ["03", "0a", "22", "1a"])
def test_flags_that_3_1_does_not_use_are_not_looked_at(flags: str) -> None:
    peer = Peer()
    peer.packets.version = V3_1
    (answer,) = peer.send(raw_connect(f"0006 4d5149736470 03 {flags} 0000 0001 63"))
    assert (answer.name, answer.code) == ("CONNACK", 0)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ("8a 06 0001 0001 61 01", "90 03 0001 01"),
        ("aa 05 0001 0001 61", "b0 02 0001"),
        ("6a 02 0007", "70 02 0007"),
        ("5a 02 0007", "62 02 0007"),
    ],
)
def test_a_client_of_3_1_may_say_that_it_repeats_itself(sent: str, answer: str) -> None:
    peer = Peer().connect(version=V3_1)
    peer.octets = b""
    peer.send(octets(sent))
    assert peer.octets == octets(answer)


@pytest.mark.parametrize(("version", "code"), [(V3_1, 4), (V3_1_1, 4)])
def test_3_2_2_3_a_wrong_password_before_version_5(version: int, code: int) -> None:
    peer = Peer()
    peer.packets.version = version
    assert [each.code for each in peer.send(connect("c", version, password=b"wrong"))] == [code]
    assert not peer.session.finished
    peer.tick(1.1)
    assert peer.session.finished


MALFORMED = [
    pytest.param("36 06 0001 61 0007 78", 0x81, id="3.3.1-4 QoS 3"),
    pytest.param("38 04 0001 61 78", 0x81, id="3.3.1-2 DUP with QoS 0"),
    pytest.param("30 00", 0x81, id="3.3.2.1 no topic"),
    pytest.param("30 02 0005", 0x81, id="3.3.2.1 a topic cut short"),
    pytest.param("30 03 0001 61", 0x81, id="3.3.2.3 no properties"),
    pytest.param("30 04 0001 61 05", 0x81, id="3.3.2.3 properties cut short"),
    pytest.param("32 04 0001 61 00", 0x81, id="3.3.2.2 no identifier"),
    pytest.param("32 07 0001 61 0000 00 78", 0x82, id="2.2.1-3 identifier 0"),
    pytest.param("30 04 0001 2b 00", 0x90, id="3.3.2-2 a topic with +"),
    pytest.param("30 04 0001 23 00", 0x90, id="3.3.2-2 a topic with #"),
    pytest.param("30 04 0001 00 00", 0x81, id="1.5.4-2 a topic with U+0000"),
    pytest.param("30 04 0001 ff 00", 0x81, id="1.5.4-1 a topic that is not UTF-8"),
    pytest.param("30 03 0000 00", 0x82, id="3.3.2.1 neither topic nor alias"),
    pytest.param("30 07 0001 61 03 23 0000", 0x94, id="3.3.2-8 alias 0"),
    pytest.param("30 07 0001 61 03 23 0021", 0x94, id="3.3.2-9 an alias above the maximum"),
    pytest.param("30 06 0000 03 23 0001", 0x82, id="3.3.2.3.4 an alias that stands for nothing"),
    pytest.param("30 06 0001 61 02 0b 01", 0x82, id="3.3.4-6 a subscription identifier from a client"),
    pytest.param("30 08 0001 61 04 08 0001 23", 0x82, id="3.3.2-14 a response topic with wildcards"),
    pytest.param("30 06 0001 61 02 01 02", 0x82, id="3.3.2.3.2 payload format 2"),
    pytest.param("30 08 0001 61 04 01 01 01 01", 0x82, id="3.3.2.3.2 payload format twice"),
    pytest.param("40 02 0000", 0x82, id="2.2.1 PUBACK of 0"),
    pytest.param("40 01 00", 0x81, id="3.4.2 PUBACK cut short"),
    pytest.param("41 02 0001", 0x81, id="3.4.1 flags of PUBACK"),
    pytest.param("51 02 0001", 0x81, id="3.5.1 flags of PUBREC"),
    pytest.param("60 02 0001", 0x81, id="3.6.1-1 flags of PUBREL"),
    pytest.param("71 02 0001", 0x81, id="3.7.1 flags of PUBCOMP"),
    pytest.param("80 07 0001 00 0001 61 01", 0x81, id="3.8.1-1 flags of SUBSCRIBE"),
    pytest.param("82 03 0001 00", 0x82, id="3.8.3-2 nothing to subscribe to"),
    pytest.param("82 07 0000 00 0001 61 01", 0x82, id="2.2.1-3 SUBSCRIBE with identifier 0"),
    pytest.param("82 07 0001 00 0001 61 03", 0x82, id="3.8.3.1 QoS 3"),
    pytest.param("82 07 0001 00 0001 61 41", 0x81, id="3.8.3-5 reserved bits"),
    pytest.param("82 07 0001 00 0001 61 31", 0x82, id="3.8.3.1 retain handling 3"),
    pytest.param("82 06 0001 00 0001 61", 0x81, id="3.8.3 no options"),
    pytest.param("82 09 0001 02 0b 00 0001 61 01", 0x82, id="3.8.2.1.2 subscription identifier 0"),
    pytest.param("82 0b 0001 04 0b 01 0b 02 0001 61 01", 0x82, id="3.8.2.1.2 two subscription identifiers"),
    pytest.param("a0 06 0001 00 0001 61", 0x81, id="3.10.1-1 flags of UNSUBSCRIBE"),
    pytest.param("a2 03 0001 00", 0x82, id="3.10.3-2 nothing to unsubscribe from"),
    pytest.param("c1 00", 0x81, id="3.12.1 flags of PINGREQ"),
    pytest.param("c0 01 00", 0x81, id="3.12.2 PINGREQ with a body"),
    pytest.param("e1 00", 0x81, id="3.14.1-1 flags of DISCONNECT"),
    pytest.param("e0 03 00 00 00", 0x81, id="3.14.2 DISCONNECT with octets too many"),
    pytest.param("e0 07 00 05 11 00000001", 0x82, id="3.14.2.2.2 an expiry where there was none"),
    pytest.param("f0 00", 0x82, id="4.12 AUTH without a method"),
    pytest.param("00 00", 0x82, id="2.1.2 type 0"),
    pytest.param("20 02 00 00", 0x82, id="2.1.2 CONNACK from a client"),
    pytest.param("90 03 0001 00", 0x82, id="2.1.2 SUBACK from a client"),
    pytest.param("b0 02 0001", 0x82, id="2.1.2 UNSUBACK from a client"),
    pytest.param("d0 00", 0x82, id="2.1.2 PINGRESP from a client"),
    pytest.param(CONNECT_5, 0x82, id="3.1-2 a second CONNECT"),
    pytest.param("30 ff ff ff ff 01", 0x81, id="1.5.5 a length of five octets"),
    pytest.param("30 ff ff ff 7f", 0x95, id="3.2.2.3.6 longer than the maximum packet size"),
    pytest.param("30 84 00", 0x81, id="1.5.5-1 a length longer than it has to be"),
    pytest.param("40 03 0001 01", 0x82, id="3.4.2-1 reason code 1 of PUBACK"),
    pytest.param("50 03 0001 92", 0x82, id="3.5.2-1 reason code 0x92 of PUBREC"),
    pytest.param("62 03 0001 10", 0x82, id="3.6.2-1 reason code 0x10 of PUBREL"),
    pytest.param("70 03 0001 80", 0x82, id="3.7.2-1 reason code 0x80 of PUBCOMP"),
    pytest.param("e0 01 8e", 0x82, id="3.14.2-1 reason code 0x8E of DISCONNECT"),
    pytest.param("f0 02 01 00", 0x82, id="3.15.2-1 reason code 1 of AUTH"),
    pytest.param("40 05 0001 00 00 00", 0x81, id="3.4.2.2 PUBACK with octets too many"),
    pytest.param("50 00", 0x81, id="3.5.2 PUBREC without identifier"),
    pytest.param("62 01 00", 0x81, id="3.6.2 PUBREL cut short"),
    pytest.param("70 04 0001 00 01", 0x81, id="3.7.2.2 properties of PUBCOMP cut short"),
    pytest.param("62 02 0000", 0x82, id="2.2.1 PUBREL of 0"),
    pytest.param("70 02 0000", 0x82, id="2.2.1 PUBCOMP of 0"),
    pytest.param("82 02 0001", 0x81, id="3.8.2.1 SUBSCRIBE without properties"),
    pytest.param("82 06 0001 00 0005 61", 0x81, id="3.8.3 a filter cut short"),
    pytest.param("82 08 0001 00 0002 c328 01", 0x81, id="3.8.3-1 a filter that is not UTF-8"),
    pytest.param("82 07 0001 00 0001 00 01", 0x81, id="4.7.3-2 a filter with U+0000"),
    pytest.param("82 10 0001 00 000a 2473686172652f672f61 04", 0x82, id="3.8.3-4 a group without its own messages"),
    pytest.param("82 08 0001 00 0002 612b 01", 0x8F, id="4.7.1-2 a filter with + beside others"),
    pytest.param("82 08 0001 00 0002 6123 01", 0x8F, id="4.7.1-1 a filter with # beside others"),
    pytest.param("82 09 0001 00 0003 232f61 01", 0x8F, id="4.7.1-1 a filter with # in front"),
    pytest.param("82 06 0001 00 0000 01", 0x8F, id="4.7.3-1 an empty filter"),
    pytest.param("82 0f 0001 00 0009 2473686172652f2f61 01", 0x8F, id="4.8.2-1 a group without a name"),
    pytest.param("82 10 0001 00 000a 2473686172652f2b2f61 01", 0x8F, id="4.8.2-2 a group called +"),
    pytest.param("82 0e 0001 00 0008 2473686172652f67 01", 0x8F, id="4.8.2-2 a group without a filter"),
    pytest.param("82 0f 0001 00 0009 2473686172652f672f 01", 0x8F, id="4.8.2-2 a group with an empty filter"),
    pytest.param("a2 07 0001 00 0002 6123", 0x8F, id="4.7.1-1 to unsubscribe from a filter that is none"),
    pytest.param("a2 05 0001 00 0000", 0x8F, id="4.7.3-1 to unsubscribe from an empty filter"),
    pytest.param("a2 07 0000 00 0002 6162", 0x82, id="2.2.1-3 UNSUBSCRIBE with identifier 0"),
    pytest.param("a2 06 0001 00 0002 61", 0x81, id="3.10.3 a filter cut short"),
    pytest.param("a2 07 0001 00 0002 c328", 0x81, id="3.10.3-1 a filter that is not UTF-8"),
    pytest.param("f1 00", 0x81, id="3.15.1-1 flags of AUTH"),
    pytest.param("34 07 0001 61 0000 00 78", 0x82, id="2.2.1-3 identifier 0 with QoS 2"),
    pytest.param("30 08 0001 61 04 03 0001 ff", 0x81, id="3.3.2.3.9 a content type that is not UTF-8"),
    pytest.param("3e 07 0001 61 0001 00 78", 0x81, id="3.3.1-4 QoS 3 with DUP"),
]


@pytest.mark.parametrize(("sent", "code"), MALFORMED)
def test_4_13_bad_packets_end_the_connection_with_their_reason(sent: str, code: int) -> None:
    peer = Peer().connect()
    (answer,) = peer.send(octets(sent))
    assert (answer.name, answer.code) == ("DISCONNECT", code)
    assert peer.tick(1) == []
    assert peer.session.finished
    assert not peer.node.vhosts["/"].queues


@pytest.mark.parametrize(
    "sent",
    [
        "36 06 0001 61 0007 78", "38 04 0001 61 78", "30 00", "32 03 0001 61", "30 03 0001 23", "30 02 0000",
        "62 03 0001 00", "60 02 0001", "82 02 0001", "82 06 0001 0001 61 04", "82 05 0001 0001 61", "a2 02 0001",
        "e0 01 00", "f0 00", "00 00", "30 ff ff ff ff 01", "82 07 0001 0002 612b 01", "82 05 0001 0000 01",
        "a2 06 0001 0002 6123",
    ],
)  # fmt: skip
def test_4_8_before_version_5_a_bad_packet_closes_the_connection_without_a_word(sent: str) -> None:
    peer = Peer().connect(version=V3_1_1)
    assert peer.send(octets(sent)) == []
    assert peer.session.finished


# -- limits --------------------------------------------------------------------------------------------------


def test_a_topic_longer_than_allowed_is_refused_for_itself() -> None:
    peer = Peer().connect()
    topic = "/".join("x" * 128)
    assert [(each.name, each.code) for each in peer.publish(topic + "/", b"x", 1)] == [("PUBACK", 0x90)]
    assert [(each.name, each.code) for each in peer.publish(topic + "/", b"x", 2)] == [("PUBREC", 0x90)]
    assert names(peer.publish(topic, b"x", 1)) == ["PUBACK"]
    assert [each.codes for each in peer.send(octets("82") + props(octets("000100") + text(topic + "/") + b"\1"))] == [
        (0x8F,)
    ]


def test_more_subscriptions_than_allowed_are_refused() -> None:
    peer = Peer(limits=MqttLimits(subscriptions_max=3)).connect()
    peer.subscribe("a", "b", "c")
    answers = peer.send(octets("82 07 0001 00 0001 64 01"))
    assert [each.codes for each in answers] == [(0x97,)]
    peer.subscribe("a")


def test_3_3_4_9_more_messages_of_qos_2_than_allowed_end_the_connection() -> None:
    peer = Peer(limits=MqttLimits(receive_max=2)).connect()
    for id in (1, 2):
        assert names(peer.publish("a", b"x", 2, id)) == ["PUBREC"]
    assert [(each.name, each.code) for each in peer.publish("a", b"x", 2, 3)] == [("DISCONNECT", 0x93)]


def test_a_packet_that_is_announced_and_never_comes_is_not_made_room_for() -> None:
    peer = Peer().connect()
    before = peer.node.memory.used_bytes
    peer.feed(octets("30 80 80 80 20"))
    for _ in range(100):
        peer.feed(bytes(1000))
    assert before < peer.node.memory.used_bytes <= before + 110_000
    peer.lose()
    assert peer.node.memory.used_bytes == before


def test_topics_that_are_used_once_are_not_remembered_for_ever() -> None:
    peer = Peer(limits=MqttLimits(topics_max=10)).connect()
    for number in range(100):
        peer.publish(f"t/{number}")
    assert len(peer.session.targets) <= 10
