"""Shovels between two brokers: what arrives, and where."""

from __future__ import annotations

from typing import Any

import pytest
from pika.spec import BasicProperties
from tests.shovels.conftest import Dig, State
from tests.shovels.queues import PROPERTIES, Queues, eventually

import menura

ACK_MODES = ["on-confirm", "on-publish", "no-ack"]
BODIES = [b"%d" % number for number in range(500)]


@pytest.mark.parametrize("mode", ACK_MODES)
def test_all_messages_come_in_order_with_all_they_had(mode: str, here: Queues, there: Queues, dig: Dig) -> None:
    there.declare("from")
    here.declare("to")
    there.fill("from", BODIES)
    dig(src_queue="from", dest_queue="to", ack_mode=mode)
    here.until("to", len(BODIES))
    messages = here.take("to")
    assert [body for _, _, body in messages] == BODIES
    assert all(properties == PROPERTIES for _, properties, _ in messages)
    there.until("from", 0)


@pytest.mark.parametrize("mode", ACK_MODES)
def test_messages_go_the_other_way_as_well(
    mode: str, far: menura.Broker, here: Queues, there: Queues, dig: Dig
) -> None:
    here.declare("from")
    there.declare("to")
    here.fill("from", BODIES)
    dig(src_uri="amqp://", dest_uri=far.amqp_url, src_queue="from", dest_queue="to", ack_mode=mode)
    there.until("to", len(BODIES))
    assert there.bodies("to") == BODIES


def test_messages_of_any_size_and_of_different_kinds(far: menura.Broker, here: Queues, there: Queues, dig: Dig) -> None:
    bodies = [b"", b"x", b"\xce" * 7, b"a" * 4088, b"b" * 4089, b"c" * 300_000, b"", b"d" * 131_072, b"e" * 131_064]
    kinds = [BasicProperties(priority=number % 3) for number in range(len(bodies))]
    there.declare("from")
    here.declare("to")
    for body, kind in zip(bodies, kinds, strict=True):
        there.fill("from", [body], kind)
    dig(src_queue="from", dest_uri="amqp://?frame_max=4096", dest_queue="to", dest_add_forward_headers=True)
    here.until("to", len(bodies))
    messages = here.take("to")
    assert [body for _, _, body in messages] == bodies
    assert [properties.priority for _, properties, _ in messages] == [kind.priority for kind in kinds]


def test_queues_that_do_not_exist_are_declared_durable_and_with_arguments(
    here: Queues, there: Queues, dig: Dig, state: State
) -> None:
    here.declared.append("new")
    there.declared.append("old")
    dig(src_queue="old", dest_queue="new", src_queue_args={"x-max-length": 5}, dest_queue_args={"x-max-priority": 3})
    state.until("running")
    here.channel.queue_declare("new", durable=True, arguments={"x-max-priority": 3})
    there.channel.queue_declare("old", durable=True, arguments={"x-max-length": 5})


def test_a_queue_said_to_be_there_is_not_declared(there: Queues, dig: Dig, state: State) -> None:
    dig(src_queue="nowhere", src_predeclared=True, dest_queue="nowhere", dest_predeclared=True)
    said = state.until("terminated")
    assert said["reason"] == "destination: NOT_FOUND - no queue 'nowhere' in vhost '/'"
    assert there.length("nowhere") == -1


def test_an_exchange_is_read_through_a_queue_that_goes_with_the_shovel(
    near: menura.Broker, far: menura.Broker, here: Queues, there: Queues, dig: Dig, state: State
) -> None:
    here.declare("to")
    before = set(far.node.vhost("/").queues)
    dig(src_exchange="amq.topic", src_exchange_key="order.#", dest_queue="to")
    state.until("running")
    there.channel.basic_publish("amq.topic", "order.new", b"mine")
    there.channel.basic_publish("amq.topic", "mail.new", b"not mine")
    there.channel.basic_publish("amq.topic", "order.old", b"mine too")
    here.until("to", 2)
    assert here.bodies("to") == [b"mine", b"mine too"]
    (queue,) = set(far.node.vhost("/").queues) - before
    near.clear_parameter("shovel", "s")
    queues = far.node.vhost("/").queues
    eventually(lambda: far._call(lambda: queue not in queues), "the shovel's queue is gone")


@pytest.mark.parametrize(
    ("wanted", "arrived"),
    [
        ({}, ("amq.topic", "order.new")),
        ({"dest-exchange": "copies"}, ("copies", "order.new")),
        ({"dest-exchange": "copies", "dest-exchange-key": "k"}, ("copies", "k")),
        ({"dest-exchange-key": "other"}, ("amq.topic", "other")),
        ({"dest-queue": "to"}, ("", "to")),
    ],
)
def test_where_messages_are_published(
    wanted: dict[str, Any], arrived: tuple[str, str], here: Queues, there: Queues, dig: Dig, state: State
) -> None:
    here.declare("to")
    here.channel.exchange_declare("copies", "fanout")
    here.channel.queue_bind("to", "copies")
    here.channel.queue_bind("to", "amq.topic", "#")
    dig(src_exchange="amq.topic", src_exchange_key="#", **wanted)
    state.until("running")
    there.channel.basic_publish("amq.topic", "order.new", b"m")
    here.until("to", 1)
    ((method, _, _),) = here.take("to")
    assert (method.exchange, method.routing_key) == arrived
    here.channel.exchange_delete("copies")


def test_headers_and_properties_are_added(far: menura.Broker, here: Queues, there: Queues, dig: Dig) -> None:
    there.declare("from")
    here.declare("to")
    there.fill("from", [b"m"], BasicProperties(headers={"mine": 1}, priority=2, type="t"))
    dig(
        src_queue="from",
        dest_queue="to",
        dest_add_forward_headers=True,
        dest_add_timestamp_header=True,
        dest_publish_properties={"priority": 7, "app_id": "shop"},
    )
    here.until("to", 1)
    ((_, properties, _),) = here.take("to")
    assert (properties.priority, properties.app_id, properties.type) == (7, "shop", "t")
    assert properties.headers.pop("x-shovelled-timestamp") > 1_700_000_000
    assert properties.headers == {
        "mine": 1,
        "x-shovelled": [
            {
                "shovelled-by": "menura@localhost",
                "shovel-type": "dynamic",
                "shovel-name": "s",
                "shovel-vhost": "/",
                "src-uri": f"amqp://127.0.0.1:{far.amqp_port}/",
                "dest-uri": "amqp://",
                "src-queue": "from",
                "dest-queue": "to",
            }
        ],
    }


@pytest.mark.parametrize(("after", "moved"), [(3, 3), ("queue-length", 10), (0, 0)])
@pytest.mark.parametrize("mode", ["on-confirm", "on-publish"])
def test_a_shovel_deletes_itself_when_it_has_moved_what_it_was_to(
    after: str | int, moved: int, mode: str, near: menura.Broker, here: Queues, there: Queues, dig: Dig, state: State
) -> None:
    there.declare("from")
    here.declare("to")
    there.fill("from", BODIES[:10])
    dig(src_queue="from", dest_queue="to", src_delete_after=after, ack_mode=mode)
    state.until("gone")
    assert near.node.parameters.kept("shovel") == []
    there.until("from", 10 - moved)
    assert here.bodies("to") == BODIES[:moved]
    assert there.bodies("from") == BODIES[moved:10]


def test_a_limit_below_the_prefetch_count_holds_for_what_comes_later_too(
    here: Queues, there: Queues, dig: Dig, state: State
) -> None:
    there.declare("from")
    here.declare("to")
    dig(src_queue="from", dest_queue="to", src_delete_after=5)
    state.until("running")
    there.fill("from", BODIES[:3])
    here.until("to", 3)
    assert state()["remaining"] == 2
    there.fill("from", BODIES[3:9])
    state.until("gone")
    there.until("from", 4)
    assert here.bodies("to") == BODIES[:5]


def test_what_the_destination_refuses_stays_at_the_source(here: Queues, there: Queues, dig: Dig, state: State) -> None:
    there.declare("from")
    here.declare("to", **{"x-max-length": 5, "x-overflow": "reject-publish"})
    there.fill("from", BODIES[:20])
    dig(src_queue="from", dest_queue="to", src_prefetch_count=10)
    here.until("to", 5)
    got: set[bytes] = set()

    def all_there() -> bool:
        got.update(here.bodies("to"))
        return len(got) == 20

    eventually(all_there, "all messages came in the end")
    assert got == set(BODIES[:20])
    there.until("from", 0)
    assert state()["forwarded"] >= 20
