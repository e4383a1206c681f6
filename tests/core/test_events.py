"""Events reach whoever is bound to their exchange, and nobody collects them before."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.domain import Receiver, consume, operations
from tests.core.kept import Kept, live

from menura.core import fields, properties
from menura.core.content import body_of, properties_of
from menura.core.errors import AccessRefused, AuthenticationFailed
from menura.core.event_exchange import NAME
from menura.core.node import Node
from menura.core.peers import Peer
from menura.core.presence import Connected
from menura.core.queue import Queue

CLIENT = Connected("talk", Peer("127.0.0.1:17"), "guest", "/", "my name", 5000)


class Known(Receiver):
    who = (CLIENT, 3)


def told(queue: Queue) -> list[tuple[str, dict[str, Any]]]:
    """Keys and headers of the events in a queue, but for the time and place."""
    agenda = queue.vhost.agenda
    agenda.tick(agenda.now)
    found = []
    while queue.ready_count:
        position, run, _ = queue.take(1)
        queue.settle(position, run)
        [content] = run.contents
        assert body_of(content) == b""
        headers = fields.decode_table(properties.headers_raw(properties_of(content)) or b"")[0]
        assert headers.pop("node") == "menura@localhost"
        assert headers.pop("timestamp_in_ms") == agenda.wall_ms
        found.append((run.route.key, headers))
    return found


@pytest.fixture
def kept() -> Kept:
    return live()


def listen(kept: Kept, key: str = "#", durable: bool = False) -> Queue:
    queue = kept.vhost.declare_queue("events", durable=durable)
    kept.vhost.bind(NAME, queue, key, {})
    told(queue)
    return queue


def test_queues_exchanges_and_bindings_come_and_go(kept: Kept) -> None:
    events = listen(kept)
    vhost = kept.vhost
    vhost.declare_exchange("x", "fanout", durable=True)
    vhost.declare_queue("q", arguments={"x-max-length": b"I\x00\x00\x00\x05"})
    vhost.declare_queue("q", arguments={"x-max-length": b"I\x00\x00\x00\x05"})
    vhost.bind("x", vhost.queues["q"], "k", {})
    vhost.remove_queue(vhost.queues["q"])
    vhost.delete_exchange("x")
    nobody = {"user_who_performed_action": "rmq-internal", "vhost": "/"}
    binding = {
        "source_name": "x", "source_kind": "exchange", "destination_name": "q", "destination_kind": "queue",
        "routing_key": "k", "arguments": [],
    }  # fmt: skip
    assert told(events) == [
        (
            "exchange.created",
            {**nobody, "name": "x", "type": "fanout", "durable": True, "auto_delete": False, "internal": False,
             "arguments": []},
        ),
        (
            "queue.created",
            {**nobody, "name": "q", "durable": False, "auto_delete": False, "exclusive": False,
             "arguments": ['{<<"x-max-length">>,signedint,5}']},
        ),
        ("binding.created", {**nobody, **binding}),
        ("binding.deleted", {**nobody, **binding}),
        ("queue.deleted", {**nobody, "name": "q"}),
        ("exchange.deleted", {**nobody, "name": "x"}),
    ]  # fmt: skip


def test_consumers_come_and_go_by_themselves_or_with_their_queue(kept: Kept) -> None:
    events = listen(kept, "consumer.*")
    queue = kept.vhost.declare_queue("q")
    first, _ = consume(queue, Known(), prefetch=7), consume(queue, Known(), settles=False)
    queue.unsubscribe(first)
    kept.vhost.remove_queue(queue)
    found = told(events)
    assert [key for key, _ in found] == ["consumer.created"] * 2 + ["consumer.deleted"] * 2
    assert found[0][1] == {
        "user_who_performed_action": "rmq-internal", "consumer_tag": "tag", "channel": "127.0.0.1:17 (3)",
        "queue": "q", "vhost": "/", "exclusive": False, "ack_required": True, "prefetch_count": 7, "arguments": [],
    }  # fmt: skip
    assert [headers["ack_required"] for _, headers in found[:2]] == [True, False]


def test_clients_come_and_go(kept: Kept) -> None:
    events = listen(kept)
    kept.node.presence.arrive(CLIENT)
    kept.node.events.channel("created", CLIENT, 3)
    kept.node.events.channel("closed", CLIENT, 3)
    kept.node.presence.leave(CLIENT)
    kept.node.presence.leave(CLIENT)
    who = {"user_who_performed_action": "guest", "pid": "127.0.0.1:17"}
    channel = {"user_who_performed_action": "guest", "pid": "127.0.0.1:17 (3)"}
    assert told(events) == [
        (
            "connection.created",
            {**who, "name": "127.0.0.1:17", "protocol": "talk", "user": "guest", "vhost": "/", "ssl": False,
             "peer_host": "127.0.0.1", "peer_port": 17, "connected_at": 5000, "type": "network",
             "user_provided_name": "my name"},
        ),
        (
            "channel.created",
            {**channel, "name": "127.0.0.1:17 (3)", "connection": "127.0.0.1:17", "number": 3, "user": "guest",
             "vhost": "/"},
        ),
        ("channel.closed", channel),
        ("connection.closed", {**who, "name": "127.0.0.1:17", "user_provided_name": "my name"}),
    ]  # fmt: skip


def test_what_is_administered_is_told(kept: Kept) -> None:
    events = listen(kept)
    node = kept.node
    node.add_vhost("v", "for tests")
    node.add_user("u", "secret")
    node.add_user("u", "other", frozenset(("management",)))
    node.users.permit("u", "v", "a", "b", "c")
    node.users.permit_topics("u", "v", "amq.topic", "w", "r")
    node.users.forbid("u", "v")
    node.parameters.set_user_limits("u", {"max-channels": 5})
    node.parameters.set("vhost-limits", "limits", {"max-queues": 3}, "v")
    node.vhost("v").policies.set("p", {"pattern": "x", "definition": {"max-length": 1}, "priority": 0})
    node.vhost("v").policies.clear("p")
    node.parameters.set_global("g", [1, {"a": None}])
    node.parameters.clear_global("g")
    node.users.authenticate("u", "other")
    with pytest.raises(AuthenticationFailed):
        node.users.authenticate("u", "wrong")
    node.users.remove("u")
    node.alarms.set("disk", True)
    node.alarms.set("disk", False)
    node.delete_vhost("v")
    found = [(key, {name: value for name, value in headers.items() if "action" not in name})
             for key, headers in told(events)]  # fmt: skip
    assert found == [
        ("vhost.created", {"name": "v", "description": "for tests"}),
        ("user.created", {"name": "u"}),
        ("user.password.changed", {"name": "u"}),
        ("user.tags.set", {"name": "u", "tags": ["management"]}),
        ("permission.created", {"user": "u", "vhost": "v", "configure": "a", "write": "b", "read": "c"}),
        (
            "topic.permission.created",
            {"user": "u", "vhost": "v", "exchange": "amq.topic", "write": "w", "read": "r"},
        ),
        ("permission.deleted", {"user": "u", "vhost": "v"}),
        ("user.limits.set", {"name": "limits", "username": "u", "max-channels": 5}),
        (
            "parameter.set",
            {"name": "limits", "component": "vhost-limits", "vhost": "v", "value": {"max-queues": 3}},
        ),
        (
            "policy.set",
            {"name": "p", "vhost": "v", "pattern": "x", "definition": {"max-length": 1}, "priority": 0,
             "apply-to": "all"},
        ),
        ("policy.cleared", {"name": "p", "vhost": "v"}),
        ("parameter.set", {"name": "g", "component": "global", "value": [1, {"a": ""}]}),
        ("parameter.cleared", {"name": "g", "component": "global"}),
        ("user.authentication.success", {"name": "u"}),
        ("user.authentication.failure", {"name": "u", "error": "user 'u' - invalid credentials"}),
        ("user.deleted", {"name": "u"}),
        ("alarm.set", {"resource": "disk"}),
        ("alarm.cleared", {"resource": "disk"}),
        ("vhost.deleted", {"name": "v"}),
    ]  # fmt: skip


def test_what_does_not_fit_into_a_table_is_told_as_text(kept: Kept) -> None:
    events = listen(kept)
    kept.node.parameters.set_global("g", {"n" * 300: 1, "big": 1 << 80})
    kept.node.parameters.set_global("h", {"big": 1 << 80})
    first, second = (headers["value"] for _, headers in told(events))
    assert first.startswith("{'nnn")
    assert second == {"big": str(1 << 80)}


def test_who_does_it_is_told(kept: Kept) -> None:
    events = listen(kept)
    with kept.node.events.by("me"):
        kept.vhost.declare_queue("q")
        with pytest.raises(AccessRefused), kept.node.events.by("you"):
            kept.vhost.declare_queue("amq.q")
        kept.vhost.remove_queue(kept.vhost.queues["q"])
    kept.vhost.declare_queue("r")
    assert [headers["user_who_performed_action"] for _, headers in told(events)] == ["me", "me", "rmq-internal"]


def test_events_are_persistent_and_the_binding_outlives_the_process(kept: Kept) -> None:
    events = listen(kept, "queue.created", durable=True)
    kept.vhost.declare_queue("q")
    kept.node.agenda.tick(0)
    assert events.ready_count == 1
    kept = kept.next_life()
    assert kept.node.events.wanted
    kept.vhost.declare_queue("r")
    events = kept.vhost.queues["events"]
    kept.node.agenda.tick(0)
    assert [headers["name"] for _, headers in told(events)] == ["q", "r"]


def test_nothing_is_collected_while_nobody_is_bound(kept: Kept) -> None:
    node = kept.node
    asked: list[str] = []
    node.events.listeners.append(lambda event, details: asked.append(event))
    declare = operations(lambda: kept.vhost.declare_queue("q"))
    assert asked == []
    queue = listen(kept)
    assert asked == ["binding.created"]
    assert operations(lambda: kept.vhost.declare_queue("r")) > declare + 20
    kept.vhost.unbind(NAME, queue, "#", {})
    asked.clear()
    kept.vhost.declare_queue("s")
    assert asked == []
    assert len(node.agenda) == 1, "the event of the last binding, and nothing since"


def test_an_event_from_the_middle_of_something_is_published_after_it(kept: Kept) -> None:
    events = listen(kept)
    kept.vhost.declare_queue("q")
    assert events.ready_count == 0
    kept.node.agenda.tick(0)
    assert events.ready_count == 1


def test_without_the_virtual_host_of_the_exchange_nothing_is_told(kept: Kept) -> None:
    listen(kept)
    kept.node.add_vhost("v")
    kept.node.delete_vhost("/")
    kept.node.agenda.tick(0)
    assert not kept.node.events.wanted
    kept.node.vhost("v").declare_queue("q")
    kept.node.add_vhost("/")
    events = listen(kept)
    kept.node.vhost("v").declare_queue("r")
    assert [headers["name"] for key, headers in told(events) if key == "queue.created"] == ["r"]


def test_a_node_without_a_disk_tells_as_well() -> None:
    node = Node(lambda size: bytes(size))
    vhost = node.vhost("/")
    queue = vhost.declare_queue("events")
    vhost.bind(NAME, queue, "user.*", {})
    node.add_user("u", "x")
    assert [key for key, _ in told(queue)] == ["user.created"]
