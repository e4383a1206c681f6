"""What happens at the edges: identifiers that run out, peers that do not read, memory that is short, queues that go."""

from __future__ import annotations

import pytest
from tests.protocols.memory import make_node
from tests.protocols.mqtt.peer import (
    V3_1_1,
    V5,
    Life,
    Peer,
    connect,
    names,
    payloads,
    puback,
    pubcomp,
    publish,
    pubrec,
    subscribe,
)

from menura.core.errors import NotAllowed
from menura.protocols.mqtt import delivery, identifiers
from menura.protocols.mqtt.limits import MqttLimits

NEVER = b"\x11\xff\xff\xff\xff"


@pytest.mark.parametrize("qos", [1, 2])
def test_2_2_1_a_packet_identifier_in_use_is_not_used_again(qos: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "OWN_IDS", 4)
    node = make_node()
    reader, writer = Peer(node).connect("r"), Peer(node).connect("w")
    reader.subscribe(("a", qos))

    def send(numbers: range) -> None:
        for number in numbers:
            writer.publish("a", b"%d" % number, qos, number + 1)

    def finish(id: int) -> None:
        for step in (puback,) if qos == 1 else (pubrec, pubcomp):
            reader.feed(step(id))

    send(range(6))
    first = reader.take()
    assert [each.id for each in first] == [1, 2, 3, 4]
    for id in (2, 3, 4):
        finish(id)
    assert payloads(reader.take()) == []
    send(range(6, 8))
    assert payloads(reader.take()) == []
    if qos == 2:
        reader.feed(pubrec(1))
        assert names(reader.take()) == ["PUBREL"]
        reader.feed(pubcomp(1))
    else:
        finish(1)
    got = reader.take()
    assert [(each.id, each.payload) for each in got] == [(1, b"4"), (2, b"5"), (3, b"6"), (4, b"7")]


def test_identifiers_of_shared_subscriptions_are_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identifiers, "OWN_IDS", 65532)
    node = make_node()
    reader, writer = Peer(node).connect("r"), Peer(node).connect("w")
    reader.subscribe(("$share/g/a", 1))
    for number in range(5):
        writer.publish("a", b"%d" % number, 1, number + 1)
    got = reader.take()
    assert [each.id for each in got] == [65533, 65534, 65535]
    assert payloads(reader.send(puback(65534))) == [b"3"]
    assert payloads(reader.send(puback(65533), puback(65535))) == [b"4"]


def test_a_peer_that_does_not_read_is_sent_no_more() -> None:
    node = make_node()
    reader = Peer(node, MqttLimits(output_bytes_max=100_000)).connect("r")
    reader.subscribe(("a", 1))
    writer = Peer(node).connect("w")
    for number in range(20):
        writer.publish("a", bytes(70_000), 1, number + 1)
    assert len(payloads(reader.take())) < 10
    reader.session.resume()
    assert 0 < len(payloads(reader.take())) < 10
    reader.session.congested = True
    reader.session.resume()
    assert reader.take() == []


def test_a_publisher_is_not_read_from_while_memory_is_short() -> None:
    node = make_node(watermark_bytes=2000)
    reader = Peer(node).connect("r", clean=False, properties=NEVER)
    reader.subscribe("a")
    reader.lose()
    writer = Peer(node).connect("w", keep_alive=10)
    while writer.session.reading:
        writer.publish("a", bytes(100), 1)
    writer.tick(100)
    assert not writer.session.finished
    node.alarms.on_change.append(lambda resource, short: writer.session.unblock())
    Peer(node).connect("r").lose()
    assert writer.session.reading


def test_a_queue_that_somebody_deletes_ends_the_session() -> None:
    node = make_node()
    reader = Peer(node).connect("r", clean=False, properties=NEVER)
    reader.subscribe(("a", 1), ("b", 0))
    vhost = node.vhosts["/"]
    vhost.remove_queue(vhost.queues["mqtt-subscription-rqos1"])
    assert [(each.name, each.code) for each in reader.take()] == [("DISCONNECT", 0x98)]
    reader.lose()
    assert not [name for name in vhost.queues if "mqtt" in name]
    assert Peer(node).open("r", clean=False, properties=NEVER).codes == (0,)


def test_a_client_without_name_is_guest_if_it_is_near() -> None:
    assert Peer().open(user=None, password=None).code == 0
    assert Peer(loopback=False).open(user=None, password=None).code == 0x86
    assert Peer(limits=MqttLimits(anonymous_user="")).open(user=None, password=None).code == 0x86
    assert Peer(loopback=False).open().code == 0x86


def test_a_client_may_be_whom_its_certificate_names() -> None:
    node = make_node()
    node.add_user("device", "")
    node.users.permit("device", "/")
    assert Peer(node, loopback=False, subject="device").open(user=None, password=None).code == 0
    assert Peer(node, loopback=False, subject="stranger").open(user=None, password=None).code == 0x86


@pytest.mark.parametrize("user", ["other:guest", "a:b:guest"])
def test_the_virtual_host_stands_before_the_last_colon(user: str) -> None:
    node = make_node()
    vhost = user.rpartition(":")[0]
    with pytest.raises(NotAllowed):
        node.vhost(vhost)
    assert Peer(node).open(user=user).code == 0x87
    node.add_vhost(vhost)
    node.users.permit("guest", vhost)
    peer = Peer(node).connect(user=user)
    peer.subscribe("a")
    assert "mqtt-subscription-cqos1" in node.vhosts[vhost].queues


def test_what_may_not_be_published_is_refused_for_itself_where_there_is_a_code() -> None:
    node = make_node()
    node.users.permit_topics("guest", "/", "amq.topic", "^yes", "^yes")
    peer = Peer(node).connect()
    assert [(each.name, each.code) for each in peer.publish("no", b"x", 1)] == [("PUBACK", 0x87)]
    assert [(each.name, each.code) for each in peer.publish("no", b"x", 2)] == [("PUBREC", 0x87)]
    assert [each.codes for each in peer.send(subscribe("no/#", "yes/#"))] == [(0x80, 1)]
    assert [(each.name, each.code) for each in peer.publish("no")] == [("DISCONNECT", 0x87)]
    old = Peer(node).connect(version=V3_1_1)
    assert [each.codes for each in old.send(subscribe("no/#", version=V3_1_1))] == [(0x80,)]
    assert old.publish("no", b"x", 1) == []
    assert old.session.finished


def test_rights_that_change_count_at_once() -> None:
    node = make_node()
    peer = Peer(node).connect()
    assert names(peer.publish("a", b"x", 1)) == ["PUBACK"]
    node.users.permit("guest", "/", ".*", "^$", ".*")
    assert [each.code for each in peer.publish("a", b"x", 1)] == [0x87]


def test_shared_and_loose_subscriptions_survive_a_restart_and_orphans_do_not() -> None:
    life = Life()
    keeper = life.peer("k", clean=False, properties=NEVER)
    life.tell(keeper, subscribe(("$share/g/a", 1), ("loose", 0)))
    passing = life.peer("p")
    life.tell(passing, subscribe(("$share/gone/a", 1)))
    life.flush()
    life = life.next()
    writer = life.peer("w")
    life.tell(writer, publish("a", b"x", 1))
    assert "$share/gone/a" not in life.node.vhosts["/"].queues
    keeper = life.peer("k", clean=False, properties=NEVER)
    assert payloads(keeper.early) == [b"x"]
    life.tell(writer, publish("loose", b"y"))
    assert payloads(keeper.take()) == [b"y"]


def test_a_session_expires_after_a_restart_too() -> None:
    life = Life()
    life.tell(life.peer("c", clean=False, properties=b"\x11\x00\x00\x00\x0a"), subscribe("a"))
    life.flush()
    life = life.next()
    other = life.peer("other")
    assert "mqtt-subscription-cqos1" in life.node.vhosts["/"].queues
    other.tick(11)
    assert "mqtt-subscription-cqos1" not in life.node.vhosts["/"].queues


def test_a_message_that_expired_while_its_reader_was_away_is_not_delivered() -> None:
    node = make_node()
    reader = Peer(node).connect("r", clean=False, properties=NEVER)
    reader.subscribe(("a", 1))
    reader.lose()
    writer = Peer(node).connect("w")
    writer.publish("a", b"short", 1, 1, properties=b"\x02\x00\x00\x00\x05")
    writer.publish("a", b"long", 1, 2, properties=b"\x02\x00\x00\x00\x64")
    writer.tick(10)
    reader = Peer(node, now=writer.now)
    reader.open("r", clean=False, properties=NEVER)
    assert [(each.payload, each.properties[0x02]) for each in reader.early] == [(b"long", [90])]
    reader.feed(puback(reader.early[0].id))
    assert node.vhosts["/"].queues["mqtt-subscription-rqos1"].unsettled_count == 0


def test_an_alias_whose_first_packet_was_too_long_is_told_with_the_next() -> None:
    node = make_node()
    reader = Peer(node).connect("r", properties=b"\x27\x00\x00\x00\x20\x22\x00\x05")
    reader.subscribe(("a", 0))
    writer = Peer(node).connect("w")
    for body in (bytes(100), b"1", b"2"):
        writer.publish("a", body)
    assert [(each.topic, each.properties[0x23], each.payload) for each in reader.take()] == [
        ("a", [1], b"1"),
        ("", [1], b"2"),
    ]


def test_a_disk_that_failed_takes_back_what_was_to_be_promised() -> None:
    life = Life()
    peer = life.peer("c", clean=False, properties=NEVER)
    life.tell(peer, subscribe("a"))
    peer.feed(publish("a", b"x", 1))
    peer.take()
    peer.session.abandon()
    assert names(peer.take()) == ["DISCONNECT"]
    assert peer.session.finished


def test_many_clients_that_never_say_more_are_small() -> None:
    node = make_node()
    for number in range(50):
        Peer(node).connect(f"c{number}", V3_1_1)
    assert not node.vhosts["/"].queues


def test_3_1_4_a_client_that_comes_back_at_once_finds_its_session() -> None:
    node = make_node()
    for _ in range(5):
        peer = Peer(node)
        peer.send(connect("c", V5, clean=False, properties=NEVER), subscribe("a"))
    assert len(node.vhosts["/"].attached["mqtt"]) == 1
    assert len(node.vhosts["/"].queues["mqtt-subscription-cqos1"].consumers) == 1


@pytest.mark.parametrize("order", [("$share/h/+", "a/#"), ("a/#", "$share/h/+")])
def test_4_8_2_a_message_for_a_group_and_for_a_member_itself_outlives_the_broker_twice(order: tuple[str, str]) -> None:
    life = Life()
    reader = life.peer("r", clean=False, properties=NEVER)
    for number, filter in enumerate(order):
        life.tell(reader, subscribe((filter, 2), id=number + 1))
    writer = life.peer("w")
    for number in range(3):
        life.tell(writer, publish("a", b"%d" % number, 2, number + 1))
    assert sorted(payloads(reader.take())) == [b"0", b"0", b"1", b"1", b"2", b"2"]
    life.flush()
    reader = life.next().peer("r", clean=False, properties=NEVER)
    assert sorted(payloads(reader.early)) == [b"0", b"0", b"1", b"1", b"2", b"2"]
