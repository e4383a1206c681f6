"""Methods that name a queue or an exchange that does not exist: which of them mind, and how they say it."""

from __future__ import annotations

import pytest
from pamqp.commands import Basic, Exchange, Queue
from tests.conformance.answers import UNBOUND, channel_error, got, no_exchange, no_queue, returned
from tests.conformance.wire import Client


def test_passive_declare_of_an_unknown_queue_closes_the_channel(c: Client, q: str) -> None:
    c.ask(Queue.Declare(queue=q, passive=True), no_queue(Queue.Declare))


def test_passive_declare_of_an_unknown_exchange_closes_the_channel(c: Client, x: str) -> None:
    c.ask(Exchange.Declare(exchange=x, passive=True), no_exchange(Exchange.Declare))


def test_passive_declare_does_not_look_at_the_exchange_type(c: Client, x: str) -> None:
    c.ask(Exchange.Declare(exchange=x, exchange_type="nonsense", passive=True), no_exchange(Exchange.Declare))


def test_consume_from_an_unknown_queue_closes_the_channel(c: Client, q: str) -> None:
    c.ask(Basic.Consume(queue=q), no_queue(Basic.Consume))


def test_get_from_an_unknown_queue_closes_the_channel(c: Client, q: str) -> None:
    c.ask(Basic.Get(queue=q), no_queue(Basic.Get))


def test_purge_of_an_unknown_queue_closes_the_channel(c: Client, q: str) -> None:
    c.ask(Queue.Purge(queue=q), no_queue(Queue.Purge))


def test_delete_of_an_unknown_queue_is_ok(c: Client, q: str) -> None:
    c.ask(Queue.Delete(queue=q), "1 Queue.DeleteOk(message_count=0)")


def test_delete_of_an_unknown_exchange_is_ok(c: Client, x: str) -> None:
    c.ask(Exchange.Delete(exchange=x), "1 Exchange.DeleteOk()")


def test_publish_to_an_unknown_exchange_closes_the_channel(c: Client, x: str) -> None:
    c.publish("k", exchange=x)
    c.expect(no_exchange(Basic.Publish))


def test_bind_of_an_unknown_queue_closes_the_channel(c: Client, q: str) -> None:
    c.ask(Queue.Bind(queue=q, exchange="amq.direct", routing_key="k"), no_queue(Queue.Bind))


def test_bind_to_an_unknown_exchange_closes_the_channel(c: Client, q: str, x: str) -> None:
    c.queue(q)
    c.ask(Queue.Bind(queue=q, exchange=x, routing_key="k"), no_exchange(Queue.Bind))


def test_bind_misses_the_exchange_before_the_queue(c: Client, q: str, x: str) -> None:
    c.ask(Queue.Bind(queue=q, exchange=x, routing_key="k"), no_exchange(Queue.Bind))


def test_unbind_of_an_unknown_queue_is_ok(c: Client, q: str) -> None:
    c.ask(Queue.Unbind(queue=q, exchange="amq.direct", routing_key="k"), UNBOUND)


def test_unbind_from_an_unknown_exchange_is_ok(c: Client, q: str, x: str) -> None:
    c.queue(q)
    c.ask(Queue.Unbind(queue=q, exchange=x, routing_key="k"), UNBOUND)


def test_unbind_of_an_unknown_binding_is_ok(c: Client, q: str) -> None:
    c.queue(q)
    c.ask(Queue.Unbind(queue=q, exchange="amq.direct", routing_key="k"), UNBOUND)


def test_exchange_bind_from_an_unknown_source_closes_the_channel(c: Client, x: str) -> None:
    c.ask(Exchange.Bind(destination="amq.direct", source=x, routing_key="k"), no_exchange(Exchange.Bind))


def test_exchange_bind_to_an_unknown_destination_closes_the_channel(c: Client, x: str) -> None:
    c.ask(Exchange.Bind(destination=x, source="amq.direct", routing_key="k"), no_exchange(Exchange.Bind))


def test_exchange_unbind_of_an_unknown_exchange_is_ok(c: Client, x: str) -> None:
    c.ask(Exchange.Unbind(destination="amq.direct", source=x, routing_key="k"), "1 Exchange.UnbindOk()")
    c.ask(Exchange.Unbind(destination=x, source="amq.direct", routing_key="k"), "1 Exchange.UnbindOk()")


def test_exchange_unbind_of_an_unknown_binding_is_ok(c: Client, x: str) -> None:
    c.ask(Exchange.Unbind(destination="amq.fanout", source="amq.direct", routing_key=x), "1 Exchange.UnbindOk()")


LAST_QUEUE = [
    Basic.Get(queue=""),
    Basic.Consume(queue=""),
    Queue.Purge(queue=""),
    Queue.Delete(queue=""),
    Queue.Bind(queue="", exchange="amq.direct", routing_key="k"),
    Queue.Unbind(queue="", exchange="amq.direct", routing_key="k"),
]


@pytest.mark.parametrize("method", LAST_QUEUE, ids=lambda method: method.name)
def test_an_empty_queue_name_needs_a_queue_declared_before(c: Client, method: Basic.Get) -> None:
    c.ask(method, channel_error(404, "no previously declared queue", type(method)))


def test_passive_declare_of_the_empty_name_looks_for_a_queue_of_that_name(c: Client) -> None:
    c.ask(Queue.Declare(queue="", passive=True), no_queue(Queue.Declare, ""))


def test_an_empty_queue_name_means_the_queue_declared_last(c: Client, q: str, q2: str) -> None:
    c.queue(q2)
    c.queue(q)
    c.publish(q)
    c.ask(Basic.Get(queue=""), got(1))


def test_bind_without_queue_and_key_takes_the_queue_name_as_key(c: Client, q: str) -> None:
    c.queue(q)
    c.bind("", "amq.direct", "")
    c.publish(q, exchange="amq.direct", mandatory=True)
    c.ask(Basic.Get(queue=""), got(1, exchange="amq.direct"))


def test_bind_with_a_queue_but_without_a_key_leaves_the_key_empty(c: Client, q: str) -> None:
    c.queue(q)
    c.bind(q, "amq.direct", "")
    c.publish(q, exchange="amq.direct", mandatory=True)
    c.expect(returned(exchange="amq.direct"))
