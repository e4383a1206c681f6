"""queue.declare, purge and delete: names, counts and conditions."""

from __future__ import annotations

from typing import Any

import pytest
from pamqp.commands import Basic, Channel, Queue
from tests.conformance.answers import BOUND, EMPTY, channel_error, declared, delivered, got, locked, no_queue
from tests.conformance.conftest import Connect
from tests.conformance.wire import Client


def inequivalent(argument: str, received: str, current: str) -> str:
    text = f"inequivalent arg '{argument}' for queue 'q' in vhost '/': received {received} but current is {current}"
    return channel_error(406, text, Queue.Declare)


def test_the_broker_names_a_queue_declared_without_a_name(c: Client) -> None:
    c.ask(Queue.Declare(queue="", exclusive=True), declared("amq.gen-*"))
    c.publish("k")
    c.ask(Queue.Declare(queue="", exclusive=True), declared("amq.gen-*"))


def test_a_client_cannot_create_a_queue_with_a_reserved_name(c: Client) -> None:
    c.ask(
        Queue.Declare(queue="amq.new", exclusive=True),
        channel_error(403, "queue name 'amq.new' contains reserved prefix 'amq.*'", Queue.Declare),
    )


def test_passive_declare_of_an_unknown_reserved_name_is_just_not_found(c: Client) -> None:
    c.ask(Queue.Declare(queue="amq.new", passive=True), no_queue(Queue.Declare, "amq.new"))


def test_a_queue_name_may_hold_any_character(c: Client, q: str) -> None:
    c.ask(Queue.Declare(queue=f"é*#% \0{q}", exclusive=True), declared("é*#% \0q"))


def test_a_queue_name_may_have_255_octets(c: Client, q: str) -> None:
    long_name = q.rjust(255, "n")
    c.ask(Queue.Declare(queue=long_name, exclusive=True), declared("n" * (255 - len(q)) + "q"))


def test_line_breaks_are_taken_out_of_names(c: Client, q: str) -> None:
    c.ask(Queue.Declare(queue=f"\r{q}\n", exclusive=True), declared())
    c.ask(Queue.Declare(queue=q, passive=True), declared())


def test_declaring_a_queue_again_is_ok(c: Client, q: str) -> None:
    c.ask(Queue.Declare(queue=q), declared())
    c.ask(Queue.Declare(queue=q), declared())


@pytest.mark.parametrize("property_", ["durable", "auto_delete"])
def test_a_queue_keeps_its_properties(c: Client, q: str, property_: str) -> None:
    c.ask(Queue.Declare(queue=q), declared())
    options: Any = {property_: True}
    c.ask(Queue.Declare(queue=q, **options), inequivalent(property_, "'true'", "'false'"))


def test_durability_is_compared_first(c: Client, q: str) -> None:
    c.ask(Queue.Declare(queue=q, durable=True), declared())
    c.ask(
        Queue.Declare(queue=q, auto_delete=True, arguments={"x-expires": 60000}),
        inequivalent("durable", "'false'", "'true'"),
    )


def test_a_shared_queue_cannot_become_exclusive(c: Client, q: str) -> None:
    c.ask(Queue.Declare(queue=q), declared())
    c.ask(Queue.Declare(queue=q, exclusive=True), locked(Queue.Declare))


def test_an_exclusive_queue_cannot_become_shared(c: Client, q: str) -> None:
    c.queue(q)
    c.ask(Queue.Declare(queue=q), locked(Queue.Declare))
    c.leftovers.clear()


def test_durable_means_nothing_for_an_exclusive_queue(c: Client, q: str) -> None:
    c.ask(Queue.Declare(queue=q, exclusive=True, durable=True), declared())
    c.ask(Queue.Declare(queue=q, exclusive=True), declared())


def test_passive_declare_compares_nothing(c: Client, q: str) -> None:
    c.ask(Queue.Declare(queue=q), declared())
    c.ask(Queue.Declare(queue=q, passive=True, durable=True, auto_delete=True), declared())


def test_declare_counts_ready_messages_and_consumers(c: Client, q: str) -> None:
    c.queue(q)
    for _ in range(3):
        c.publish(q)
    c.ask(Basic.Get(queue=q), got(1, left=2))
    c.ask(Queue.Declare(queue=q, passive=True), declared(messages=2))
    c.send(Basic.Qos(prefetch_count=1))
    c.expect("1 Basic.QosOk()")
    c.send(Basic.Consume(queue=q, consumer_tag="c"))
    c.expect("1 Basic.ConsumeOk(consumer_tag='c')", delivered(2))
    c.ask(Queue.Declare(queue=q, passive=True), declared(messages=1, consumers=1))


def test_purge_takes_ready_messages_only(c: Client, q: str) -> None:
    c.queue(q)
    for _ in range(3):
        c.publish(q)
    c.ask(Basic.Get(queue=q), got(1, left=2))
    c.ask(Queue.Purge(queue=q), "1 Queue.PurgeOk(message_count=2)")
    c.ask(Basic.Get(queue=q), EMPTY)
    c.send(Basic.Reject(1, requeue=True))
    c.ask(Basic.Get(queue=q), got(2, redelivered=True))


def test_delete_counts_ready_messages_only(c: Client, q: str) -> None:
    c.queue(q)
    for _ in range(3):
        c.publish(q)
    c.ask(Basic.Get(queue=q), got(1, left=2))
    c.ask(Queue.Delete(queue=q), "1 Queue.DeleteOk(message_count=2)")


def test_delete_if_unused_spares_a_queue_with_consumers(c: Client, q: str) -> None:
    c.queue(q)
    c.consume(q)
    c.ask(Queue.Delete(queue=q, if_unused=True), channel_error(406, "queue 'q' in vhost '/' in use", Queue.Delete))


def test_delete_if_empty_spares_a_queue_with_ready_messages(c: Client, q: str) -> None:
    c.queue(q)
    c.publish(q)
    c.ask(Queue.Delete(queue=q, if_empty=True), channel_error(406, "queue 'q' in vhost '/' not empty", Queue.Delete))


def test_a_queue_with_nothing_but_unacknowledged_messages_is_empty(c: Client, q: str) -> None:
    c.queue(q)
    c.publish(q)
    c.ask(Basic.Get(queue=q), got(1))
    c.ask(Queue.Delete(queue=q, if_empty=True), "1 Queue.DeleteOk(message_count=0)")


def test_delete_tells_a_consumer_that_asked_to_be_told(c: Client, q: str) -> None:
    c.queue(q)
    c.consume(q)
    c.send(Queue.Delete(queue=q))
    answers = {c.line(), c.line()}
    assert answers == {"1 Queue.DeleteOk(message_count=0)", "1 Basic.Cancel(consumer_tag='c', nowait=True)"}


def test_delete_tells_no_consumer_that_did_not_ask(connect: Connect, q: str) -> None:
    c = connect().login(capabilities={}).open_channel()
    c.queue(q)
    c.consume(q)
    c.ask(Queue.Delete(queue=q), "1 Queue.DeleteOk(message_count=0)")
    c.expect_nothing()


def test_a_delivery_may_be_settled_after_its_queue_has_gone(c: Client, q: str) -> None:
    c.queue(q)
    c.publish(q)
    c.ask(Basic.Get(queue=q), got(1))
    c.ask(Queue.Delete(queue=q), "1 Queue.DeleteOk(message_count=0)")
    c.send(Basic.Ack(1))
    c.expect_nothing()


def test_nowait_is_not_answered(c: Client, q: str) -> None:
    c.send(
        Queue.Declare(queue=q, exclusive=True, nowait=True),
        Queue.Bind(queue=q, exchange="amq.direct", routing_key=q, nowait=True),
        Queue.Purge(queue=q, nowait=True),
        Queue.Delete(queue=q, nowait=True),
        Queue.Declare(queue=q, passive=True),
    )
    c.expect(no_queue(Queue.Declare))


def test_nowait_does_not_keep_an_error_back(c: Client) -> None:
    c.send(Queue.Declare(queue="amq.new", nowait=True))
    text = "queue name 'amq.new' contains reserved prefix 'amq.*'"
    c.expect(channel_error(403, text, Queue.Declare))


@pytest.fixture
def stranger(c: Client, connect: Connect, q: str) -> Client:
    """A second connection, while the first one has the exclusive queue q."""
    c.queue(q)
    return connect().login().open_channel()


OTHERS_QUEUE = [
    Queue.Declare(exclusive=True),
    Queue.Declare(passive=True),
    Queue.Declare(),
    Basic.Consume(),
    Basic.Get(),
    Queue.Purge(),
    Queue.Delete(),
    Queue.Bind(exchange="amq.direct", routing_key="k"),
]


@pytest.mark.parametrize("method", OTHERS_QUEUE, ids=lambda method: method.name)
def test_another_connections_exclusive_queue_is_locked(stranger: Client, q: str, method: Queue.Declare) -> None:
    method.queue = q
    stranger.send(method)
    stranger.leftovers.clear()
    stranger.expect(locked(type(method)))


def test_another_connections_exclusive_queue_may_be_unbound_from_where_it_is_not_bound(
    stranger: Client, q: str
) -> None:
    stranger.ask(Queue.Unbind(queue=q, exchange="amq.direct", routing_key="k"), "1 Queue.UnbindOk()")


def test_anyone_may_publish_to_an_exclusive_queue(c: Client, stranger: Client, q: str) -> None:
    stranger.publish(q)
    stranger.expect_nothing()
    c.ask(Basic.Get(queue=q), got(1))


def test_an_exclusive_queue_goes_with_its_connection(c: Client, stranger: Client, q: str) -> None:
    c.send(b"\x01\x00\x00\x00\x00\x00\x0b\x00\x0a\x00\x32\x00\xc8\x00\x00\x00\x00\x00\xce")
    c.expect("0 Connection.CloseOk()")
    stranger.ask(Queue.Declare(queue=q, passive=True), no_queue(Queue.Declare))


def test_an_exclusive_queue_outlives_its_channel(c: Client, q: str) -> None:
    c.queue(q)
    c.ask(Channel.Close(200, "", 0, 0), "1 Channel.CloseOk()")
    c.open_channel()
    c.ask(Queue.Declare(queue=q, passive=True), declared())


def test_an_auto_delete_queue_goes_with_its_last_consumer(c: Client, q: str) -> None:
    c.ask(Queue.Declare(queue=q, auto_delete=True), declared())
    c.consume(q, "c")
    c.consume(q, "d")
    c.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")
    c.ask(Queue.Declare(queue=q, passive=True), declared(consumers=1))
    c.ask(Basic.Cancel("d"), "1 Basic.CancelOk(consumer_tag='d')")
    c.ask(Queue.Declare(queue=q, passive=True), no_queue(Queue.Declare))


def test_an_auto_delete_queue_goes_with_the_channel_of_its_last_consumer(c: Client, q: str) -> None:
    c.ask(Queue.Declare(queue=q, auto_delete=True), declared())
    c.consume(q)
    c.ask(Channel.Close(200, "", 0, 0), "1 Channel.CloseOk()")
    c.open_channel()
    c.ask(Queue.Declare(queue=q, passive=True), no_queue(Queue.Declare))


def test_an_auto_delete_queue_without_consumers_stays(c: Client, q: str) -> None:
    c.ask(Queue.Declare(queue=q, auto_delete=True), declared())
    c.ask(Basic.Get(queue=q), EMPTY)
    c.ask(Queue.Bind(queue=q, exchange="amq.direct", routing_key=q), BOUND)
    c.ask(Queue.Declare(queue=q, passive=True), declared())
