"""What connections, channels, sessions and subscriptions tell of themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pamqp.commands import Basic, Channel, Confirm, Connection, Queue, Tx
from tests.protocols.amqp import memory as amqp
from tests.protocols.memory import make_node
from tests.protocols.mqtt import peer as mqtt
from tests.protocols.stomp import memory as stomp

from menura.core.descriptions import NEVER, Description, SocketCounts
from menura.core.node import Node
from menura.core.peers import Peer
from menura.core.presence import Connected

Say = Callable[[Any], None]


def amqp_client(node: Node, peer: Peer | None = None) -> tuple[Any, Say]:
    client = amqp.Client(node, peer=peer).connect()
    client.call(Queue.Declare(queue="a"))
    return client, lambda body: client.send(amqp.publish("a", body))


def mqtt_client(node: Node, peer: Peer | None = None) -> tuple[Any, Say]:
    settings = {} if peer is None else {"socket": peer.socket}
    client = mqtt.Peer(node, **settings).connect("c")
    return client, lambda body: client.send(mqtt.publish("a", body))


def stomp_client(node: Node, peer: Peer | None = None) -> tuple[Any, Say]:
    client = stomp.Client(node, peer=peer).connect()
    return client, lambda body: client.send(stomp.send("/queue/a", body))


clients = pytest.mark.parametrize("make", [amqp_client, mqtt_client, stomp_client])


def the_one(node: Node) -> Connected:
    (connected,) = node.presence.connections
    return connected


# -- connections -------------------------------------------------------------------------------------------------


def test_a_connection_goes_by_both_its_ends() -> None:
    node = make_node()
    peer = Peer("10.1.2.3:4567", server="10.0.0.1:5672")
    amqp_client(node, peer)
    assert the_one(node).address == "10.1.2.3:4567 -> 10.0.0.1:5672"
    assert (peer.host, peer.port, peer.server_host, peer.server_port) == ("10.1.2.3", 4567, "10.0.0.1", 5672)
    assert node.presence.find("10.1.2.3:4567 -> 10.0.0.1:5672") is the_one(node)
    assert node.presence.find("10.1.2.3:4567") is None


def test_a_peer_without_an_address_has_no_port() -> None:
    peer = Peer("local socket")
    assert (peer.host, peer.port, peer.server_host, peer.server_port) == ("local socket", 0, "", 0)


def test_an_amqp_connection_tells_what_was_agreed_on() -> None:
    node = make_node()
    login = "\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x05guest"
    start = amqp.method(Connection.StartOk({"product": "shop"}, "AMQPLAIN", login, "en_US"), 0)
    opening = amqp.method(Connection.Open("/"), 0)
    amqp.Client(node).send(amqp.HEADER + start + amqp.tune_ok(100, 8192, 30) + opening)
    assert the_one(node).describe() == Description(
        auth_mechanism="AMQPLAIN",
        heartbeat_seconds=30,
        frame_bytes_max=8192,
        channels_max=100,
        client_properties={"product": "shop"},
    )


def test_an_mqtt_connection_tells_its_client_and_keep_alive() -> None:
    node = make_node()
    mqtt.Peer(node).connect("thing", keep_alive=20).send(mqtt.subscribe(("a", 1), ("b", 0)))
    assert the_one(node).describe() == Description(
        auth_mechanism="PLAIN",
        heartbeat_seconds=20,
        client_properties={"client_id": "thing", "product": "MQTT client"},
        client_id="thing",
        subscription_count=2,
    )


def test_a_stomp_connection_tells_its_heart_beat() -> None:
    node = make_node()
    stomp.Client(node).connect(**{"heart-beat": "9000,0"}).subscribe("/topic/t")
    assert the_one(node).describe() == Description(
        auth_mechanism="PLAIN",
        heartbeat_seconds=9,
        client_properties={"product": "STOMP client"},
        subscription_count=1,
    )


@clients
def test_a_publisher_is_blocked_while_something_is_short_once_it_publishes(make: Any) -> None:
    node = make_node()
    _, say = make(node)
    here = the_one(node)
    assert (here.describe().state, here.describe().waits_for) == ("running", ())
    node.alarms.set("memory", True)
    assert (here.describe().state, here.describe().waits_for) == ("blocking", ())
    say(b"x")
    node.alarms.set("disk", True)
    assert (here.describe().state, here.describe().waits_for) == ("blocked", ("memory", "disk"))
    node.alarms.set("memory", False)
    assert here.describe().waits_for == ("disk",)


@clients
def test_a_peer_that_does_not_read_what_it_is_sent_is_told_as_the_reason(make: Any) -> None:
    node = make_node()
    make(node, Peer("memory", socket=lambda: SocketCounts(pending_bytes=9_000_000, flooded=True)))
    assert (the_one(node).describe().state, the_one(node).describe().waits_for) == ("flow", ("output",))


@clients
def test_a_publisher_that_is_faster_than_the_disk_waits_for_the_journal(make: Any) -> None:
    node = make_node()
    client, _ = make(node)
    client.session.throttle.slowed = True
    assert (the_one(node).describe().state, the_one(node).describe().waits_for) == ("flow", ("journal",))


# -- channels ----------------------------------------------------------------------------------------------------


def test_a_channel_tells_its_modes_and_what_is_open() -> None:
    node = make_node()
    client = amqp.Client(node).connect(channels=(1, 5))
    client.call(Queue.Declare(queue="q"))
    client.call(Confirm.Select())
    client.call(Basic.Qos(prefetch_count=7))
    client.call(Basic.Qos(prefetch_count=9, global_=True))
    client.send(amqp.publish("q") * 3 + amqp.method(Basic.Consume(queue="q", consumer_tag="c")))
    client.send(amqp.ack(1))
    client.call(Tx.Select(), 5)
    first, second = the_one(node).channels()
    assert (first.number, first.prefetch, first.global_prefetch) == (1, 7, 9)
    assert (first.confirms, first.transactional, first.consumers, first.unacknowledged) == (True, False, 1, 2)
    assert [consumer.tag for consumer in first.consumer_list()] == ["c"]
    assert (second.number, second.confirms, second.transactional, second.consumers) == (5, False, True, 0)
    client.call(Channel.Close(200, "", 0, 0), 5)
    assert [channel.number for channel in the_one(node).channels()] == [1]


def test_a_channel_is_idle_once_nothing_has_happened_between_two_looks() -> None:
    node = make_node()
    client, say = amqp_client(node)

    def idle_since_ms() -> int:
        (channel,) = the_one(node).channels()
        return channel.idle_since_ms()

    assert idle_since_ms() == 0
    start_ms = node.agenda.wall_ms
    node.agenda.tick(client.now + 6)
    assert idle_since_ms() == start_ms
    say(b"x")
    assert idle_since_ms() == 0


@pytest.mark.parametrize("make", [mqtt_client, stomp_client])
def test_protocols_without_channels_have_none(make: Any) -> None:
    node = make_node()
    make(node)
    assert the_one(node).channels() == []


# -- subscriptions and sessions ----------------------------------------------------------------------------------


def test_subscriptions_of_stomp_are_told_as_they_were_made() -> None:
    node = make_node()
    client = stomp.Client(node).connect()
    client.subscribe("/queue/q", id="1", ack="client-individual", prefetch_count=4)
    client.subscribe("/topic/t", id="2", ack="client")
    client.subscribe("/amq/queue/q", id="3")
    client.send(stomp.send("/queue/q") + stomp.send("/queue/q"))
    found = list(the_one(node).subscribed())
    assert [(each.id, each.source, each.ack_mode, each.prefetch) for each in found] == [
        ("1", "/queue/q", "client-individual", 4),
        ("2", "/topic/t", "client", 0),
        ("3", "/amq/queue/q", "auto", 0),
    ]
    assert [each.queue for each in found][::2] == ["q", "q"]
    assert (found[0].unacknowledged, found[0].quality) == (1, None)
    client.send(stomp.frame("UNSUBSCRIBE", {"id": "2"}))
    assert [each.id for each in the_one(node).subscribed()] == ["1", "3"]


def test_subscriptions_of_mqtt_are_told_with_their_options() -> None:
    node = make_node()
    client = mqtt.Peer(node).connect("c")
    client.send(mqtt.subscribe(("a/+", 1 | 4 | 8 | 0x20), properties=b"\x0b\x07"), mqtt.subscribe(("$share/g/b", 2)))
    first, second = the_one(node).subscribed()
    assert (first.source, first.queue, first.quality, first.share) == ("a/+", "mqtt-subscription-cqos1", 1, "")
    assert (first.no_local, first.retain_as_published, first.retain_handling, first.identifier) == (True, True, 2, 7)
    assert (second.source, second.queue, second.quality, second.share) == ("b", "$share/g/b", 2, "g")


def test_a_session_tells_whether_its_client_is_here_and_when_it_ends() -> None:
    node = make_node()
    client = mqtt.Peer(node).connect("c", properties=b"\x11\x00\x00\x00\x3c")
    client.send(mqtt.subscribe(("a", 1)))
    mqtt.Peer(node).connect("p").send(mqtt.publish("a", qos=1))
    (remembered, _) = node.presence.sessions
    state = remembered.describe()
    assert state is not None
    assert state.connected is client.session.here
    assert (state.client_id, state.vhost, state.clean, state.expiry_seconds) == ("c", "/", False, 60)
    assert (state.away_since_ms, state.expires_at_ms, state.inflight) == (0, 0, 1)
    assert [(queue.name, queue.unsettled_count) for queue in state.queues] == [("mqtt-subscription-cqos1", 1)]
    assert [each.source for each in state.subscriptions()] == ["a"]
    client.session.lost()
    state = remembered.describe()
    assert state is not None
    now_ms = node.agenda.wall_ms
    assert (state.connected, state.away_since_ms, state.expires_at_ms) == (None, now_ms, now_ms + 60_000)
    assert (state.inflight, state.queues[0].ready_count) == (0, 1)


def test_a_session_for_ever_has_no_end() -> None:
    node = make_node()
    mqtt.Peer(node).connect("c", mqtt.V3_1_1, clean=False).session.lost()
    (remembered,) = node.presence.sessions
    state = remembered.describe()
    assert state is not None
    assert (state.expiry_seconds, state.expires_at_ms) == (NEVER, 0)


# -- being sent away ---------------------------------------------------------------------------------------------


def test_whoever_is_sent_away_is_told_why() -> None:
    node = make_node()
    (one, _), (other, _), (third, _) = amqp_client(node), mqtt_client(node), stomp_client(node)
    for connected in list(node.presence.connections):
        connected.end("go home")
    (close,), (goodbye,), (error,) = one.take(), other.take(), third.take()
    assert (close.name, close.reply_code, close.reply_text) == (
        "Connection.Close",
        320,
        "CONNECTION_FORCED - go home",
    )
    assert (goodbye.name, goodbye.code, goodbye.properties[0x1F]) == ("DISCONNECT", 0x98, ["go home"])
    assert (error.command, error["message"], error.body) == ("ERROR", "connection_forced", b"go home")
    assert not node.presence.connections
