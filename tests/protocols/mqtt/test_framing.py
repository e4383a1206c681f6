"""Messages that begin alike are framed alike, and no others are: in runs of any mixture, taken from a long queue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocols.memory import make_node
from tests.protocols.mqtt.peer import V3_1_1, V5, Peer, text

NEVER = b"\x11\xff\xff\xff\xff"
PAIRS = st.sampled_from(["", "a", "b"])
# Few lengths, so that neighbours often have the same; around 127 octets the length field grows.
SIZES = st.sampled_from([0, 1, 2, 60, 118, 119, 120, 121, 122, 123, 300])
MESSAGES = st.lists(st.tuples(SIZES, st.sampled_from([1, 2]), PAIRS, st.booleans()), min_size=1, max_size=30)


@given(messages=MESSAGES, version=st.sampled_from([V3_1_1, V5]), granted=st.sampled_from([1, 2]))
def test_what_waited_for_a_client_comes_as_it_was_published(
    messages: list[tuple[int, int, str, bool]], version: int, granted: int
) -> None:
    node = make_node()
    settings = {"properties": NEVER} if version == V5 else {}
    reader = Peer(node).connect("r", version, clean=False, **settings)
    reader.subscribe(("a", granted))
    reader.lose()
    writer = Peer(node).connect("w")
    wanted = []
    for number, (size, qos, pair, retain) in enumerate(messages, 1):
        payload = (b"%d;" % number).ljust(size, b"x")[:size]
        writer.publish("a", payload, qos, number, retain=retain, properties=user_property(pair))
        expected = {0x26: [(pair, pair)]} if pair and version == V5 else {}
        wanted.append((payload, min(qos, granted), expected))
    reader = Peer(node)
    reader.open("r", version, clean=False, **settings)
    found = [(each.payload, each.qos, dict(each.properties)) for each in reader.early if each.name == "PUBLISH"]
    assert found == wanted


@pytest.mark.parametrize("version", [V3_1_1, V5])
@given(messages=MESSAGES)
def test_what_comes_in_one_read_goes_out_as_it_came(version: int, messages: list[tuple[int, int, str, bool]]) -> None:
    node = make_node()
    reader, writer = Peer(node).connect("r", version), Peer(node).connect("w")
    reader.subscribe(("a", 0))
    octets, wanted = b"", []
    for number, (size, _, pair, _) in enumerate(messages, 1):
        payload = (b"%d;" % number).ljust(size, b"x")[:size]
        found = user_property(pair)
        body = text("a") + bytes((len(found),)) + found + payload
        octets += b"\x30" + varint(len(body)) + body
        wanted.append((payload, {0x26: [(pair, pair)]} if pair and version == V5 else {}))
    writer.feed(octets)
    assert [(each.payload, dict(each.properties)) for each in reader.take()] == wanted


@pytest.mark.parametrize("qos", [0, 1])
def test_3_1_2_24_of_messages_alike_but_for_their_length_those_too_long_are_left_out(qos: int) -> None:
    node = make_node()
    reader, writer = Peer(node).connect("r", properties=b"\x27\x00\x00\x00\x20"), Peer(node).connect("w")
    reader.subscribe(("a", qos))
    sizes = [5, 100, 5, 24, 25, 26, 27, 5, 100]
    for number, size in enumerate(sizes, 1):
        writer.publish("a", b"x" * size, qos, number)
    head = 1 + 1 + 3 + 1 + (2 if qos else 0)
    assert [len(each.payload) for each in reader.take()] == [size for size in sizes if head + size <= 32]


def user_property(pair: str) -> bytes:
    return b"\x26" + text(pair) + text(pair) if pair else b""


def varint(number: int) -> bytes:
    return bytes((number,)) if number < 128 else bytes((number & 127 | 128, number >> 7))
