"""Every property in every packet that a client sends: taken where the specification has it, refused where it has not.

The clauses are those of version 5.0. A property that has no place in a packet is malformed (2.2.2.2); one that stands
there twice without being allowed to is a protocol error; so is a value that is not allowed. What a client of version 5
is sent is written out in octets.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.protocols.memory import make_node
from tests.protocols.mqtt.peer import (
    Packet,
    Peer,
    connect,
    names,
    packet,
    props,
    publish,
    subscribe,
    text,
    unsubscribe,
    will,
)

# By identifier: name, a valid encoding, and the sections of the packets that have it.
PROPERTIES = {
    0x01: ("payload format indicator", b"\x01\x01", {"PUBLISH": "3.3.2.3.2", "will": "3.1.3.2.3"}),
    0x02: ("message expiry interval", b"\x02\x00\x00\x00\x05", {"PUBLISH": "3.3.2.3.3", "will": "3.1.3.2.4"}),
    0x03: ("content type", b"\x03" + text("t"), {"PUBLISH": "3.3.2.3.9", "will": "3.1.3.2.5"}),
    0x08: ("response topic", b"\x08" + text("r"), {"PUBLISH": "3.3.2.3.5", "will": "3.1.3.2.6"}),
    0x09: ("correlation data", b"\x09" + text(b"\x00\xff"), {"PUBLISH": "3.3.2.3.6", "will": "3.1.3.2.7"}),
    0x0B: ("subscription identifier", b"\x0b\x05", {"SUBSCRIBE": "3.8.2.1.2"}),
    0x11: ("session expiry interval", b"\x11\x00\x00\x00\x00", {"CONNECT": "3.1.2.11.2", "DISCONNECT": "3.14.2.2.2"}),
    0x12: ("assigned client identifier", b"\x12" + text("c"), {}),
    0x13: ("server keep alive", b"\x13\x00\x05", {}),
    0x15: ("authentication method", b"\x15" + text("m"), {"CONNECT": "3.1.2.11.9", "AUTH": "3.15.2.2.2"}),
    0x16: ("authentication data", b"\x16" + text("d"), {"CONNECT": "3.1.2.11.10", "AUTH": "3.15.2.2.3"}),
    0x17: ("request problem information", b"\x17\x01", {"CONNECT": "3.1.2.11.7"}),
    0x18: ("will delay interval", b"\x18\x00\x00\x00\x05", {"will": "3.1.3.2.2"}),
    0x19: ("request response information", b"\x19\x01", {"CONNECT": "3.1.2.11.6"}),
    0x1A: ("response information", b"\x1a" + text("i"), {}),
    0x1C: ("server reference", b"\x1c" + text("s"), {"DISCONNECT": "3.14.2.2.5"}),
    0x1F: (
        "reason string",
        b"\x1f" + text("why"),
        {
            "PUBACK": "3.4.2.2.2", "PUBREC": "3.5.2.2.2", "PUBREL": "3.6.2.2.2", "PUBCOMP": "3.7.2.2.2",
            "DISCONNECT": "3.14.2.2.3", "AUTH": "3.15.2.2.4",
        },
    ),
    0x21: ("receive maximum", b"\x21\x00\x05", {"CONNECT": "3.1.2.11.3"}),
    0x22: ("topic alias maximum", b"\x22\x00\x05", {"CONNECT": "3.1.2.11.5"}),
    0x23: ("topic alias", b"\x23\x00\x05", {"PUBLISH": "3.3.2.3.4"}),
    0x24: ("maximum QoS", b"\x24\x01", {}),
    0x25: ("retain available", b"\x25\x01", {}),
    0x26: (
        "user property",
        b"\x26" + text("a") + text("b"),
        {
            "CONNECT": "3.1.2.11.8", "will": "3.1.3.2.8", "PUBLISH": "3.3.2.3.7", "PUBACK": "3.4.2.2.3",
            "PUBREC": "3.5.2.2.3", "PUBREL": "3.6.2.2.3", "PUBCOMP": "3.7.2.2.3", "SUBSCRIBE": "3.8.2.1.3",
            "UNSUBSCRIBE": "3.10.2.1.2", "DISCONNECT": "3.14.2.2.4", "AUTH": "3.15.2.2.5",
        },
    ),
    0x27: ("maximum packet size", b"\x27\x00\x00\x01\x00", {"CONNECT": "3.1.2.11.4"}),
    0x28: ("wildcard subscription available", b"\x28\x01", {}),
    0x29: ("subscription identifier available", b"\x29\x01", {}),
    0x2A: ("shared subscription available", b"\x2a\x01", {}),
}  # fmt: skip
ANSWERS = {"PUBACK": 0x40, "PUBREC": 0x50, "PUBREL": 0x62, "PUBCOMP": 0x70}
PACKETS: dict[str, Callable[[bytes], bytes]] = {
    "CONNECT": lambda found: connect("c", properties=found),
    "will": lambda found: connect("c", last=will("w", properties=found)),
    "PUBLISH": lambda found: publish("a", properties=found),
    **{
        name: lambda found, first=first: packet(first, b"\x00\x01\x00" + props(found))  # type: ignore[misc]
        for name, first in ANSWERS.items()
    },
    "SUBSCRIBE": lambda found: subscribe(("a", 0), properties=found),
    "UNSUBSCRIBE": lambda found: packet(0xA2, b"\x00\x01" + props(found) + text("a")),
    "DISCONNECT": lambda found: packet(0xE0, b"\x00" + props(found)),
    "AUTH": lambda found: packet(0xF0, b"\x18" + props(found)),
}
TAKEN = {
    "CONNECT": ["CONNACK"], "will": ["CONNACK"], "PUBLISH": [], "PUBACK": [], "PUBREC": ["PUBREL"],
    "PUBREL": ["PUBCOMP"], "PUBCOMP": [], "SUBSCRIBE": ["SUBACK"], "UNSUBSCRIBE": ["UNSUBACK"], "DISCONNECT": [],
}  # fmt: skip
CASES = [
    pytest.param(packet_name, id, id=f"{where.get(packet_name, '2.2.2.2')} {name} in {packet_name}")
    for packet_name in PACKETS
    for id, (name, _, where) in PROPERTIES.items()
]
PLACES = [pytest.param(*case.values, id=case.id) for case in CASES if case.values[0] in PROPERTIES[case.values[1]][2]]


def tell(packet_name: str, found: bytes) -> tuple[Peer, list[Packet]]:
    """A client says this with these properties."""
    peer = Peer()
    if packet_name not in ("CONNECT", "will"):
        peer.connect()
    return peer, peer.send(PACKETS[packet_name](found))


def code_of(peer: Peer, answers: list[Packet]) -> int:
    """What the client is told before the connection ends."""
    (answer,) = answers
    assert answer.name in ("CONNACK", "DISCONNECT"), answer
    peer.tick(1)
    assert peer.session.finished
    return answer.code


@pytest.mark.parametrize(("packet_name", "id"), CASES)
def test_2_2_2_2_a_property_is_taken_where_it_has_a_place_and_malformed_elsewhere(packet_name: str, id: int) -> None:
    _, found, where = PROPERTIES[id]
    peer, answers = tell(packet_name, found)
    if packet_name in where and packet_name != "AUTH" and id not in (0x15, 0x16):
        assert names(answers) == TAKEN[packet_name]
        assert all(each.code in (0, 0x11, 0x92) for each in answers), answers
        assert peer.session.finished is (packet_name == "DISCONNECT")
    elif packet_name in where:
        # Enhanced authentication is refused as a whole (4.12); data alone is an error (3.1.2.11.10).
        assert code_of(peer, answers) == (0x8C if (packet_name, id) == ("CONNECT", 0x15) else 0x82)
    elif (packet_name, id) == ("PUBLISH", 0x0B):
        assert code_of(peer, answers) == 0x82  # 3.3.4-6
    else:
        assert code_of(peer, answers) == 0x81


@pytest.mark.parametrize(("packet_name", "id"), PLACES)
def test_2_2_2_2_a_property_that_stands_there_twice_is_a_protocol_error(packet_name: str, id: int) -> None:
    found = PROPERTIES[id][1]
    peer, answers = tell(packet_name, found + found)
    if id == 0x26 and packet_name != "AUTH":
        assert names(answers) == TAKEN[packet_name]
    else:
        assert code_of(peer, answers) == 0x82


@pytest.mark.parametrize(("packet_name", "id"), PLACES)
def test_2_2_2_a_property_cut_short_is_malformed(packet_name: str, id: int) -> None:
    found = PROPERTIES[id][1]
    for size in range(1, len(found)):
        peer, answers = tell(packet_name, found[:size])
        assert code_of(peer, answers) == 0x81, found[:size]


@pytest.mark.parametrize("packet_name", PACKETS)
@pytest.mark.parametrize(
    ("found", "what"),
    [
        (b"\x1f\x00\x02\xc3\x28", "1.5.4-1 a reason string that is not UTF-8"),
        (b"\x26\x00\x01\x00\x00\x00", "1.5.4-2 a user property with U+0000"),
        (b"\x26\x00\x00\x00\x03\xed\xa0\x80", "1.5.4-1 a user property with a surrogate"),
        (b"\x00", "2.2.2.2 property 0"),
        (b"\x2b\x00", "2.2.2.2 a property beyond the last"),
        (b"\xa6\x00\x00\x00", "1.5.5-1 an identifier that is longer than it has to be"),
    ],
)
def test_a_property_that_cannot_be_read_is_malformed(packet_name: str, found: bytes, what: str) -> None:
    peer, answers = tell(packet_name, found)
    assert code_of(peer, answers) == 0x81, what


@pytest.mark.parametrize(
    ("packet_name", "found"),
    [
        pytest.param("PUBLISH", b"\x01\x02", id="3.3.2.3.2 payload format indicator 2"),
        pytest.param("will", b"\x01\x02", id="3.1.3.2.3 payload format indicator 2"),
        pytest.param("CONNECT", b"\x17\x02", id="3.1.2.11.7 request problem information 2"),
        pytest.param("CONNECT", b"\x19\x02", id="3.1.2.11.6 request response information 2"),
        pytest.param("CONNECT", b"\x21\x00\x00", id="3.1.2.11.3 receive maximum 0"),
        pytest.param("CONNECT", b"\x27\x00\x00\x00\x00", id="3.1.2.11.4 maximum packet size 0"),
        pytest.param("SUBSCRIBE", b"\x0b\x00", id="3.8.2.1.2 subscription identifier 0"),
        pytest.param("PUBLISH", b"\x08" + text("a/#"), id="3.3.2-14 response topic with a wildcard"),
        pytest.param("will", b"\x08" + text("+"), id="3.1.3.2.6 response topic with a wildcard"),
        pytest.param("DISCONNECT", b"\x11\x00\x00\x00\x01", id="3.14.2.2.2 an expiry where there was none"),
    ],
)
def test_a_value_that_is_not_allowed_is_a_protocol_error(packet_name: str, found: bytes) -> None:
    peer, answers = tell(packet_name, found)
    assert code_of(peer, answers) == 0x82


# -- what the broker says, octet by octet --------------------------------------------------------------------


def test_3_2_2_3_connack_with_all_that_a_client_is_told() -> None:
    peer = Peer()
    peer.send(connect("", keep_alive=100))
    body = bytes.fromhex("0000 2c 210400 2708000000 220020 12 001b".replace(" ", ""))
    assert peer.octets[2 : 2 + len(body)].hex() == body.hex()
    assert peer.octets[2 + len(body) : -3].startswith(b"auto-")
    assert peer.octets[-3:] == b"\x13\x00\x3c"


def test_3_2_2_1_1_connack_says_that_there_is_a_session() -> None:
    node = make_node()
    for present in (0, 1):
        peer = Peer(node).connect("c", clean=False, properties=b"\x11\x00\x00\x00\x09")
        assert peer.octets[:4] == bytes((0x20, 14, present, 0))
        peer.lose()


@pytest.mark.parametrize(
    ("sent", "delivered"),
    [
        (b"\x01\x01", "02 0101"),
        (b"\x01\x00", "02 0100"),
        (b"\x02\x00\x00\x00\x05", "05 0200000005"),
        (b"\x03\x00\x01t", "04 03000174"),
        (b"\x08\x00\x03r/t", "06 080003722f74"),
        (b"\x09\x00\x02\x00\xff", "05 09000200ff"),
        (b"\x26\x00\x01a\x00\x01b\x26\x00\x01a\x00\x01c", "0e 26000161000162 26000161000163"),
        (b"\x23\x00\x01", "00"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_3_3_2_3_a_property_as_it_is_delivered(sent: bytes, delivered: str) -> None:
    node = make_node()
    reader = Peer(node).connect("r")
    reader.subscribe(("a", 0))
    reader.octets = b""
    Peer(node).connect("w").publish("a", b"x", properties=sent)
    reader.take()
    body = b"\x00\x01a" + bytes.fromhex(delivered) + b"x"
    assert reader.octets == packet(0x30, body)


def test_3_3_2_3_8_and_4_the_brokers_own_properties_of_a_publish() -> None:
    node = make_node()
    reader = Peer(node).connect("r", properties=b"\x22\x00\x01")
    reader.send(subscribe(("a", 0), properties=b"\x0b\x80\x01"), subscribe(("#", 0), id=2, properties=b"\x0b\x07"))
    writer = Peer(node).connect("w")
    for topic in (text("a"), text("")):
        reader.octets = b""
        writer.publish("a", b"x")
        reader.take()
        assert reader.octets == packet(0x30, topic + bytes.fromhex("08 0b07 0b8001 230001") + b"x")


def test_unsubscribe_takes_many_filters_and_answers_each() -> None:
    peer = Peer().connect()
    peer.subscribe("a", "b")
    (answer,) = peer.send(unsubscribe("a", "c", "b", "a"))
    assert answer.codes == (0, 0x11, 0, 0x11)
