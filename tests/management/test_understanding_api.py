"""The topology as a picture, and why a queue grows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from tests.management.http_client import Client

import menura
from menura.management import picture


@pytest.fixture
def channel(api_broker: menura.Broker) -> Iterator[BlockingChannel]:
    connection = pika.BlockingConnection(pika.URLParameters(api_broker.amqp_url))
    channel = connection.channel()
    channel.confirm_delivery()
    yield channel
    connection.close()


def findings(api: Client, queue: str) -> dict[str, dict[str, Any]]:
    return {finding["code"]: finding for finding in api.get(f"/menura/queues/%2F/{queue}/why").json["findings"]}


def fill(channel: BlockingChannel, queue: str, count: int = 5, **properties: Any) -> None:
    for _ in range(count):
        channel.basic_publish("", queue, b"m", pika.BasicProperties(**properties))


# -- why a queue grows ---------------------------------------------------------------------------------------


def test_nobody_is_there_to_take_messages(api: Client, channel: BlockingChannel, unique: str) -> None:
    channel.queue_declare(unique)
    assert findings(api, unique) == {}
    fill(channel, unique)
    assert findings(api, unique) == {"no_consumers": {"code": "no_consumers"}}


def test_all_that_consumers_may_hold_is_unacknowledged(api: Client, channel: BlockingChannel, unique: str) -> None:
    channel.queue_declare(unique)
    channel.basic_qos(prefetch_count=2)
    tag = channel.basic_consume(unique, lambda *_: None)
    fill(channel, unique)
    found = findings(api, unique)
    assert "no_consumers" not in found
    exhausted = found["prefetch_exhausted"]
    assert (exhausted["count"], exhausted["of"], exhausted["unacknowledged"]) == (1, 1, 2)
    (consumer,) = exhausted["consumers"]
    assert (consumer["consumer_tag"], consumer["prefetch"], consumer["unacknowledged"]) == (tag, 2, 2)
    assert consumer["user"] == "guest"


def test_the_limit_of_a_channel_is_a_limit(api: Client, channel: BlockingChannel, unique: str) -> None:
    channel.queue_declare(unique)
    channel.basic_qos(prefetch_count=3, global_qos=True)
    channel.basic_consume(unique, lambda *_: None)
    fill(channel, unique)
    assert findings(api, unique)["prefetch_exhausted"]["unacknowledged"] == 3


def test_only_one_of_several_consumers_is_served(api: Client, channel: BlockingChannel, unique: str) -> None:
    channel.queue_declare(unique, arguments={"x-single-active-consumer": True})
    tags = [channel.basic_consume(unique, lambda *_: None) for _ in range(3)]
    found = findings(api, unique)["single_active_consumer"]
    assert found["waiting"] == 2
    assert [consumer["consumer_tag"] for consumer in found["consumers"]] == tags[:1]


def test_a_consumer_does_not_read(
    api: Client, api_broker: menura.Broker, channel: BlockingChannel, unique: str
) -> None:
    channel.queue_declare(unique)
    idle = pika.BlockingConnection(pika.URLParameters(api_broker.amqp_url))
    # Without acknowledgements everything is sent at once, and nobody reads it.
    idle.channel().basic_consume(unique, lambda *_: None, auto_ack=True)
    body = bytes(256 * 1024)
    until = time.monotonic() + 20
    found: dict[str, Any] = {}
    while "consumers_not_reading" not in found and time.monotonic() < until:
        channel.basic_publish("", unique, body)
        found = findings(api, unique)
    assert (found["consumers_not_reading"]["count"], found["consumers_not_reading"]["of"]) == (1, 1)
    idle.close()


def test_a_queue_is_full(api: Client, channel: BlockingChannel, unique: str) -> None:
    channel.queue_declare(unique, arguments={"x-max-length": 3})
    fill(channel, unique)
    assert findings(api, unique)["limit_reached"] == {
        "code": "limit_reached",
        "max_length": 3,
        "max_length_bytes": None,
        "overflow": "drop-head",
    }


def test_dead_letters_come_back(api: Client, channel: BlockingChannel, unique: str) -> None:
    """From one queue to a second, by its own name, and from there by the binding of an exchange to the first."""
    one, two = f"{unique}-1", f"{unique}-2"
    channel.exchange_declare(unique, "topic")
    channel.queue_declare(one, arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": two})
    channel.queue_declare(two, arguments={"x-dead-letter-exchange": unique})
    assert "dead_letter_loop" not in findings(api, one)
    channel.queue_bind(one, unique, "#")
    assert findings(api, one)["dead_letter_loop"]["queues"] == [one, two, one]
    assert findings(api, two)["dead_letter_loop"]["queues"] == [two, one, two]


def test_what_waits_are_dead_letters_of_another(api: Client, channel: BlockingChannel, unique: str) -> None:
    channel.queue_declare(unique)
    channel.queue_declare(f"{unique}-2", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": unique})
    fill(channel, f"{unique}-2", 1)
    channel.basic_reject(channel.basic_get(f"{unique}-2")[0].delivery_tag, requeue=False)
    channel.queue_declare(unique, passive=True)
    found = findings(api, unique)["dead_letters"]
    assert (found["queue"], found["reason"], found["count"]) == (f"{unique}-2", "rejected", 1)


def test_rates_tell_of_slow_consumers(
    api_broker: menura.Broker, api: Client, channel: BlockingChannel, unique: str
) -> None:
    """With rounds of statistics a second apart in which a queue grows."""
    channel.queue_declare(unique)
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume(unique, lambda *_: None)
    statistics = api_broker.statistics
    until = time.monotonic() + 45
    found: dict[str, Any] = {}
    while "consumers_slower" not in found and time.monotonic() < until:
        fill(channel, unique, 20)
        channel.connection.process_data_events(0.1)
        found = findings(api, unique)
    slower = found["consumers_slower"]
    assert slower["publish_rate"] > slower["leaving_rate"] >= 0
    assert found["no_limits"] == {"code": "no_limits"}
    why = api.get(f"/menura/queues/%2F/{unique}/why").json
    assert why["growing"] is True
    assert why["rates"]["growth"] > 0
    assert statistics.history(api_broker.node.vhost("/").queues[unique]).rate("publish", 60) > 0


def test_a_queue_that_is_not_there_has_no_reasons(api: Client) -> None:
    assert api.get("/menura/queues/%2F/nowhere/why").status == 404
    assert api.get("/menura/queues/nowhere/q/why").status == 404


# -- the picture ---------------------------------------------------------------------------------------------


@pytest.fixture
def vhost(api: Client, unique: str) -> Iterator[str]:
    api.put(f"/vhosts/{unique}", {})
    api.put(f"/permissions/{unique}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    yield unique
    api.delete(f"/vhosts/{unique}")


def names(found: list[dict[str, Any]]) -> set[str]:
    return {each["name"] for each in found}


def test_a_small_topology_is_drawn_whole(api: Client, api_broker: menura.Broker, vhost: str) -> None:
    api.put(f"/exchanges/{vhost}/in", {"type": "topic", "arguments": {"alternate-exchange": "other"}})
    api.put(f"/exchanges/{vhost}/out", {"type": "fanout"})
    api.put(f"/queues/{vhost}/q", {"arguments": {"x-dead-letter-exchange": "in"}})
    api.put(f"/queues/{vhost}/alone")
    api.post(f"/bindings/{vhost}/e/in/e/out", {"routing_key": "k"})
    api.post(f"/bindings/{vhost}/e/out/q/q")
    connection = pika.BlockingConnection(pika.URLParameters(api_broker.amqp_url[:-1] + "/" + vhost))
    connection.channel().basic_consume("q", lambda *_: None)
    found = api.get(f"/menura/topology?vhost={vhost}").json
    assert names(found["exchanges"]) == {"in", "out"}
    assert names(found["queues"]) == {"q", "alone"}
    ends = {(binding["source"], binding["destination"], binding["routing_key"]) for binding in found["bindings"]}
    assert ends == {("in", "out", "k"), ("out", "q", "")}
    assert [consumer["queue"] for consumer in found["consumers"]] == ["q"]
    assert found["cut"] is False
    by_name = {queue["name"]: queue for queue in found["queues"]}
    assert (by_name["q"]["consumers"], by_name["q"]["dead_letter_exchange"]) == (1, "in")
    assert next(each["alternate"] for each in found["exchanges"] if each["name"] == "in") == "other"
    connection.close()


def test_the_default_exchange_is_drawn_where_it_is_used(api: Client, vhost: str) -> None:
    api.put(f"/queues/{vhost}/q")
    assert api.get(f"/menura/topology?vhost={vhost}").json["exchanges"] == []
    message = {"routing_key": "q", "payload": "m", "payload_encoding": "string", "properties": {}}
    assert api.post(f"/exchanges/{vhost}/amq.default/publish", message).json == {"routed": True}
    found = api.get(f"/menura/topology?vhost={vhost}").json
    assert names(found["exchanges"]) == {""}
    (binding,) = found["bindings"]
    assert (binding["source"], binding["destination"]) == ("", "q")


def test_a_name_draws_what_leads_there_and_where_it_leads(api: Client, vhost: str) -> None:
    for exchange in ("one", "two", "three", "elsewhere"):
        api.put(f"/exchanges/{vhost}/{exchange}", {"type": "fanout"})
    for queue in ("end", "aside", "beyond"):
        api.put(f"/queues/{vhost}/{queue}")
    for source, what, destination in (
        ("one", "e", "two"),
        ("two", "e", "three"),
        ("three", "q", "end"),
        ("two", "q", "aside"),
        ("elsewhere", "q", "beyond"),
    ):
        api.post(f"/bindings/{vhost}/e/{source}/{what}/{destination}")
    found = api.get(f"/menura/topology?vhost={vhost}&name=THREE").json
    assert names(found["exchanges"]) == {"one", "two", "three"}
    assert names(found["queues"]) == {"end"}
    assert api.get(f"/menura/topology?vhost={vhost}&name=nothing").json["queues"] == []


def test_what_is_left_out_is_told(api: Client, api_broker: menura.Broker, vhost: str) -> None:
    def declare() -> None:
        host = api_broker.node.vhost(vhost)
        for number in range(picture.NODES_MAX + 50):
            host.declare_queue(f"q{number}")

    api_broker._call(declare)
    found = api.get(f"/menura/topology?vhost={vhost}").json
    assert found["cut"] is True
    assert len(found["queues"]) <= picture.NODES_MAX
    assert found["totals"]["queues"] == picture.NODES_MAX + 50
    assert api.get(f"/menura/topology?vhost={vhost}&name=q").json["cut"] is True
    assert len(api.get(f"/menura/topology?vhost={vhost}&name=q24").json["queues"]) == 11
    assert api.get("/menura/topology?vhost=nowhere").status == 404
