"""Peers that are slow, and memory that is short: nobody else may notice, and everything goes on afterwards."""

from __future__ import annotations

import pytest
from tests.protocols.amqp.memory import (
    Basic,
    Client,
    Confirm,
    Connection,
    Queue,
    ack,
    bodies,
    method,
    names,
    publish,
)
from tests.protocols.memory import assert_balanced, make_node

from menura.protocols.amqp.limits import AmqpLimits

KB = b"k" * 1024


def with_consumer(limits: AmqpLimits | None = None) -> tuple[Client, Client]:
    """A publisher, and a client that consumes queue q."""
    publisher = Client().connect().declare("q")
    consumer = Client(publisher.node, limits=limits).connect((1, 2))
    consumer.consume("q", no_ack=True)
    return publisher, consumer


# -- a peer that does not read -------------------------------------------------------------------------------


def test_a_congested_consumer_is_sent_nothing_until_it_has_caught_up() -> None:
    publisher, consumer = with_consumer()
    consumer.session.congested = True
    publisher.send(b"".join(publish("q", b"%d" % n) for n in range(100)))
    assert consumer.take() == []
    assert publisher.depth("q") == 100
    consumer.session.congested = False
    consumer.session.resume()
    assert bodies(consumer.take()) == [b"%d" % n for n in range(100)]


def test_the_output_of_a_consumer_that_does_not_read_is_bounded() -> None:
    limit = 100_000
    publisher, consumer = with_consumer(AmqpLimits(output_bytes_max=limit))
    read = 0
    for _ in range(100):
        octets = publish("q", KB) * 50
        read = max(read, len(octets))
        publisher.send(octets)
    assert limit <= consumer.session.output.size_bytes < limit + 2 * read
    assert publisher.depth("q") > 4000


def test_a_consumer_resumes_in_order_after_each_flush() -> None:
    publisher, consumer = with_consumer(AmqpLimits(output_bytes_max=50_000))
    publisher.send(*[publish("q", b"%05d" % n + KB) * 1 for n in range(500)])
    got: list[bytes] = []
    for _ in range(100):
        starved = not consumer.session.writable
        got += [body[:5] for body in bodies(consumer.take())]
        if starved:
            consumer.session.resume()
    assert got == [b"%05d" % n for n in range(500)]


def test_one_slow_consumer_does_not_hold_up_another() -> None:
    publisher, slow = with_consumer()
    quick = Client(publisher.node).connect()
    quick.consume("q", no_ack=True)
    slow.session.congested = True
    publisher.send(publish("q") * 100)
    assert len(quick.take()) == 100
    assert slow.take() == []


def test_a_consumer_goes_while_congested_and_leaves_nothing() -> None:
    publisher, consumer = with_consumer()
    consumer.session.congested = True
    publisher.send(publish("q") * 10)
    consumer.session.lost()
    assert publisher.depth("q") == 10
    assert_balanced(publisher.node)


def test_output_is_counted_as_it_is() -> None:
    publisher, consumer = with_consumer()
    for channel in (1, 2):
        publisher.send(publish("q", KB * channel) * 7)
        count = consumer.session.output.size_bytes
        assert count == len(consumer.session.flush())


# -- memory --------------------------------------------------------------------------------------------------


def short_of_memory(limit: int = 100_000) -> tuple[Client, list[Client]]:
    """A publisher on a node with little memory; sessions put into the list are told when there is more."""
    node = make_node(watermark_bytes=limit)
    sessions: list[Client] = []

    def tell(blocked: bool) -> None:
        if not blocked:
            for client in sessions:
                client.session.unblock()

    node.memory.on_change.append(tell)
    publisher = Client(node).connect().declare("q")
    sessions.append(publisher)
    return publisher, sessions


def test_above_the_watermark_publishers_are_blocked_and_told() -> None:
    publisher, _ = short_of_memory()
    assert publisher.send(publish("q", KB) * 80) == []
    assert publisher.session.reading
    assert names(publisher.send(publish("q", KB) * 20)) == ["Connection.Blocked"]
    assert not publisher.session.reading
    assert names(publisher.send(publish("q", KB))) == [], "told once"


def test_a_publisher_without_the_capability_is_blocked_and_not_told() -> None:
    publisher, _ = short_of_memory()
    other = Client(publisher.node).connect(capabilities={})
    assert other.send(publish("q", KB) * 100) == []
    assert not other.session.reading


def test_connections_that_do_not_publish_are_not_blocked() -> None:
    publisher, _ = short_of_memory()
    consumer = Client(publisher.node).connect()
    publisher.send(publish("q", KB) * 100)
    assert consumer.call(Queue.Declare(0, "other")).name == "Queue.DeclareOk"
    assert consumer.session.reading
    late = Client(publisher.node).connect()
    assert names(late.send(publish("q"))) == ["Connection.Blocked"]


def test_consumers_drain_a_blocked_queue_and_publishers_go_on() -> None:
    publisher, _ = short_of_memory()
    publisher.call(Confirm.Select())
    assert names(publisher.send(publish("q", KB) * 100)) == ["Connection.Blocked", "Basic.Ack"]
    consumer = Client(publisher.node).connect()
    delivered = consumer.send(method(Basic.Consume(0, "q", "c")))
    assert len(bodies(delivered)) == 100
    assert not publisher.session.reading, "handed out is not yet settled"
    for tag in range(1, 101):
        consumer.send(ack(tag))
    assert publisher.session.reading
    assert names(publisher.take()) == ["Connection.Unblocked"]
    assert publisher.node.memory.used_bytes == 0
    assert names(publisher.send(publish("q"))) == ["Basic.Ack"]


def test_what_is_published_while_something_is_short_comes_when_there_is_room_again() -> None:
    publisher, sessions = short_of_memory()
    known, new = publisher, Client(publisher.node).connect()
    sessions.append(new)
    consumer = Client(publisher.node).connect().declare("other")
    known.send(publish("other", b"0"))
    assert bodies(consumer.send(method(Basic.Get(0, "other", True)))) == [b"0"]
    publisher.node.alarms.force("disk")
    for number, client in enumerate((known, new)):
        answers = client.send(method(Basic.Qos(0, 5)) + publish("other", b"%d" % number) + method(Confirm.Select()))
        assert names(answers) == ["Basic.QosOk", "Connection.Blocked"]
        assert not client.session.reading
        assert client.send(publish("other", b"more")) == [], "whatever else comes, and told once"
        assert names(consumer.send(method(Basic.Get(0, "other", True)))) == ["Basic.GetEmpty"]
    publisher.node.alarms.release("disk", False)
    for client in (known, new):
        client.session.unblock()
        assert names(client.take()) == ["Connection.Unblocked"]
    assert consumer.depth("other") == 0, "not in the middle of what somebody else does"
    wakes = known.wakes
    publisher.pass_time(0)
    assert known.wakes > wakes
    for client in (known, new):
        assert names(client.take()) == ["Confirm.SelectOk", "Basic.Ack"]
        assert client.session.reading
    consumer.send(method(Basic.Consume(0, "other", "c")))
    assert consumer.depth("other") == 0
    assert_balanced(publisher.node)


def test_who_was_held_is_held_again_if_something_is_short_before_they_have_gone_on() -> None:
    publisher, sessions = short_of_memory(limit=10_000)
    other = Client(publisher.node).connect()
    sessions.append(other)
    queue = publisher.node.vhosts["/"].queues["q"]
    publisher.node.alarms.force("disk")
    for client in (publisher, other):
        assert names(client.send(publish("q", KB) * 20)) == ["Connection.Blocked"]
    publisher.node.alarms.release("disk", False)
    for client in (publisher, other):
        client.session.unblock()
    publisher.pass_time(0)
    assert queue.ready_count == 20, "after the first one's messages memory is short"
    assert not other.session.reading
    assert names(other.take()) == ["Connection.Unblocked", "Connection.Blocked"]
    queue.purge()
    publisher.pass_time(0)
    assert queue.ready_count == 20


def test_a_held_publish_does_not_keep_a_connection_from_its_end() -> None:
    publisher, _ = short_of_memory()
    publisher.node.alarms.force("disk")
    assert names(publisher.send(publish("q", b"held"))) == ["Connection.Blocked"]
    publisher.session.send_away("go")
    assert names(publisher.take()) == ["Connection.Close"]
    assert publisher.session.reading
    publisher.send(method(Connection.CloseOk(), 0))
    assert publisher.session.finished
    assert publisher.node.vhosts["/"].queues["q"].ready_count == 0


def test_a_publish_that_is_wrong_is_told_so_also_while_something_is_short() -> None:
    publisher, _ = short_of_memory()
    publisher.node.alarms.force("disk")
    answers = publisher.send(method(Basic.Publish(0, "", "q")) + method(Basic.Publish(0, "", "q")))
    assert names(answers) == ["Connection.Blocked"]
    publisher.node.alarms.release("disk", False)
    publisher.session.unblock()
    publisher.pass_time(0)
    assert [(answer.name, answer.arguments.get("reply_code")) for answer in publisher.take()] == [
        ("Connection.Unblocked", None),
        ("Connection.Close", 505),
    ]


@pytest.mark.parametrize("relief", ["purge", "delete", "watermark"])
def test_whatever_frees_memory_unblocks(relief: str) -> None:
    publisher, _ = short_of_memory()
    other = Client(publisher.node).connect()
    publisher.send(publish("q", KB) * 100)
    if relief == "purge":
        other.call(Queue.Purge(0, "q"))
    elif relief == "delete":
        other.call(Queue.Delete(0, "q"))
    else:
        publisher.node.memory.set_watermark(10_000_000)
    assert publisher.session.reading


def test_a_blocked_publisher_that_is_told_to_go_hears_nothing_after_the_close() -> None:
    publisher, _ = short_of_memory()
    publisher.send(publish("q", KB) * 100)
    publisher.session.stop()
    assert publisher.session.reading, "its close-ok must be read"
    assert names(publisher.take()) == ["Connection.Close"]
    publisher.node.vhosts["/"].queues["q"].purge()
    assert publisher.take() == []


def test_messages_of_an_open_transaction_weigh_too() -> None:
    from pamqp.commands import Tx

    publisher, _ = short_of_memory()
    publisher.call(Tx.Select())
    publisher.send(publish("q", KB) * 200)
    assert publisher.node.memory.used_bytes > 200 * 1024
    assert not publisher.session.reading
    publisher.session.lost()
    assert publisher.node.memory.used_bytes == 0
