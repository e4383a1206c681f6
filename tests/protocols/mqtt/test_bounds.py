"""Clients that ask for too much: the answer, the line in the log, and how much memory it takes."""

from __future__ import annotations

import time

import pytest
from tests.protocols.bounds import memory_bounded
from tests.protocols.memory import make_node
from tests.protocols.mqtt.peer import (
    V3_1_1,
    V5,
    Life,
    Packet,
    Peer,
    connect,
    names,
    packet,
    payloads,
    props,
    puback,
    publish,
    pubrel,
    subscribe,
    text,
    varint,
    will,
)

from menura.protocols.mqtt.limits import MqttLimits

NEVER = b"\x11\xff\xff\xff\xff"
KB, MB = 1024, 1024 * 1024


def ended(peer: Peer, answers: list[Packet], code: int, line: str) -> None:
    """The client has been told this code, and the log this line; the connection ends."""
    assert [(each.name, each.code) for each in answers] == [("DISCONNECT", code)]
    assert any(level == "error" and line in said for level, said in peer.log), peer.log
    peer.tick(1)
    assert peer.session.finished


# -- varint bombs --------------------------------------------------------------------------------------------


def test_1_5_5_a_length_without_end_is_not_waited_for() -> None:
    peer = Peer().connect()
    with memory_bounded(64 * KB):
        for _ in range(3):
            assert peer.send(b"\x80" if peer.session.unread else b"\x30\x80") == []
        ended(peer, peer.send(b"\x80"), 0x81, "a length of more than four octets")


@pytest.mark.parametrize(
    "body",
    [text("a") + b"\xff\xff\xff\xff\x7f", text("a") + b"\x06\x0b\x80\x80\x80\x80\x01", text("a") + b"\xff\xff\xff\x7f"],
    ids=["of the properties", "of a subscription identifier", "beyond the packet"],
)
def test_1_5_5_nor_is_a_number_without_end_in_properties(body: bytes) -> None:
    peer = Peer().connect()
    with memory_bounded(64 * KB):
        ended(peer, peer.send(packet(0x30, body)), 0x81, "connection closed")


def test_3_1_2_11_4_what_is_announced_and_never_comes_takes_no_room() -> None:
    peers = [Peer().connect() for _ in range(20)]
    with memory_bounded(256 * KB):
        for peer in peers:
            assert peer.send(b"\x30" + varint(100 * MB) + bytes(1000)) == []


# -- topics --------------------------------------------------------------------------------------------------


def test_4_7_3_topics_as_deep_as_can_be_are_refused_for_themselves_and_not_remembered() -> None:
    peer = Peer().connect()
    deep = "/" * 65535
    with memory_bounded(2 * MB):
        for qos, answer in ((1, "PUBACK"), (2, "PUBREC")):
            assert [(each.name, each.code) for each in peer.publish(deep, b"x", qos)] == [(answer, 0x90)]
        assert [each.codes for each in peer.send(subscribe(deep, "$share/g/" + deep[9:]))] == [(0x8F, 0x8F)]
    with memory_bounded(2 * MB):
        for number in range(50):
            peer.publish(f"{number}" + deep[:60_000], b"x", 1)
    assert not peer.session.targets
    ended(peer, peer.publish(deep), 0x90, "not allowed to publish to this topic")


def test_4_7_1_filters_full_of_wildcards_do_not_make_matching_expensive() -> None:
    node = make_node()
    peer = Peer(node).connect()
    words = 100
    filters = [("+/" * at + "a/" * (words - 1 - at) + "#", 0) for at in range(words)]
    peer.send(subscribe(*filters))
    began = time.process_time()
    for number in range(20):
        peer.publish("a/" * (words - 1) + str(number), b"x", retain=True)
    other = Peer(node).connect("other")
    assert len(other.subscribe(*filters)) > 0
    assert time.process_time() - began < 5


def test_retained_topics_that_are_deep_weigh_something_and_go_when_they_are_cleared() -> None:
    node = make_node()
    peer = Peer(node).connect()
    for number in range(100):
        peer.publish(f"{number}/" + "a/" * 100, b"x", retain=True)
    assert node.memory.used_bytes > 100 * 100
    for number in range(100):
        peer.publish(f"{number}/" + "a/" * 100, b"", retain=True)
    assert node.memory.used_bytes == 0
    assert not node.vhosts["/"].retained._root.children


# -- aliases -------------------------------------------------------------------------------------------------


def test_3_3_2_3_4_more_aliases_than_told_end_the_connection() -> None:
    peer = Peer(limits=MqttLimits(topic_aliases_max=3)).connect()
    for alias in (1, 2, 3, 3, 1):
        for number in range(50):
            assert peer.publish(f"t/{number}", properties=b"\x23" + alias.to_bytes(2, "big")) == []
    assert len(peer.session.aliased) == 3
    ended(peer, peer.publish("t", properties=b"\x23\x00\x04"), 0x94, "topic alias 4")


def test_3_3_2_7_aliases_end_with_the_connection() -> None:
    node = make_node()
    first = Peer(node).connect(clean=False, properties=NEVER)
    first.publish("t", properties=b"\x23\x00\x01")
    first.lose()
    second = Peer(node).connect(clean=False, properties=NEVER)
    ended(second, second.publish("", properties=b"\x23\x00\x01"), 0x82, "stands for nothing yet")


def test_3_1_2_26_a_client_is_given_no_more_aliases_than_it_takes() -> None:
    node = make_node()
    reader = Peer(node).connect("r", properties=b"\x22\x00\x02")
    reader.subscribe(("#", 0))
    writer = Peer(node).connect("w")
    for number in range(100):
        writer.publish(f"t/{number}")
    assert len(reader.session.aliases) == 2
    assert sum(0x23 in each.properties for each in reader.take()) == 2


# -- handshakes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", b"\x10", b"\x10\xff\xff\x7f", connect("c")[:-1]])
def test_3_1_a_connection_without_a_whole_connect_is_closed_in_time(said: bytes) -> None:
    peer = Peer(limits=MqttLimits(connect_bytes_max=1 << 22, handshake_seconds_max=10))
    peer.feed(said)
    for octet in bytes(9):
        peer.tick(1)
        assert not peer.session.finished
        peer.feed(bytes((octet,)) if said.endswith(b"\x7f") else b"")
    assert peer.tick(1) == []
    assert peer.session.finished
    assert peer.log[-1] == ("warning", "memory: closed: no CONNECT in time")


def test_3_1_a_connect_longer_than_any_needs_to_be_is_closed_before_it_comes() -> None:
    peer = Peer()
    with memory_bounded(64 * KB):
        assert peer.send(b"\x10" + varint(MB)) == []
    assert peer.session.finished
    assert "a packet of 1048580 octets" in peer.log[-1][1]


# -- packets -------------------------------------------------------------------------------------------------


def test_3_1_2_24_a_packet_longer_than_told_is_refused_before_it_comes() -> None:
    peer = Peer(limits=MqttLimits(packet_bytes_max=100_000)).connect()
    with memory_bounded(64 * KB):
        ended(peer, peer.send(b"\x30" + varint(100_000)), 0x95, "a packet of 100004 octets")


@pytest.mark.parametrize("told", [50, 128])
def test_3_1_2_24_so_is_one_whose_length_is_a_single_octet(told: int) -> None:
    peer = Peer(limits=MqttLimits(packet_bytes_max=told)).connect()
    assert peer.send(publish("a", bytes(told - 6))) == []
    assert not peer.session.finished
    ended(peer, peer.send(publish("a", bytes(told - 5))), 0x95, f"a packet of {told + 1} octets")


@pytest.mark.parametrize("first", [0x82, 0xA2, 0x40, 0x62, 0xE0, 0xF0])
def test_a_control_packet_longer_than_any_needs_to_be_is_not_looked_into(first: int) -> None:
    peer = Peer(limits=MqttLimits(control_bytes_max=100_000)).connect()
    flood = packet(first, b"\x00\x01\x00" + props((b"\x26" + text("") + text("")) * 30_000))
    with memory_bounded(2 * MB):
        ended(peer, peer.send(flood), 0x95, f"a packet of type {first >> 4} with ")


# -- floods --------------------------------------------------------------------------------------------------


def test_more_subscriptions_than_allowed_are_refused_one_by_one() -> None:
    peer = Peer(limits=MqttLimits(subscriptions_max=100)).connect()
    with memory_bounded(4 * MB):
        (answer,) = peer.send(subscribe(*[f"t/{number}" for number in range(5000)]))
        assert answer.codes == (1,) * 100 + (0x97,) * 4900
        (answer,) = peer.send(subscribe(*[f"u/{number}" for number in range(5000)]))
        assert set(answer.codes) == {0x97}
    assert len(peer.session.client.subscriptions) == 100
    peer.lose()
    assert peer.node.memory.used_bytes == 0


def test_subscriptions_that_come_and_go_leave_nothing() -> None:
    node = make_node()
    before = len(node.vhosts["/"].bindings)
    for number in range(300):
        Peer(node).connect(f"c{number}", clean=True).send(subscribe("a", ("$share/g/b", 2), ("c", 0)))
        node.vhosts["/"].attached["mqtt"][f"c{number}"].session.lost()
    assert len(node.vhosts["/"].bindings) == before
    assert not [name for name in node.vhosts["/"].queues if "mqtt" in name or "share" in name]


def test_more_properties_than_allowed_end_the_connection() -> None:
    peer = Peer().connect()
    pair = b"\x26" + text("name") + text("value")
    assert names(peer.publish("a", b"", 1, properties=pair * 2300)) == ["PUBACK"]
    flood = publish("a", b"", 1, properties=pair * 500_000)
    with memory_bounded(len(flood) + MB):
        ended(peer, peer.send(flood), 0x97, "octets of properties")


@pytest.mark.parametrize("alias", [b"", b"\x23\x00\x01"])
def test_so_do_those_beside_an_alias_and_those_of_a_will(alias: bytes) -> None:
    pair = b"\x26" + text("name") + text("value")
    peer = Peer().connect()
    ended(peer, peer.publish("a", properties=alias + pair * 3000), 0x97, "octets of properties")
    answer = Peer().open("c", last=will("w", properties=pair * 3000))
    assert (answer.name, answer.code) == ("CONNACK", 0x97)


def test_properties_that_never_repeat_are_not_remembered_for_ever() -> None:
    node = make_node()
    reader, writer = Peer(node).connect("r"), Peer(node).connect("w")
    reader.subscribe(("#", 0))
    with memory_bounded(MB):
        for number in range(1000, 1600):
            found = b"\x26" + text("n") + text(str(number) * 2000)
            writer.publish("a", b"x", properties=found)
            reader.session.flush()


def test_3_3_4_9_identifiers_of_qos_2_are_bounded_over_connections() -> None:
    node = make_node()
    limits = MqttLimits(receive_max=50)
    peer = Peer(node, limits).connect(clean=False, properties=NEVER)
    for id in range(1, 51):
        peer.publish("a", b"x", 2, id)
    held = node.memory.used_bytes
    assert held > 50 * 40
    ended(peer, peer.publish("a", b"x", 2, 51), 0x93, "more messages begun than allowed")
    again = Peer(node, limits).connect(clean=False, properties=NEVER)
    ended(again, again.publish("a", b"x", 2, 52), 0x93, "more messages begun than allowed")
    last = Peer(node, limits).connect(clean=False, properties=NEVER)
    for id in range(1, 51):
        assert [each.code for each in last.send(pubrel(id))] == [0]
    assert node.memory.used_bytes == 0


def test_answers_to_what_nobody_asked_are_not_remembered() -> None:
    peer = Peer().connect()
    with memory_bounded(2 * MB):
        for _ in range(5):
            assert {each.code for each in peer.send(b"".join(map(pubrel, range(1, 500))))} == {0x92}
            assert peer.send(b"".join(map(puback, range(1, 500)))) == []
    assert not peer.session.client.ids.received


def test_wills_that_wait_block_publishers_before_they_fill_the_memory() -> None:
    life = Life()
    life.node.memory.set_watermark(300_000)
    writer = life.peer("writer")
    for number in range(10):
        last = will("w", bytes(60_000), 1, False, b"\x18\xff\xff\xff\xff")
        life.peer(f"c{number}", clean=False, properties=NEVER, last=last).lose()
    life.tell(writer, publish("a"))
    assert not writer.session.reading
    assert any(level == "warning" and "publisher blocked" in line for level, line in writer.log)


@pytest.mark.parametrize("qos", [0, 1])
def test_retained_messages_have_to_be_taken_before_more_are_asked_for(qos: int) -> None:
    node = make_node()
    writer = Peer(node).connect("w")
    for number in range(100):
        writer.publish(f"t/{number}", bytes(1000), retain=True)
    limits = MqttLimits(retained_bytes_max=MB, output_bytes_max=50_000)
    flood = Peer(node, limits).connect("flood")
    with memory_bounded(4 * MB):
        answers = flood.send(subscribe(("t/#", qos)) * 1000)
    (end,) = [each for each in answers if each.name == "DISCONNECT"]
    ended(flood, [end], 0x97, "retained messages are asked for and not taken")
    calm = Peer(node, limits).connect("calm")
    for _ in range(30):
        answers = calm.send(subscribe(("t/#", qos)))
        got = len(payloads(answers))
        while got < 100:
            calm.session.resume()
            answers = calm.send(b"".join(puback(each.id) for each in answers if each.id and each.name == "PUBLISH"))
            got += len(payloads(answers))
        calm.send(b"".join(puback(each.id) for each in answers if each.id and each.name == "PUBLISH"))
        assert got == 100


# -- slow readers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "qos"), [(V3_1_1, 0), (V5, 0), (V5, 1), (V5, 2)])
def test_a_reader_that_does_not_read_holds_its_messages_in_the_account_which_stops_the_writer(
    version: int, qos: int
) -> None:
    node = make_node(watermark_bytes=MB)
    reader = Peer(node, MqttLimits(output_bytes_max=100_000)).connect("r", version)
    reader.subscribe(("a", qos))
    writer = Peer(node).connect("w")
    with memory_bounded(6 * MB):
        sent = 0
        while writer.session.reading:
            writer.publish("a", bytes(10_000), qos, sent % 1000 + 1)
            writer.send(pubrel(sent % 1000 + 1))
            sent += 1
            assert sent < 1000
    assert reader.session.output.size_bytes < 120_000
    assert any("publisher blocked" in line for _, line in writer.log)
    reader.lose()
    writer.session.unblock()
    assert writer.session.reading


# -- a disk that stalls --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [subscribe(("a", 0)) + b"\xc0\x00", publish("a", b"x", 2, 1) + pubrel(1), publish("a", b"x", 1, 1)],
    ids=["subscriptions", "QoS 2", "QoS 1"],
)
def test_who_asks_while_the_disk_stalls_is_not_heard_until_it_goes_on(asked: bytes) -> None:
    life = Life()
    life.tell(life.peer("keeper", clean=False, properties=NEVER), subscribe(("a", 1)))
    peer = life.peer("c", clean=False, properties=NEVER)
    peer.session.limits = MqttLimits(output_bytes_max=2000)
    peer.feed(subscribe(("b", 1)))
    said = 0
    while peer.session.reading:
        assert peer.send(asked) == []
        said += 1
        assert said < 2000
    life.flush()
    assert len(peer.take()) > said / 2
    assert peer.session.reading
