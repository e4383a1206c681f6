"""The life of a shovel: what it says of itself, what ends it, and how it begins again."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from pika.spec import BasicProperties
from tests.shovels.conftest import Dig, State
from tests.shovels.queues import Queues, eventually

import menura
from menura.core.errors import NotFound, PreconditionFailed

BODIES = [b"%d" % number for number in range(300)]


def connections(broker: menura.Broker) -> list[Any]:
    """Those of the shovel."""
    return broker._call(lambda: [each for each in broker.node.presence.connections if each.name == "Shovel s"])


def send_away(broker: menura.Broker) -> list[Any]:
    """End the shovel's connections; which they were."""
    found = connections(broker)
    broker._call(lambda: [each.end("the test wants it") for each in found])
    return found


def lose_connection(broker: menura.Broker) -> None:
    """End the shovel's connection, and wait for another one."""
    (gone,) = send_away(broker)
    eventually(lambda: [each for each in connections(broker) if each is not gone], "it has come again")


def test_a_running_shovel_says_what_rabbitmq_says(
    far: menura.Broker, here: Queues, there: Queues, dig: Dig, state: State
) -> None:
    there.declare("from")
    here.declare("to")
    there.fill("from", BODIES[:7])
    dig(src_queue="from", dest_queue="to")
    here.until("to", 7)
    eventually(lambda: state().get("pending") == 0, "all are confirmed")
    said = state()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", said.pop("timestamp"))
    assert said == {
        "node": "menura@localhost",
        "name": "s",
        "vhost": "/",
        "type": "dynamic",
        "state": "running",
        "src_uri": f"amqp://127.0.0.1:{far.amqp_port}/",
        "src_protocol": "amqp091",
        "dest_protocol": "amqp091",
        "dest_uri": "amqp://",
        "src_queue": "from",
        "dest_queue": "to",
        "blocked_status": "running",
        "forwarded": 7,
        "pending": 0,
        "remaining": "unlimited",
        "remaining_unacked": "unlimited",
    }


@pytest.mark.parametrize("end", ["near", "far"])
def test_after_either_connection_is_lost_it_connects_anew_and_nothing_is_missing(
    end: str, near: menura.Broker, far: menura.Broker, here: Queues, there: Queues, dig: Dig, state: State
) -> None:
    there.declare("from")
    here.declare("to")
    dig(src_queue="from", dest_queue="to", src_prefetch_count=10)
    broker = {"near": near, "far": far}[end]
    for round in range(5):
        state.until("running")
        there.fill("from", [b"%d-" % round + body for body in BODIES])
        lose_connection(broker)
    there.until("from", 0)
    eventually(lambda: state().get("pending") == 0, "all are confirmed")
    got = here.bodies("to")
    assert set(got) == {b"%d-" % round + body for round in range(5) for body in BODIES}
    assert len(got) <= 5 * (len(BODIES) + 10)


def test_a_queue_that_is_deleted_ends_the_link_and_is_declared_again(
    here: Queues, there: Queues, dig: Dig, state: State
) -> None:
    there.declare("from")
    here.declare("to")
    dig(src_queue="from", dest_queue="to")
    state.until("running")
    there.channel.queue_delete("from")
    eventually(lambda: there.length("from") == 0, "it is there again")
    state.until("running")
    there.fill("from", [b"m"])
    here.until("to", 1)


def test_an_exchange_that_is_not_there_is_the_reason(there: Queues, dig: Dig, state: State) -> None:
    there.declare("from")
    dig(src_queue="from", dest_exchange="nowhere", reconnect_delay=0)
    state.until("running")
    there.fill("from", [b"m"])
    said = state.until("terminated")
    assert said["reason"] == "destination: NOT_FOUND - no exchange 'nowhere' in vhost '/'"
    there.until("from", 1)


def test_without_a_reconnect_delay_it_stays_where_it_is_until_it_is_restarted(
    near: menura.Broker, far: menura.Broker, here: Queues, there: Queues, dig: Dig, state: State
) -> None:
    there.declare("from")
    here.declare("to")
    dig(src_queue="from", dest_queue="to", reconnect_delay=0)
    state.until("running")
    send_away(far)
    said = state.until("terminated")
    assert said["reason"] == "source: CONNECTION_FORCED - the test wants it"
    near._call(lambda: near.shovels.restart("/", "s"))
    state.until("running")


def test_the_reason_and_the_log_have_no_password(
    near: menura.Broker, far: menura.Broker, there: Queues, dig: Dig, state: State, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    dig(src_uri=f"amqp://guest:wr0ng@127.0.0.1:{far.amqp_port}", src_queue="from", dest_queue="to")
    said = state.until("terminated")
    assert said["reason"].startswith(f"source amqp://127.0.0.1:{far.amqp_port}: ACCESS_REFUSED - Login was refused")
    assert said["reason"] in caplog.text
    (parameter,) = near.node.parameters.kept("shovel")
    assert parameter.value["src-uri"] == f"amqp://guest:wr0ng@127.0.0.1:{far.amqp_port}"
    shown = near.node.parameters.shown("shovel", parameter.value)
    assert shown["src-uri"] == f"amqp://guest:***@127.0.0.1:{far.amqp_port}"
    assert "wr0ng" not in caplog.text + str(said)


def test_a_broker_that_is_not_there_is_the_reason_once_in_the_log(
    dig: Dig, state: State, caplog: pytest.LogCaptureFixture, unused_tcp_port: int
) -> None:
    caplog.set_level(logging.INFO)
    uri = f"amqp://127.0.0.1:{unused_tcp_port}"
    dig(src_uri=[uri, uri], src_queue="from", dest_queue="to", reconnect_delay=0.01)
    for _ in range(3):
        assert state.until("terminated")["reason"] == f"source {uri}: connection refused"
        eventually(lambda: state()["state"] == "starting", "it tries again")
    assert caplog.text.count("connection refused") == 1


def test_one_of_several_brokers_is_enough(
    far: menura.Broker, here: Queues, there: Queues, dig: Dig, state: State, unused_tcp_port: int
) -> None:
    nobody = [f"amqp://127.0.0.1:{unused_tcp_port}"] * 3
    dig(src_uri=[*nobody, far.amqp_url, *nobody], src_queue="from", dest_queue="to", reconnect_delay=0)
    here.declared.append("to")
    there.declared.append("from")
    assert state.until("running")["src_uri"] == f"amqp://127.0.0.1:{far.amqp_port}/"


def test_a_destination_short_of_memory_blocks_it_until_there_is_room(
    near: menura.Broker, here: Queues, there: Queues, dig: Dig, state: State
) -> None:
    there.declare("from")
    here.declare("to")
    here.fill("to", [b"held"])
    dig(src_queue="from", dest_queue="to")
    state.until("running")
    near.set_memory_watermark(1)
    try:
        there.fill("from", BODIES)
        assert state.until("blocked")["blocked_status"] == "blocked"
    finally:
        near.set_memory_watermark(near.config.watermark_bytes)
    here.until("to", len(BODIES) + 1)
    state.until("running")
    assert here.bodies("to") == [b"held", *BODIES]


def test_another_value_is_another_shovel(here: Queues, there: Queues, dig: Dig, state: State) -> None:
    there.declare("from")
    here.declare("one")
    here.declare("two")
    dig(src_queue="from", dest_queue="one")
    there.fill("from", [b"1"])
    here.until("one", 1)
    dig(src_queue="from", dest_queue="two")
    there.fill("from", [b"2"])
    here.until("two", 1)
    assert state()["dest_queue"] == "two"
    eventually(lambda: there.channel.queue_declare("from", passive=True).method.consumer_count == 1, "one consumer")


def test_a_refused_value_changes_nothing(here: Queues, there: Queues, dig: Dig, state: State) -> None:
    dig(src_queue="from", dest_queue="to")
    here.declared.append("to")
    there.declared.append("from")
    state.until("running")
    with pytest.raises(PreconditionFailed, match="Cannot specify 'src-exchange' and 'src-queue'"):
        dig(src_queue="from", src_exchange="x")
    assert state()["state"] == "running"


def test_stars_for_the_password_keep_it(
    near: menura.Broker, far: menura.Broker, here: Queues, there: Queues, dig: Dig, state: State
) -> None:
    dig(src_queue="from", dest_queue="to")
    here.declared += ["to", "other"]
    there.declared.append("from")
    value = near.node.parameters.shown("shovel", near.node.parameters.value("shovel", "s", "/"))
    assert value["src-uri"] == f"amqp://guest:***@127.0.0.1:{far.amqp_port}/"
    near.set_parameter("shovel", "s", {**value, "dest-queue": "other"})
    assert state.until("running")["dest_queue"] == "other"


def test_shovels_go_with_their_virtual_host(near: menura.Broker, far: menura.Broker) -> None:
    near.add_vhost("v")
    value = {"src-uri": "amqp:///v", "dest-uri": "amqp:///v", "src-queue": "a", "dest-queue": "b"}
    near.set_parameter("shovel", "s", value, "v")
    state = State(near, "v")
    state.until("running")
    assert near.node.vhost("v").queues.keys() == {"a", "b"}
    near.delete_vhost("v")
    state.until("gone")
    assert near.node.parameters.kept("shovel") == []


def test_a_user_without_a_password_has_that_users_rights_here(near: menura.Broker, here: Queues, dig: Dig) -> None:
    near.add_user("ann", "secret")
    near.permit("ann", configure="", write="to", read="other")
    here.declare("from")
    here.declare("to")
    here.fill("from", [b"m"], BasicProperties())
    dig(src_uri="amqp://ann@/%2F", src_queue="from", dest_queue="to")
    state = State(near)
    said = state.until("terminated")
    assert said["reason"] == (
        "source: ACCESS_REFUSED - read access to queue 'from' in vhost '/' refused for user 'ann'"
    )
    near.permit("ann", configure="", write="", read="from")
    here.until("to", 1)


def test_who_sets_it_must_be_allowed_in_the_virtual_host_it_names(near: menura.Broker) -> None:
    near.add_user("bob", "secret")
    near.add_vhost("w")
    value = {"src-uri": "amqp:///w", "dest-uri": "amqp://far", "src-queue": "a"}
    parameters = near.node.parameters
    with pytest.raises(PreconditionFailed) as caught:
        parameters.set("shovel", "s", value, "/", user="bob")
    assert str(caught.value) == 'Validation failed\n\nuser "bob" may not connect to vhost "w"\n'
    with pytest.raises(PreconditionFailed) as caught:
        parameters.set("shovel", "s", {**value, "src-uri": "amqp:///nowhere"}, "/")
    assert str(caught.value) == 'Validation failed\n\nuser "none" may not connect to vhost "nowhere"\n'
    with pytest.raises(NotFound):
        parameters.value("shovel", "s", "/")


def test_what_happens_to_it_is_told(near: menura.Broker, here: Queues, there: Queues, dig: Dig, state: State) -> None:
    here.declare("heard")
    here.channel.queue_bind("heard", "amq.rabbitmq.event", "shovel.#")
    here.channel.queue_bind("heard", "amq.rabbitmq.event", "parameter.#")
    here.declared.append("to")
    there.declared.append("from")
    dig(src_queue="from", dest_queue="to")
    state.until("running")
    near.clear_parameter("shovel", "s")
    here.until("heard", 5)
    heard = here.take("heard")
    told = [(method.routing_key, properties.headers.get("status")) for method, properties, _ in heard]
    assert sorted(told, key=str) == sorted(
        [
            ("parameter.set", None),
            ("shovel.worker.status", "starting"),
            ("shovel.worker.status", "running"),
            ("parameter.cleared", None),
            ("shovel.worker.removed", None),
        ],
        key=str,
    )
    assert "guest:guest" not in str([properties for _, properties, _ in heard])


def test_shovels_begin_again_with_their_broker(tmp_path: Path, far: menura.Broker, there: Queues) -> None:
    there.declare("from")
    value: dict[str, Any] = {"src-uri": far.amqp_url, "dest-uri": "amqp://", "src-queue": "from", "dest-queue": "to"}
    with menura.Broker(data=str(tmp_path)) as broker:
        broker.set_parameter("shovel", "s", value)
        State(broker).until("running")
    eventually(lambda: there.channel.queue_declare("from", passive=True).method.consumer_count == 0, "it has gone")
    there.fill("from", BODIES)
    with menura.Broker(data=str(tmp_path)) as broker, Queues(broker.amqp_url) as queues:
        assert broker.node.parameters.value("shovel", "s", "/") == value
        queues.until("to", len(BODIES))
        assert queues.bodies("to") == BODIES
