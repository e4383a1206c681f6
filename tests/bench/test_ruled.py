"""The scenarios of queues with rules, of delays, and of declaring, once each against a real broker, very short."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks import compare

import menura
from menura.bench import SCENARIOS, BenchError, Result, delayed, footprint, wire
from menura.bench.connection import Address, Connection
from menura.bench.declaring import send_all
from menura.bench.errors import BrokerClosedError
from menura.bench.flow import Ack, Consumer, Publisher, pump
from menura.bench.scenarios import run_here
from menura.bench.topology import Topology

BODY = b"x" * 100


def short(name: str, amqp_url: str, **given: object) -> Result:
    return run_here(SCENARIOS[name].settings(url=amqp_url, **{"seconds": 0.2, "warmup_seconds": 0.05, **given}))


def figures(result: Result) -> dict[str, float]:
    return {metric.name: metric.value for metric in result.metrics}


@pytest.fixture
def topology(amqp_url: str) -> Iterator[Topology]:
    with Topology(Address.parse(amqp_url)) as topology:
        yield topology


@pytest.fixture
def connection(amqp_url: str) -> Iterator[Connection]:
    with Connection(Address.parse(amqp_url)) as connection:
        yield connection


@pytest.mark.parametrize(
    "name",
    [
        "priority-10",
        "ttl",
        "expiration",
        "limit-drop-head",
        "limit-reject-publish",
        "dead-letter-rejected",
        "dead-letter-expired",
    ],
)
@pytest.mark.parametrize("durable", [False, True])
def test_a_queue_with_rules_has_a_rate(amqp_url: str, name: str, durable: bool) -> None:
    assert figures(short(name, amqp_url, window=1_000, durable=durable)).keys() == {"rate"}


def test_a_backlog_of_priorities_is_filled_and_emptied(amqp_url: str) -> None:
    result = short("priority-10-backlog", amqp_url, count=3_000)
    assert figures(result).keys() == {"enqueue", "dequeue"}
    assert all(value > 0 for value in figures(result).values())


def test_what_a_consumer_rejects_does_not_come_back(topology: Topology, connection: Connection, amqp_url: str) -> None:
    queue = topology.queue()
    publisher = Publisher(connection, [wire.publish("", queue, BODY)], limit=1_000)
    with Connection(Address.parse(amqp_url)) as other:
        consumer = Consumer(other, queue, body_bytes=len(BODY), ack=Ack.REJECT, prefetch=50)
        pump(publisher, [consumer], 10_000, lambda: consumer.received >= 1_000)
        assert consumer.received == 1_000


@pytest.mark.parametrize("name", ["durable-declare-single", "durable-declare-pipelined"])
def test_queues_are_declared_and_deleted(amqp_url: str, name: str) -> None:
    result = short(name, amqp_url, count=40)
    assert figures(result).keys() == {"declare", "delete"}
    assert all(value > 0 for value in figures(result).values())


def test_methods_on_their_way_at_once_are_all_carried_out(topology: Topology, connection: Connection) -> None:
    names = [f"{topology.prefix}.many{number}" for number in range(3_000)]
    topology.adopt(names)
    send_all(connection, [(wire.QUEUE_DECLARE, wire.queue_declare(name), wire.QUEUE_DECLARE_OK) for name in names])
    send_all(
        connection, [(wire.QUEUE_BIND, wire.queue_bind(name, "amq.direct", name), wire.QUEUE_BIND_OK) for name in names]
    )
    publisher = Publisher(
        connection, [wire.publish("amq.direct", name, BODY) for name in names], confirm_window=5_000, limit=3_000
    )
    pump(publisher, [], 5_000, lambda: publisher.confirmed >= 3_000)
    assert {topology.held(name) for name in names} == {1}


def test_a_method_that_is_refused_is_told_of(topology: Topology, connection: Connection) -> None:
    missing = (wire.QUEUE_BIND, wire.queue_bind(topology.prefix, "amq.direct", ""), wire.QUEUE_BIND_OK)
    with pytest.raises(BrokerClosedError, match="404 NOT_FOUND - no queue"):
        send_all(connection, [missing] * 3)


def test_an_answer_to_something_else_is_told_of(topology: Topology, connection: Connection) -> None:
    request = (wire.QUEUE_DECLARE, wire.queue_declare(topology.queue()), wire.QUEUE_BIND_OK)
    with pytest.raises(BenchError, match="another one than it calls for"):
        send_all(connection, [request])


def test_delayed_messages_are_weighed_and_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "SETTLE_SECONDS", 0)
    monkeypatch.setattr(delayed, "DUE_MS", range(40, 101, 20))
    with menura.Broker(data=str(tmp_path)) as broker:
        result = figures(short("delayed-memory-1m", broker.amqp_url, count=500, rate=500, seconds=0.5))
    assert result.keys() == {"publish", "message", "due", "late, p50", "late, p99", "late, most"}
    assert -2 < result["late, p50"] <= result["late, p99"] <= result["late, most"]
    assert result["due"] == pytest.approx(500, rel=0.5)


def test_delays_are_measured_where_there_are_any() -> None:
    assert compare.peers_of("delayed-memory-1m") == ("menura-on-disk",)
    assert compare.wants_fresh("delayed-memory-1m")
