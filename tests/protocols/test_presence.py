"""Clients of every protocol are here from the moment they may work until they are gone, and count as connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pamqp.commands import Channel, Connection
from tests.protocols.amqp import memory as amqp
from tests.protocols.memory import make_node
from tests.protocols.mqtt import peer as mqtt
from tests.protocols.stomp import memory as stomp

from menura.core.node import Node

AMQP, MQTT, STOMP = "AMQP 0-9-1", "MQTT 5.0", "STOMP 1.2"


def through_amqp(node: Node) -> Any:
    return amqp.Client(node).connect()


def through_mqtt(node: Node) -> Any:
    return mqtt.Peer(node).connect(f"client-{node.presence.opened}")


def through_stomp(node: Node) -> Any:
    return stomp.Client(node).connect()


GOODBYES = {
    AMQP: amqp.method(Connection.Close(200, "", 0, 0), 0),
    MQTT: mqtt.DISCONNECT,
    STOMP: stomp.frame("DISCONNECT"),
}
clients = pytest.mark.parametrize(
    ("protocol", "connect"), [(AMQP, through_amqp), (MQTT, through_mqtt), (STOMP, through_stomp)]
)
Connect = Callable[[Node], Any]


@clients
def test_a_client_is_here_under_what_it_speaks_and_who_it_is(protocol: str, connect: Connect) -> None:
    node = make_node()
    connect(node)
    (here,) = node.presence.connections
    assert (here.protocol, here.user, here.vhost, here.peer.address) == (protocol, "guest", "/", "memory")
    assert (node.presence.opened, node.presence.closed) == (1, 0)


@clients
@pytest.mark.parametrize("end", ["goodbye", "lost", "hang up", "both"])
def test_a_client_is_gone_once_however_it_ends(protocol: str, connect: Connect, end: str) -> None:
    node = make_node()
    client = connect(node)
    if end in ("goodbye", "both"):
        client.send(GOODBYES[protocol])
    if end == "hang up":
        client.session.hang_up()
    client.session.lost()
    client.session.lost()
    assert not node.presence.connections
    assert (node.presence.opened, node.presence.closed) == (1, 1)


@clients
def test_a_client_that_never_got_in_was_never_here(protocol: str, connect: Connect) -> None:
    node = make_node()
    node.parameters.set("vhost-limits", "limits", {"max-connections": 1}, "/")
    connect(node)
    with pytest.raises(AssertionError):
        connect(node)
    assert (len(node.presence.connections), node.presence.opened) == (1, 1)


@clients
def test_room_for_a_connection_is_room_for_another_one_later(protocol: str, connect: Connect) -> None:
    node = make_node()
    node.parameters.set_user_limits("guest", {"max-connections": 1})
    for _ in range(3):
        client = connect(node)
        client.send(GOODBYES[protocol])
        client.session.lost()
    assert node.presence.opened == 3


def test_a_client_that_takes_over_a_session_leaves_one_connection() -> None:
    node = make_node()
    first, second = mqtt.Peer(node).connect("c"), mqtt.Peer(node).connect("c")
    first.session.lost()
    assert list(node.presence.connections) == [second.session.here]


def test_a_name_given_by_the_client_is_the_connections() -> None:
    node = make_node()
    start_ok = Connection.StartOk({"connection_name": "shop"}, "PLAIN", "\0guest\0guest", "en_US")
    opening = amqp.method(Connection.Open("/"), 0)
    amqp.Client(node).send(amqp.HEADER + amqp.method(start_ok, 0) + amqp.tune_ok() + opening)
    (here,) = node.presence.connections
    assert here.name == "shop"


def test_channels_are_counted_while_they_are_open() -> None:
    node = make_node()
    client = amqp.Client(node).connect(channels=(1, 2, 3))
    (here,) = node.presence.connections
    assert here.channel_count == 3
    client.call(Channel.Close(200, "", 0, 0), 2)
    assert here.channel_count == 2
    client.send(amqp.method(amqp.Queue.Declare(queue="missing", passive=True), 1))
    assert here.channel_count == 2, "it is open until the client has agreed"
    client.send(amqp.method(Channel.CloseOk(), 1))
    assert here.channel_count == 1


def test_one_channel_too_many_of_all_connections_ends_the_one_that_asked() -> None:
    node = make_node()
    first = amqp.Client(node).connect(channels=(1, 2))
    node.parameters.set_user_limits("guest", {"max-channels": 3})
    second = amqp.Client(node).connect(channels=(1,))
    (answer,) = second.send(amqp.method(Channel.Open(), 2))
    assert (answer.name, answer.reply_code) == ("Connection.Close", 530)
    assert answer.reply_text == (
        "NOT_ALLOWED - number of channels opened for user 'guest' has reached the maximum allowed user limit of (3)"
    )
    first.send(amqp.method(Channel.Open(), 3))
    (here,) = node.presence.connections
    assert here.channel_count == 3


def test_a_user_without_limits_or_gone_meanwhile_opens_channels_as_before() -> None:
    node = make_node()
    client = amqp.Client(node).connect()
    node.users.remove("guest")
    assert client.call(Channel.Open(), 2).name == "Channel.OpenOk"


@clients
def test_a_client_is_told_why_it_has_to_go_when_its_virtual_host_is_deleted(protocol: str, connect: Connect) -> None:
    node = make_node()
    client = connect(node)
    queue = node.vhosts["/"].declare_queue("kept", durable=True)
    node.delete_vhost("/")
    (answer,) = client.take()
    said = {
        AMQP: ("Connection.Close", 320, "CONNECTION_FORCED - vhost '/' is deleted"),
        MQTT: ("DISCONNECT", 0x98),
        STOMP: ("ERROR", "connection_forced", b"vhost '/' is deleted"),
    }
    found = {
        AMQP: lambda: (answer.name, answer.reply_code, answer.reply_text),
        MQTT: lambda: (answer.name, answer.code),
        STOMP: lambda: (answer.command, answer["message"], answer.body),
    }
    assert found[protocol]() == said[protocol]
    assert not node.presence.connections
    assert not queue.alive
    client.session.lost()
    assert (node.presence.opened, node.presence.closed) == (1, 1)


def test_clients_of_other_virtual_hosts_stay_when_one_is_deleted() -> None:
    node = make_node()
    node.add_vhost("v")
    clients = [connect(node) for connect in (through_amqp, through_mqtt, through_stomp)]
    node.delete_vhost("v")
    assert [client.take() for client in clients] == [[], [], []]
    assert len(node.presence.connections) == 3
