"""Queues over HTTP: declared, listed, emptied and deleted as over AMQP, by those who may."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from tests.management.http_client import Client

import menura
from menura.core.node import NAME


@contextmanager
def channel_of(broker: menura.Broker) -> Iterator[BlockingChannel]:
    connection = pika.BlockingConnection(pika.URLParameters(broker.amqp_url))
    try:
        yield connection.channel()
    finally:
        connection.close()


@pytest.fixture
def channel(api_broker: menura.Broker) -> Iterator[BlockingChannel]:
    with channel_of(api_broker) as channel:
        yield channel


def reason(answer: Any) -> tuple[int, Any]:
    return answer.status, answer.json["reason"]


# -- declaring -----------------------------------------------------------------------------------------------


def test_a_queue_is_made_once(api: Client, unique: str) -> None:
    path = f"/queues/%2F/{unique}"
    declaration = {"durable": True, "arguments": {"x-max-length": 7}}
    assert api.put(path, declaration).status == 201
    assert api.put(path, declaration).status == 204
    found = api.get(path).json
    assert found["durable"] is True
    assert found["arguments"] == {"x-max-length": 7}
    assert (found["name"], found["vhost"], found["node"], found["type"]) == (unique, "/", NAME, "classic")


def test_the_same_queue_is_what_amqp_declares(api: Client, channel: BlockingChannel, unique: str) -> None:
    assert api.put(f"/queues/%2F/{unique}", {"durable": True, "arguments": {"x-max-length": 7}}).status == 201
    channel.queue_declare(unique, durable=True, arguments={"x-max-length": 7})


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        ({"durable": False}, "inequivalent arg 'durable' for {}: received 'false' but current is 'true'"),
        (
            {"durable": True, "auto_delete": True},
            "inequivalent arg 'auto_delete' for {}: received 'true' but current is 'false'",
        ),
        (
            {"durable": True, "arguments": {"x-max-length": 3}},
            "inequivalent arg 'x-max-length' for {}: received the value '3' of type 'long' but current is none",
        ),
    ],
)
def test_another_declaration_is_refused_in_rabbitmqs_words(
    declaration: dict[str, Any], said: str, api: Client, unique: str
) -> None:
    path = f"/queues/%2F/{unique}"
    api.put(path, {"durable": True})
    assert reason(api.put(path, declaration)) == (400, said.format(f"queue '{unique}' in vhost '/'"))


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        ({"arguments": {"x-max-length": "3"}}, "invalid arg 'x-max-length' for {}: \"expected integer, got longstr\""),
        ({"arguments": {"x-max-length": -3}}, "invalid arg 'x-max-length' for {}: {{value_negative,-3}}"),
        (
            {"arguments": {"x-queue-type": "zzz"}},
            "invalid arg 'x-queue-type' for {}: \"unsupported queue type 'zzz'\"",
        ),
        ({"arguments": {"x-queue-type": "quorum"}}, "invalid property 'non-durable' for {}"),
        ({"arguments": {"a": 1 << 70}}, "arguments: integer beyond signed 64 bits"),
        ({"arguments": {"\ud800": 1}}, "not_json"),
        ({"arguments": {"k" * 256: 1}}, "arguments: key of 256 octets, at most 255 fit"),
        ({"arguments": "x"}, "arguments must be an object, not 'x'"),
        ({"durable": "perhaps"}, "durable must be true or false, not 'perhaps'"),
        ({"node": "elsewhere@far"}, "Node elsewhere@far could not be contacted"),
        ({"exclusive": True}, "an exclusive queue belongs to a connection, and here is none"),
    ],
)
def test_what_cannot_be_declared_is_refused(declaration: dict[str, Any], said: str, api: Client, unique: str) -> None:
    expected = said.format(f"queue '{unique}' in vhost '/'")
    assert reason(api.put(f"/queues/%2F/{unique}", declaration)) == (400, expected)
    assert api.get(f"/queues/%2F/{unique}").status == 404


def test_names_are_bounded_and_some_reserved(api: Client) -> None:
    assert reason(api.put(f"/queues/%2F/{'x' * 256}")) == (
        400,
        "queue should be less than 255 bytes, actually was 256",
    )
    assert api.put("/queues/%2F/amq.mine").status == 401
    assert api.put("/queues/%2F/%0A").status == 400
    assert api.ask("PUT", "/queues/%2F/x", raw=b"{").status == 400
    assert api.ask("PUT", "/queues/%2F/x", raw=b"[]").status == 400
    assert api.put("/queues/nowhere/x").status == 404


# -- deleting ------------------------------------------------------------------------------------------------


def test_a_queue_is_deleted_on_conditions(api: Client, channel: BlockingChannel, unique: str) -> None:
    path, what = f"/queues/%2F/{unique}", f"queue '{unique}' in vhost '/'"
    channel.queue_declare(unique)
    channel.confirm_delivery()
    channel.basic_publish("", unique, b"m")
    tag = channel.basic_consume(unique, lambda *_: None)
    assert reason(api.delete(f"{path}?if-unused=true")) == (400, f"{what} in use")
    channel.basic_cancel(tag)
    assert reason(api.delete(f"{path}?if-empty=true&if-unused=true")) == (400, f"{what} not empty")
    assert api.delete(f"{path}/contents").status == 204
    assert api.delete(f"{path}?if-empty=true&if-unused=true").status == 204
    assert api.delete(path).status == 404


def test_conditions_are_nothing_for_quorum_queues(api: Client, unique: str) -> None:
    api.put(f"/queues/%2F/{unique}", {"durable": True, "arguments": {"x-queue-type": "quorum"}})
    status, said = reason(api.delete(f"/queues/%2F/{unique}?if-empty=true"))
    assert status == 400
    assert said.endswith("with if-empty flag set are not supported by quorum queues")
    assert api.delete(f"/queues/%2F/{unique}").status == 204


def test_a_queue_of_a_connection_is_left_alone(api: Client, channel: BlockingChannel, unique: str) -> None:
    channel.queue_declare(unique, exclusive=True)
    path = f"/queues/%2F/{unique}"
    for answer in (api.put(path), api.delete(path), api.delete(f"{path}/contents")):
        status, said = reason(answer)
        assert status == 400
        assert said.startswith(f"cannot obtain exclusive access to locked queue '{unique}' in vhost '/'")
    found = api.get(path).json
    assert found["exclusive"] is True
    assert found["owner_pid_details"]["peer_host"] == "127.0.0.1"


# -- what is said of a queue ---------------------------------------------------------------------------------


def test_a_queue_is_shown_with_its_messages_and_consumers(api: Client, channel: BlockingChannel, unique: str) -> None:
    channel.queue_declare(unique)
    channel.basic_qos(prefetch_count=2)
    tag = channel.basic_consume(unique, lambda *_: None, arguments={"x-priority": 3})
    for _ in range(5):
        channel.basic_publish("", unique, b"m", pika.BasicProperties(timestamp=12345))
    channel.queue_declare(unique, passive=True)  # what was published before is there
    found = api.get(f"/queues/%2F/{unique}").json
    assert (found["messages"], found["messages_ready"], found["messages_unacknowledged"]) == (5, 3, 2)
    assert found["message_stats"]["publish"] == 5
    assert found["message_stats"]["deliver_get"] == 2
    assert found["head_message_timestamp"] == 12345
    (consumer,) = found["consumer_details"]
    assert consumer["consumer_tag"] == tag
    assert consumer["prefetch_count"] == 2
    assert consumer["arguments"] == {"x-priority": 3}
    assert consumer["channel_details"]["name"].endswith("(1)")
    assert consumer["channel_details"]["user"] == "guest"


def test_policies_that_count_are_named(api: Client, unique: str) -> None:
    api.put(f"/policies/%2F/{unique}", {"pattern": f"^{unique}$", "definition": {"max-length": 9}})
    api.put(f"/queues/%2F/{unique}")
    found = api.get(f"/queues/%2F/{unique}").json
    assert found["policy"] == unique
    assert found["operator_policy"] is None
    assert found["effective_policy_definition"] == {"max-length": 9}
    api.delete(f"/policies/%2F/{unique}")


def test_statistics_can_be_left_out(api: Client, unique: str) -> None:
    api.put(f"/queues/%2F/{unique}")
    declared = {"arguments", "auto_delete", "durable", "exclusive", "name", "node", "state", "type", "vhost"}
    path = "/queues/%2F?page=1&name=" + unique
    (found,) = api.get(f"{path}&disable_stats=true").json["items"]
    assert found.keys() == declared
    (found,) = api.get(f"{path}&disable_stats=true&enable_queue_totals=true").json["items"]
    assert found.keys() == declared | {"messages", "messages_ready", "messages_unacknowledged"}
    (found,) = api.get(path).json["items"]
    assert found["consumers"] == 0
    assert "garbage_collection" not in found
    (found,) = api.get(f"/queues/detailed?page=1&name={unique}").json["items"]
    assert "garbage_collection" in found


def test_a_quorum_queue_has_one_replica(api: Client, unique: str) -> None:
    api.put(f"/queues/%2F/{unique}", {"durable": True, "arguments": {"x-queue-type": "quorum"}})
    found = api.get(f"/queues/%2F/{unique}").json
    assert (found["leader"], found["members"], found["online"]) == (NAME, [NAME], [NAME])
    (replica,) = api.get(f"/queues/quorum/%2F/{unique}/status").json
    assert (replica["Node Name"], replica["Raft State"]) == (NAME, "leader")
    for answer in (
        api.post(f"/queues/quorum/%2F/{unique}/replicas/add", {"node": "x"}),
        api.delete(f"/queues/quorum/%2F/{unique}/replicas/delete"),
        api.post(f"/queues/quorum/replicas/on/{NAME}/grow"),
        api.delete(f"/queues/quorum/replicas/on/{NAME}/shrink"),
    ):
        status, said = reason(answer)
        assert status == 400
        assert "single node" in said


def test_actions_do_nothing(api: Client, unique: str) -> None:
    api.put(f"/queues/%2F/{unique}")
    for action in ("sync", "cancel_sync"):
        assert api.post(f"/queues/%2F/{unique}/actions", {"action": action}).status == 204
    assert reason(api.post(f"/queues/%2F/{unique}/actions", {"action": "x"})) == (400, ["unknown", "x"])
    assert reason(api.post(f"/queues/%2F/{unique}/actions", {})) == (400, "[{key_missing,action}]")


# -- rights --------------------------------------------------------------------------------------------------


@pytest.fixture
def limited(api: Client, unique: str) -> Client:
    """A user who may configure and use queues that begin with `own`, in one virtual host."""
    api.put(f"/users/{unique}", {"password": "secret", "tags": "management"})
    api.put(f"/permissions/%2F/{unique}", {"configure": "^own", "write": "^own", "read": "^own"})
    return api.as_user(unique, "secret")


def test_rights_are_those_of_every_protocol(api: Client, limited: Client, unique: str) -> None:
    own, other = f"/queues/%2F/own-{unique}", f"/queues/%2F/other-{unique}"
    api.put(other)
    assert limited.put(own).status == 201
    for answer in (limited.put(other), limited.delete(other), limited.delete(f"{other}/contents")):
        assert answer.status == 401
        assert answer.json["error"] == "not_authorised"
    assert limited.put(own + "-2", {"arguments": {"x-dead-letter-exchange": "amq.direct"}}).status == 401
    assert limited.get(other).status == 200
    assert limited.delete(own).status == 204


def test_other_virtual_hosts_are_not_seen(api: Client, limited: Client, unique: str) -> None:
    api.put(f"/vhosts/{unique}", {})
    api.put(f"/permissions/{unique}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    api.put(f"/queues/{unique}/q")
    assert limited.get(f"/queues/{unique}").status == 401
    assert limited.put(f"/queues/{unique}/own").status == 401
    assert unique not in {queue["vhost"] for queue in limited.get("/queues").json}
    assert unique in {queue["vhost"] for queue in api.get("/queues").json}
    api.delete(f"/vhosts/{unique}")


# -- the log -------------------------------------------------------------------------------------------------


def test_every_change_is_noted_with_who_made_it(api: Client, unique: str, caplog: pytest.LogCaptureFixture) -> None:
    message = {"routing_key": unique, "payload": "private", "payload_encoding": "string", "properties": {}}
    steps = (
        (api.put, f"/queues/%2F/{unique}", {}, "queue.declared"),
        (api.put, f"/queues/%2F/{unique}", {}, None),
        (api.put, f"/exchanges/%2F/{unique}", {}, "exchange.declared"),
        (api.post, f"/bindings/%2F/e/{unique}/q/{unique}", {"routing_key": "k"}, "binding.created"),
        (lambda path, _: api.delete(path), f"/bindings/%2F/e/{unique}/q/{unique}/k", {}, "binding.deleted"),
        (api.post, "/exchanges/%2F/amq.default/publish", message, None),
        (api.post, f"/menura/queues/%2F/{unique}/peek", {}, None),
        (api.post, f"/menura/queues/%2F/{unique}/copy", {"to_queue": unique}, "messages.copied"),
        (api.post, f"/menura/queues/%2F/{unique}/delete", {"count": 1}, "messages.deleted"),
        (lambda path, _: api.delete(path), f"/queues/%2F/{unique}/contents", {}, "queue.purged"),
        (lambda path, _: api.delete(path), f"/exchanges/%2F/{unique}", {}, "exchange.deleted"),
        (lambda path, _: api.delete(path), f"/queues/%2F/{unique}", {}, "queue.deleted"),
    )
    for ask, path, body, event in steps:
        with caplog.at_level(logging.INFO, "menura.audit"):
            caplog.clear()
            assert ask(path, body).status < 300, path
            noted = [record.getMessage() for record in caplog.records if record.name == "menura.audit"]
        assert [line.split()[1] for line in noted] == ([event] if event else [])
        assert all(" by guest from 127.0.0.1:" in line and unique in line for line in noted)
        assert "private" not in "".join(noted)
