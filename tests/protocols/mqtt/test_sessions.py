"""Publishing, subscribing, sessions, wills, retained messages, takeover: rules of the specification, by clause."""

from __future__ import annotations

import pytest
from tests.protocols.memory import make_node
from tests.protocols.mqtt.peer import (
    DISCONNECT,
    PINGREQ,
    V3_1,
    V3_1_1,
    V5,
    Life,
    Peer,
    names,
    packet,
    payloads,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    subscribe,
    text,
    unsubscribe,
    will,
)

VERSIONS = pytest.mark.parametrize("version", [V3_1, V3_1_1, V5])


def session_expiry(seconds: int) -> bytes:
    return b"\x11" + seconds.to_bytes(4, "big")


NEVER = session_expiry(0xFFFFFFFF)


def persistent(version: int) -> dict[str, object]:
    return {"clean": False, "properties": NEVER if version == V5 else b""}


# -- publish and subscribe -----------------------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize("published", [0, 1, 2])
@pytest.mark.parametrize("subscribed", [0, 1, 2])
def test_3_8_4_a_message_has_the_lower_qos(version: int, published: int, subscribed: int) -> None:
    node = make_node()
    reader, writer = Peer(node).connect("r", version), Peer(node).connect("w", version)
    reader.subscribe(("a/b", subscribed))
    answers = writer.publish("a/b", b"hello", published, 7)
    assert names(answers) == [[], ["PUBACK"], ["PUBREC"]][published]
    (got,) = reader.take()
    assert (got.topic, got.payload, got.qos, got.dup, got.retain) == (
        "a/b",
        b"hello",
        min(published, subscribed),
        False,
        False,
    )


def test_4_3_3_qos_2_goes_both_ways_exactly_once() -> None:
    node = make_node()
    reader, writer = Peer(node).connect("r"), Peer(node).connect("w")
    reader.subscribe(("a", 2))
    assert names(writer.publish("a", b"1", 2, 9)) == ["PUBREC"]
    assert names(writer.publish("a", b"1", 2, 9, dup=True)) == ["PUBREC"]
    (got,) = reader.take()
    assert [(each.name, each.id, each.code) for each in reader.send(pubrec(got.id))] == [("PUBREL", got.id, 0)]
    assert reader.send(pubcomp(got.id)) == []
    assert [(each.name, each.id, each.code) for each in writer.send(pubrel(9))] == [("PUBCOMP", 9, 0)]
    assert [(each.name, each.id, each.code) for each in writer.send(pubrel(9))] == [("PUBCOMP", 9, 0x92)]
    assert names(writer.publish("a", b"2", 2, 9)) == ["PUBREC"]
    assert payloads(reader.take()) == [b"2"]


def test_3_6_2_1_a_pubrec_of_nothing_is_answered_with_packet_identifier_not_found() -> None:
    peer = Peer().connect()
    assert [(each.name, each.code) for each in peer.send(pubrec(5))] == [("PUBREL", 0x92)]


def test_4_7_1_wildcards_match_levels_and_the_parent() -> None:
    node = make_node()
    writer = Peer(node).connect("w")
    topics = ["sport", "sport/x", "sport/x/y", "sport/", "/x", "a.b/c", "a/b.c", "*", "a/*/b", "a/x/b", "$SYS/x"]
    cases = {
        "sport/#": ["sport", "sport/x", "sport/x/y", "sport/"],
        "+/x": ["sport/x", "/x"],
        "sport/+": ["sport/x", "sport/"],
        "+": ["sport", "*"],
        "#": topics[:-1],
        "/+": ["/x"],
        "a.b/c": ["a.b/c"],
        "a/*/b": ["a/*/b"],
        "a/+/b": ["a/*/b", "a/x/b"],
        "$SYS/+": ["$SYS/x"],
    }
    for number, (filter, wanted) in enumerate(cases.items()):
        reader = Peer(node).connect(f"r{number}")
        reader.subscribe((filter, 0))
        for topic in topics:
            writer.publish(topic)
        assert [each.topic for each in reader.take()] == wanted, filter
        reader.send(DISCONNECT)


def test_3_3_4_overlapping_subscriptions_send_a_message_once_with_the_highest_qos_and_all_identifiers() -> None:
    node = make_node()
    reader = Peer(node).connect("r")
    reader.subscribe(("a/#", 0), properties=b"\x0b\x01")
    reader.subscribe(("a/b", 1), properties=b"\x0b\x02")
    reader.subscribe(("a/+", 2), properties=b"\x0b\x80\x01")
    Peer(node).connect("w").publish("a/b", b"x", 2, 1)
    (got,) = reader.take()
    assert got.qos == 2
    assert got.properties[0x0B] == [1, 2, 128]


def test_3_10_4_nothing_comes_after_unsubscribe() -> None:
    node = make_node()
    reader, writer = Peer(node).connect("r"), Peer(node).connect("w")
    reader.subscribe("a", ("b", 0))
    assert [each.codes for each in reader.send(unsubscribe("a", "b", "c"))] == [(0, 0, 0x11)]
    writer.publish("a", b"x", 1)
    writer.publish("b")
    assert reader.take() == []


def test_3_8_4_a_second_subscription_to_a_filter_replaces_the_first() -> None:
    node = make_node()
    reader, writer = Peer(node).connect("r"), Peer(node).connect("w")
    reader.subscribe(("a", 2))
    reader.subscribe(("a", 0))
    writer.publish("a", b"x", 2)
    assert [each.qos for each in reader.take()] == [0]
    reader.subscribe(("a", 1))
    writer.publish("a", b"y", 2, 2)
    assert [each.qos for each in reader.take()] == [1]


def test_3_8_3_1_no_local_keeps_ones_own_messages_away() -> None:
    node = make_node()
    peer, other = Peer(node).connect("c"), Peer(node).connect("d")
    peer.subscribe(("a", 1 | 4))
    peer.publish("a", b"mine", 1)
    assert payloads(peer.take()) == []
    other.publish("a", b"other", 1)
    assert payloads(peer.take()) == [b"other"]


def test_3_8_3_1_retain_as_published_keeps_the_flag() -> None:
    node = make_node()
    peer = Peer(node).connect("c")
    peer.subscribe(("a", 1 | 8), ("b", 1))
    writer = Peer(node).connect("w")
    for topic in "ab":
        writer.publish(topic, b"x", 1, retain=True)
    assert [(each.topic, each.retain) for each in peer.take()] == [("a", True), ("b", False)]


# -- retained ------------------------------------------------------------------------------------------------


@VERSIONS
def test_3_3_1_3_the_last_retained_message_goes_to_new_subscribers(version: int) -> None:
    node = make_node()
    writer = Peer(node).connect("w", version)
    for topic in ("a/1", "a/2", "b", "$x/1"):
        writer.publish(topic, b"old", 1, retain=True)
        writer.publish(topic, b"new " + topic.encode(), 0, retain=True)
    writer.publish("a/2", b"", retain=True)
    reader = Peer(node).connect("r", version)
    assert sorted((each.topic, each.payload, each.retain) for each in reader.subscribe(("#", 1))) == [
        ("a/1", b"new a/1", True),
        ("b", b"new b", True),
    ]
    assert [each.topic for each in reader.subscribe(("$x/+", 0))] == ["$x/1"]


def test_3_8_3_1_retain_handling_says_when_retained_messages_are_sent() -> None:
    node = make_node()
    Peer(node).connect("w").publish("a", b"x", 1, retain=True)
    reader = Peer(node).connect("r")
    assert payloads(reader.subscribe(("a", 0x20))) == []
    reader.send(unsubscribe("a"))
    assert payloads(reader.subscribe(("a", 0x10))) == [b"x"]
    assert payloads(reader.subscribe(("a", 0x11))) == []
    assert payloads(reader.subscribe(("a", 0x01))) == [b"x"]


def test_3_3_2_3_3_a_retained_message_expires() -> None:
    node = make_node()
    writer = Peer(node).connect("w")
    writer.publish("a", b"x", 1, retain=True, properties=b"\x02\x00\x00\x00\x05")
    first = Peer(node).connect("r1")
    (got,) = first.subscribe(("a", 0))
    assert got.properties[0x02] == [5]
    writer.tick(3)
    assert [each.properties[0x02] for each in first.subscribe(("a", 0))] == [[2]]
    writer.tick(2)
    assert first.subscribe(("a", 0)) == []
    assert node.vhosts["/"].retained.count == 0


def test_a_retained_message_survives_a_restart() -> None:
    life = Life()
    writer = life.peer("w")
    life.tell(writer, publish("a/b", b"1", 1, 1, retain=True), publish("a/b", b"2", 0, retain=True))
    life.tell(writer, publish("gone", b"1", 1, 2, retain=True), publish("gone", b"", 1, 3, retain=True))
    life.flush()
    reader = (life := life.next()).peer("r")
    assert [(each.topic, each.payload) for each in life.tell(reader, subscribe("#"))[1:]] == [("a/b", b"2")]


# -- sessions ------------------------------------------------------------------------------------------------


@VERSIONS
def test_3_1_2_4_a_session_keeps_what_came_while_its_client_was_away(version: int) -> None:
    node = make_node()
    first = Peer(node)
    assert first.open("r", version, **persistent(version)).codes == (0,)
    first.subscribe(("a", 1), ("q0", 0))
    first.lose()
    writer = Peer(node).connect("w", version)
    for number in range(3):
        writer.publish("a", b"%d" % number, 1, number + 1)
    second = Peer(node)
    assert second.open("r", version, **persistent(version)).codes == (version != V3_1,)
    assert payloads(second.early) == [b"0", b"1", b"2"]
    writer.publish("q0")
    assert payloads(second.take()) == [b"x"]


@VERSIONS
def test_3_1_2_4_a_clean_start_forgets_the_session(version: int) -> None:
    node = make_node()
    first = Peer(node).connect("r", version, **persistent(version))
    first.subscribe("a")
    first.lose()
    second = Peer(node)
    assert second.open("r", version).codes == (0,)
    Peer(node).connect("w", version).publish("a", b"x", 1)
    assert second.take() == []
    second.lose()
    assert not [name for name in node.vhosts["/"].queues if "mqtt" in name]


def test_3_1_2_11_2_a_session_expires() -> None:
    node = make_node()
    reader = Peer(node).connect("r", clean=False, properties=session_expiry(10))
    reader.subscribe("a")
    reader.lose()
    clock = Peer(node).connect("w")
    clock.tick(9)
    assert node.vhosts["/"].queues
    clock.tick(2)
    assert not node.vhosts["/"].queues
    assert Peer(node).open("r", clean=False).codes == (0,)


def test_3_14_2_2_2_disconnect_may_change_the_expiry_but_not_begin_one() -> None:
    node = make_node()
    peer = Peer(node).connect("r", properties=session_expiry(10))
    assert peer.send(packet(0xE0, b"\x00\x05" + session_expiry(0))) == []
    assert not node.vhosts["/"].queues
    peer = Peer(node).connect("r")
    assert [each.code for each in peer.send(packet(0xE0, b"\x00\x05" + session_expiry(5)))] == [0x82]


@pytest.mark.parametrize("qos", [1, 2])
def test_4_4_unanswered_messages_come_again_with_their_identifiers(qos: int) -> None:
    node = make_node()
    reader = Peer(node).connect("r", **persistent(V5))
    reader.subscribe(("a", qos))
    writer = Peer(node).connect("w")
    for number in range(4):
        writer.publish("a", b"%d" % number, qos, number + 1)
    before = reader.take()
    if qos == 1:
        reader.send(puback(before[1].id))
    else:
        reader.send(pubrec(before[1].id))
    reader.lose()
    reader = Peer(node).connect("r", **persistent(V5))
    again = [each for each in reader.early if each.name == "PUBLISH"]
    assert [(each.id, each.payload, each.dup) for each in again] == [
        (each.id, each.payload, True) for each in before if each is not before[1]
    ]
    assert [each.id for each in reader.early if each.name == "PUBREL"] == ([before[1].id] if qos == 2 else [])


def test_3_1_4_a_second_connection_takes_the_client_over() -> None:
    node = make_node()
    first = Peer(node).connect("r", **persistent(V5))
    first.subscribe("a")
    second = Peer(node)
    assert second.open("r", **persistent(V5)).codes == (1,)
    assert [(each.name, each.code) for each in first.take()] == [("DISCONNECT", 0x8E)]
    assert not first.session.finished
    assert first.send(PINGREQ) == []
    first.tick(1)
    assert first.session.finished
    first.lose()
    Peer(node).connect("w").publish("a", b"x", 1)
    assert payloads(second.take()) == [b"x"]


# -- lives ---------------------------------------------------------------------------------------------------


def test_a_session_survives_a_restart_with_its_subscriptions_messages_and_identifiers() -> None:
    life = Life()
    reader = life.peer("r", **persistent(V5))
    life.tell(reader, subscribe(("a/+", 2), ("q0/*/#", 0), properties=b"\x0b\x07"))
    writer = life.peer("w")
    life.tell(writer, *[publish("a/b", b"%d" % number, 2, number + 1) for number in range(3)])
    before = reader.take()
    assert payloads(before) == [b"0", b"1", b"2"]
    assert names(life.tell(reader, pubrec(before[0].id))) == ["PUBREL"]
    life.flush()
    life = life.next()
    reader = life.peer("r", **persistent(V5))
    assert [each.id for each in reader.early if each.name == "PUBREL"] == [before[0].id]
    again = [each for each in reader.early if each.name == "PUBLISH"]
    assert [(each.id, each.payload, each.properties[0x0B]) for each in again] == [
        (each.id, each.payload, [7]) for each in before[1:]
    ]
    writer = life.peer("w")
    life.tell(writer, publish("q0/*/x", b"loose"))
    assert payloads(reader.take()) == [b"loose"]
    life.tell(reader, pubcomp(before[0].id), *[step(each.id) for each in again for step in (pubrec, pubcomp)])
    life.flush()
    life = life.next()
    reader = life.peer("r", **persistent(V5))
    assert names(reader.early) == ["CONNACK"]
    assert reader.early[0].codes == (1,)


def test_4_3_3_a_message_is_published_once_even_over_a_restart() -> None:
    life = Life()
    reader = life.peer("r", **persistent(V5))
    life.tell(reader, subscribe(("a", 1)))
    writer = life.peer("w", **persistent(V5))
    assert names(life.tell(writer, publish("a", b"x", 2, 5))) == ["PUBREC"]
    life = life.next()
    writer = life.peer("w", **persistent(V5))
    assert names(life.tell(writer, publish("a", b"x", 2, 5, dup=True))) == ["PUBREC"]
    assert names(life.tell(writer, pubrel(5))) == ["PUBCOMP"]
    life = life.next()
    writer, reader = life.peer("w", **persistent(V5)), life.peer("r", **persistent(V5))
    assert payloads(reader.early) == [b"x"]
    assert [each.code for each in life.tell(writer, pubrel(5))] == [0x92]


def test_answers_wait_for_the_disk_and_deliveries_do_not() -> None:
    life = Life()
    reader, writer = life.peer("r", **persistent(V5)), life.peer("w")
    life.tell(reader, subscribe("a"))
    for qos, answer in ((1, "PUBACK"), (2, "PUBREC")):
        writer.feed(publish("a", b"x", qos, 1))
        assert writer.take() == []
        assert payloads(reader.take()) == [b"x"]
        wakes = writer.wakes
        life.flush()
        assert writer.wakes > wakes
        assert names(writer.take()) == [answer]


def test_a_suback_waits_for_the_disk() -> None:
    life = Life()
    reader = life.peer("r", **persistent(V5))
    reader.feed(subscribe("a"))
    assert reader.take() == []
    life.flush()
    assert names(reader.take()) == ["SUBACK"]


# -- wills ---------------------------------------------------------------------------------------------------


@VERSIONS
def test_3_1_2_5_a_will_is_published_when_the_connection_breaks_and_not_after_disconnect(version: int) -> None:
    node = make_node()
    watcher = Peer(node).connect("watcher", version)
    watcher.subscribe("wills/#")
    for ending in (DISCONNECT, b""):
        peer = Peer(node).connect("c", version, last=will("wills/c", b"bye", 1, True))
        if ending:
            peer.send(ending)
        peer.lose()
        assert payloads(watcher.take()) == ([] if ending else [b"bye"])
    late = Peer(node).connect("late", version)
    assert [(each.payload, each.retain) for each in late.subscribe("wills/c")] == [(b"bye", True)]


def test_3_14_2_1_disconnect_with_will_publishes_it() -> None:
    node = make_node()
    watcher = Peer(node).connect("watcher")
    watcher.subscribe("w")
    Peer(node).connect("c", last=will("w", b"bye")).send(packet(0xE0, b"\x04"))
    assert payloads(watcher.take()) == [b"bye"]


def test_3_1_3_2_2_a_will_waits_for_its_delay_or_the_sessions_end() -> None:
    node = make_node()
    watcher = Peer(node).connect("watcher")
    watcher.subscribe("w")
    last = will("w", b"late", 0, False, b"\x18\x00\x00\x00\x0a")
    for seconds, expiry in ((10, 100), (5, 5)):
        peer = Peer(node, now=watcher.now)
        peer.connect("c", properties=session_expiry(expiry), last=last).lose()
        assert payloads(watcher.tick(seconds - 1)) == []
        assert payloads(watcher.tick(2)) == [b"late"]
        peer = Peer(node, now=watcher.now)
        peer.connect("c", properties=session_expiry(100), last=last).lose()
        back = Peer(node, now=watcher.now).connect("c", clean=False, properties=session_expiry(100))
        assert payloads(watcher.tick(20)) == []
        back.send(packet(0xE0, b"\x00\x05" + session_expiry(0)))


# -- time and endings ----------------------------------------------------------------------------------------


def test_3_1_2_10_a_silent_client_is_closed_after_one_and_a_half_keep_alives() -> None:
    peer = Peer().connect(keep_alive=10)
    peer.tick(14)
    assert names(peer.send(PINGREQ)) == ["PINGRESP"]
    assert peer.tick(14.9) == []
    assert [(each.name, each.code) for each in peer.tick(0.2)] == [("DISCONNECT", 0x8D)]
    assert peer.tick(1) == []
    assert peer.session.finished


def test_3_2_2_3_14_a_longer_keep_alive_is_cut_and_told() -> None:
    peer = Peer()
    assert peer.open(keep_alive=120).properties[0x13] == [60]
    assert 0x13 not in Peer().open(keep_alive=30).properties


def test_a_connection_without_connect_is_closed() -> None:
    peer = Peer()
    peer.feed(b"\x10")
    peer.tick(9)
    assert not peer.session.finished
    peer.tick(2)
    assert peer.session.finished


def test_4_13_a_broker_that_stops_says_so() -> None:
    peer = Peer().connect()
    peer.session.stop()
    assert [(each.name, each.code) for each in peer.take()] == [("DISCONNECT", 0x8B)]
    old = Peer().connect(version=V3_1_1)
    old.session.stop()
    assert old.take() == []
    assert old.session.finished


# -- version 5 -----------------------------------------------------------------------------------------------


def test_3_2_2_3_7_a_client_without_identifier_is_given_one() -> None:
    found = Peer().open("")
    assert found.properties[0x12][0].startswith("auto-")


def test_3_3_2_3_4_topic_aliases_stand_for_topics_both_ways() -> None:
    node = make_node()
    reader = Peer(node).connect("r", properties=b"\x22\x00\x01")
    reader.subscribe(("#", 0))
    writer = Peer(node).connect("w")
    writer.publish("a/b", b"1", properties=b"\x23\x00\x03")
    writer.publish("", b"2", properties=b"\x23\x00\x03")
    writer.publish("c", b"3")
    got = reader.take()
    assert [(each.topic, each.properties.get(0x23), each.payload) for each in got] == [
        ("a/b", [1], b"1"),
        ("", [1], b"2"),
        ("c", None, b"3"),
    ]


def test_3_3_2_3_the_properties_of_a_message_arrive_unchanged_and_in_order() -> None:
    node = make_node()
    reader, writer = Peer(node).connect("r"), Peer(node).connect("w")
    reader.subscribe("a")
    pairs = [("k", "1"), ("b", "2"), ("k", "3"), ("x-mqtt-publish-qos", "no"), ("long" * 100, "4")]
    for user in (pairs[:2], pairs):
        properties = b"".join(
            [
                b"\x01\x01",
                b"\x03" + text("text/plain"),
                b"\x08" + text("replies/to.me"),
                b"\x09" + text(b"\xff\x00bin"),
                *[b"\x26" + text(name) + text(value) for name, value in user],
            ]
        )
        writer.publish("a", b"x", 1, properties=properties)
        (got,) = reader.take()
        assert got.properties == {
            0x01: [1],
            0x03: ["text/plain"],
            0x08: ["replies/to.me"],
            0x09: [b"\xff\x00bin"],
            0x26: user,
        }


def test_3_3_4_no_more_than_receive_maximum_is_in_flight() -> None:
    node = make_node()
    reader = Peer(node).connect("r", properties=b"\x21\x00\x02")
    reader.subscribe(("a", 2))
    writer = Peer(node).connect("w")
    for number in range(5):
        writer.publish("a", b"%d" % number, 2, number + 1)
    one, two = reader.take()
    assert names(reader.send(pubrec(one.id))) == ["PUBREL"]
    assert payloads(reader.send(pubcomp(one.id))) == [b"2"]
    assert payloads(reader.send(pubrec(two.id, b"\x80"))) == [b"3"]


def test_3_1_2_11_4_a_packet_longer_than_the_client_takes_is_not_sent() -> None:
    node = make_node()
    reader = Peer(node).connect("r", properties=b"\x27\x00\x00\x00\x20")
    reader.subscribe("a", ("b", 0))
    writer = Peer(node).connect("w")
    for topic in "ab":
        for size in (100, 10):
            writer.publish(topic, bytes(size), 1)
    assert payloads(reader.take()) == [bytes(10)] * 2


def test_3_4_2_1_a_message_nobody_wants_is_answered_with_that() -> None:
    peer = Peer().connect()
    assert [each.code for each in peer.publish("a", b"x", 1)] == [0x10]


# -- shared subscriptions ------------------------------------------------------------------------------------


def test_4_8_2_a_group_shares_its_messages() -> None:
    node = make_node()
    readers = [Peer(node).connect(f"r{number}") for number in range(2)]
    for reader in readers:
        reader.subscribe(("$share/g/a/#", 1))
    writer = Peer(node).connect("w")
    for number in range(10):
        writer.publish("a/b", b"%d" % number, 1, number + 1)
    got = [payloads(reader.take()) for reader in readers]
    assert sorted(got[0] + got[1]) == [b"%d" % number for number in range(10)]
    assert [len(each) for each in got] == [5, 5]


def test_4_8_2_what_a_member_has_not_acknowledged_goes_to_another_when_it_leaves() -> None:
    node = make_node()
    first = Peer(node).connect("r1")
    first.subscribe(("$share/g/a", 1))
    Peer(node).connect("w").publish("a", b"x", 1)
    assert payloads(first.take()) == [b"x"]
    second = Peer(node).connect("r2")
    second.subscribe(("$share/g/a", 1))
    assert second.take() == []
    first.lose()
    assert payloads(second.take()) == [b"x"]
    second.send(unsubscribe("$share/g/a"))
    assert not [name for name in node.vhosts["/"].queues if name.startswith("$share")]


def test_4_8_2_a_message_of_qos_2_stays_with_the_member_it_was_sent_to() -> None:
    node = make_node()
    first = Peer(node).connect("r1", **persistent(V5))
    first.subscribe(("$share/g/a", 2))
    second = Peer(node).connect("r2")
    Peer(node).connect("w").publish("a", b"x", 2)
    (got,) = first.take()
    second.subscribe(("$share/g/a", 2))
    first.lose()
    assert second.take() == []
    first = Peer(node).connect("r1", **persistent(V5))
    assert [(each.id, each.payload) for each in first.early] == [(got.id, b"x")]


def test_3_8_3_1_a_shared_subscription_cannot_be_no_local() -> None:
    peer = Peer().connect()
    assert [each.code for each in peer.send(subscribe(("$share/g/a", 5)))] == [0x82]


def test_4_3_3_a_message_of_qos_2_is_sent_once_it_is_certain() -> None:
    life = Life()
    reader, writer = life.peer("r", **persistent(V5)), life.peer("w")
    life.tell(reader, subscribe(("a", 2)))
    writer.feed(publish("a", b"x", 2, 1))
    assert reader.take() == []
    life.flush()
    assert payloads(reader.take()) == [b"x"]


def test_3_8_3_3_no_local_holds_when_the_client_comes_back_with_an_older_version() -> None:
    node = make_node()
    first = Peer(node).connect("c", properties=b"\x11\x00\x00\x00\x3c")
    first.subscribe(("a", 1 | 4))
    first.send(DISCONNECT)
    again = Peer(node).connect("c", V3_1_1, clean=False)
    assert names(again.publish("a", b"own", 1)) == ["PUBACK"]
    other = Peer(node).connect("d")
    other.publish("a", b"another's", 1)
    assert payloads(again.take()) == [b"another's"]
