"""The windows of a publisher, against a real broker."""

from collections.abc import Iterator

import pytest

from menura.bench import wire
from menura.bench.connection import Address, Connection
from menura.bench.errors import BenchError, BrokerClosedError
from menura.bench.flow import Ack, Consumer, Publisher, pump
from menura.bench.topology import Topology

BODY = b"x" * 100


@pytest.fixture
def topology(amqp_url: str) -> Iterator[Topology]:
    with Topology(Address.parse(amqp_url)) as topology:
        yield topology


@pytest.fixture
def connection(amqp_url: str) -> Iterator[Connection]:
    with Connection(Address.parse(amqp_url)) as connection:
        yield connection


def test_a_publisher_without_readers_stops_at_its_window(topology: Topology, connection: Connection) -> None:
    publisher = Publisher(connection, [wire.publish("", topology.queue(), BODY)])
    while publisher.may_send(consumed=0, window=5_000):
        pump_once(publisher)
    assert publisher.published <= 5_000
    assert publisher.may_send(consumed=publisher.published, window=5_000)


def pump_once(publisher: Publisher) -> None:
    turns = iter([False, True])
    pump(publisher, [], 1 << 60, lambda: next(turns))


def test_a_limit_is_reached_exactly_and_every_message_confirmed(topology: Topology, connection: Connection) -> None:
    queue = topology.queue()
    publisher = Publisher(connection, [wire.publish("", queue, BODY)], confirm_window=100, limit=1_234)
    pump(publisher, [], 10_000, lambda: publisher.confirmed >= 1_234)
    assert publisher.published == publisher.confirmed == 1_234
    assert topology.control.declare_queue(queue) == 1_234


def test_unconfirmed_messages_stay_within_their_window(topology: Topology, connection: Connection) -> None:
    publisher = Publisher(connection, [wire.publish("", topology.queue(), BODY)], confirm_window=100, limit=2_000)

    def looked_at() -> bool:
        assert publisher.published - publisher.confirmed <= 100
        return publisher.confirmed >= 2_000

    pump(publisher, [], 10_000, looked_at)


@pytest.mark.parametrize("count", [1, 10, 100, 300])
def test_the_window_holds_however_many_messages_make_a_turn(
    topology: Topology, connection: Connection, count: int
) -> None:
    queue = topology.queue()
    message = wire.publish("", queue, BODY)
    publisher = Publisher(connection, [message] * count, confirm_window=100, limit=1_234)
    open_most = 0

    def looked_at() -> bool:
        nonlocal open_most
        open_most = max(open_most, publisher.published - publisher.confirmed)
        return publisher.confirmed >= 1_234

    pump(publisher, [], 10_000, looked_at)
    assert 0 < open_most <= 100
    assert topology.control.declare_queue(queue) == publisher.published == 1_234


def test_a_stopped_publisher_finishes_the_message_that_is_half_out(
    topology: Topology, connection: Connection, amqp_url: str
) -> None:
    queue = topology.queue()
    publisher = Publisher(connection, [wire.publish("", queue, b"x" * 3_000_000)])
    turns = iter([False, True])
    pump(publisher, [], 10, lambda: next(turns))
    total = publisher.stop()
    with Connection(Address.parse(amqp_url)) as other:
        consumer = Consumer(other, queue, body_bytes=3_000_000)
        pump(publisher, [consumer], 10, lambda: consumer.received >= total)
    assert publisher.published == total == consumer.received


@pytest.mark.parametrize("ack", [Ack.EACH, Ack.RANGES])
def test_what_a_consumer_acknowledges_does_not_come_back(
    topology: Topology, connection: Connection, amqp_url: str, ack: Ack
) -> None:
    queue = topology.queue()
    publisher = Publisher(connection, [wire.publish("", queue, BODY)], limit=1_000)
    with Connection(Address.parse(amqp_url)) as other:
        consumer = Consumer(other, queue, body_bytes=len(BODY), ack=ack, prefetch=50)
        # With a prefetch of 50, the thousandth message comes only if the others were acknowledged.
        pump(publisher, [consumer], 10_000, lambda: consumer.received >= 1_000)
        assert consumer.received == 1_000


def test_messages_of_different_sizes_are_counted_at_both_ends(
    topology: Topology, connection: Connection, amqp_url: str
) -> None:
    queue = topology.queue()
    bodies = [b"x" * length for length in (1, 5_000, 30, 200_000, 7)]
    publisher = Publisher(connection, [wire.publish("", queue, body) for body in bodies], limit=1_003)
    sizes = [len(wire.content(body, b"\x00\x00")) for body in bodies]
    with Connection(Address.parse(amqp_url)) as other:
        consumer = Consumer(other, queue, body_bytes=200_000, content_bytes=sizes)
        pump(publisher, [consumer], 10_000, lambda: consumer.received >= 1_003)
    assert publisher.published == consumer.received == 1_003


def test_a_broker_that_closes_the_channel_says_why(topology: Topology, connection: Connection) -> None:
    publisher = Publisher(connection, [wire.publish("no-such-exchange", "q", BODY)])
    with pytest.raises(BrokerClosedError, match="404 NOT_FOUND"):
        pump(publisher, [], 1 << 60, lambda: False)


def test_what_was_declared_is_deleted(amqp_url: str) -> None:
    with Topology(Address.parse(amqp_url)) as topology:
        queue, exchange = topology.queue(), topology.exchange("fanout")
        topology.bind(queue, exchange)
    for use in (
        lambda control: control.consume(queue, no_ack=True),
        lambda control: control.bind("amq.gen-none", exchange, ""),
    ):
        with Connection(Address.parse(amqp_url)) as control, pytest.raises(BrokerClosedError, match="404"):
            use(control)


@pytest.mark.parametrize("url", ["http://127.0.0.1:5672", "127.0.0.1:5672", "amqps://127.0.0.1"])
def test_an_address_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(BenchError, match="amqp://"):
        Address.parse(url)


def test_the_parts_of_an_address_have_defaults() -> None:
    assert Address.parse("amqp://") == Address("127.0.0.1", 5672, "guest", "guest", "/")
    assert Address.parse("amqp://me:p%40ss@host:1/a%2Fb") == Address("host", 1, "me", "p@ss", "a/b")
