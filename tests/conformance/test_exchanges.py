"""exchange.declare and exchange.delete: what counts as the same exchange, and which names are taken."""

from __future__ import annotations

from typing import Any

import pytest
from pamqp.commands import Basic, Exchange, Queue
from tests.conformance.answers import channel_error, no_exchange
from tests.conformance.wire import EXCHANGE_DECLARED, Client

NOT_THE_DEFAULT = "operation not permitted on the default exchange"


def inequivalent(argument: str, received: str, current: str) -> str:
    text = f"inequivalent arg '{argument}' for exchange 'x' in vhost '/': received {received} but current is {current}"
    return channel_error(406, text, Exchange.Declare)


def test_declaring_an_exchange_again_is_ok(c: Client, x: str) -> None:
    c.exchange(x)
    c.exchange(x)


def test_an_argument_without_a_meaning_does_not_make_an_exchange_another(c: Client, x: str) -> None:
    c.exchange(x)
    c.exchange(x, **{"some-argument": 1})


def test_passive_declare_compares_nothing(c: Client, x: str) -> None:
    c.exchange(x)
    method = Exchange.Declare(exchange=x, exchange_type="fanout", passive=True, durable=True, internal=True)
    c.ask(method, EXCHANGE_DECLARED)


def test_an_exchange_keeps_its_type(c: Client, x: str) -> None:
    c.exchange(x)
    c.ask(Exchange.Declare(exchange=x, exchange_type="fanout"), inequivalent("type", "'fanout'", "'direct'"))


@pytest.mark.parametrize("property_", ["durable", "auto_delete", "internal"])
def test_an_exchange_keeps_its_properties(c: Client, x: str, property_: str) -> None:
    c.exchange(x)
    options: Any = {property_: True}
    c.ask(Exchange.Declare(exchange=x, **options), inequivalent(property_, "'true'", "'false'"))


def test_the_type_is_compared_first(c: Client, x: str) -> None:
    c.exchange(x)
    method = Exchange.Declare(exchange=x, exchange_type="fanout", durable=True, auto_delete=True, internal=True)
    c.ask(method, inequivalent("type", "'fanout'", "'direct'"))


def test_an_exchange_keeps_its_lack_of_an_alternate(c: Client, x: str) -> None:
    c.exchange(x)
    c.ask(
        Exchange.Declare(exchange=x, arguments={"alternate-exchange": "amq.fanout"}),
        inequivalent("alternate-exchange", "the value 'amq.fanout' of type 'longstr'", "none"),
    )


def test_an_exchange_keeps_its_alternate(c: Client, x: str) -> None:
    c.exchange(x, **{"alternate-exchange": "a"})
    c.exchange(x, **{"alternate-exchange": "a"})
    c.ask(
        Exchange.Declare(exchange=x, arguments={"alternate-exchange": "b"}),
        inequivalent("alternate-exchange", "'b'", "'a'"),
    )


def test_an_alternate_cannot_be_left_out_later(c: Client, x: str) -> None:
    c.exchange(x, **{"alternate-exchange": "a"})
    c.ask(
        Exchange.Declare(exchange=x),
        inequivalent("alternate-exchange", "none", "the value 'a' of type 'longstr'"),
    )


def test_an_alternate_must_be_a_string(c: Client, x: str) -> None:
    c.ask(
        Exchange.Declare(exchange=x, arguments={"alternate-exchange": 1}),
        channel_error(
            406, "invalid type 'byte' for arg 'alternate-exchange' in exchange 'x' in vhost '/'", Exchange.Declare
        ),
    )


def test_an_unknown_exchange_type_closes_the_channel(c: Client, x: str) -> None:
    c.send(Exchange.Declare(exchange=x, exchange_type="nonsense"))
    c.expect_differing(channel_error(406, "unknown exchange type 'nonsense'", Exchange.Declare))


def test_a_client_cannot_create_an_exchange_with_a_reserved_name(c: Client) -> None:
    c.ask(
        Exchange.Declare(exchange="amq.new"),
        channel_error(403, "exchange name 'amq.new' contains reserved prefix 'amq.*'", Exchange.Declare),
    )


PREDECLARED = [
    ("amq.direct", "direct", False),
    ("amq.fanout", "fanout", False),
    ("amq.topic", "topic", False),
    ("amq.headers", "headers", False),
    ("amq.match", "headers", False),
    ("amq.rabbitmq.trace", "topic", True),
]


@pytest.mark.parametrize(("exchange", "kind", "internal"), PREDECLARED)
def test_a_predeclared_exchange_may_be_declared_as_it_is(c: Client, exchange: str, kind: str, internal: bool) -> None:
    method = Exchange.Declare(exchange=exchange, exchange_type=kind, durable=True, internal=internal)
    c.send(method)
    c.expect(EXCHANGE_DECLARED)


def test_a_predeclared_exchange_is_compared_like_any_other(c: Client) -> None:
    c.send(Exchange.Declare(exchange="amq.direct"))
    c.expect(
        channel_error(
            406,
            "inequivalent arg 'durable' for exchange 'amq.direct' in vhost '/': received 'false' but current is 'true'",
            Exchange.Declare,
        )
    )


def test_passive_declare_of_an_unknown_reserved_name_is_just_not_found(c: Client) -> None:
    c.ask(Exchange.Declare(exchange="amq.new", passive=True), no_exchange(Exchange.Declare, "amq.new"))


@pytest.mark.parametrize("exchange", ["amq.direct", "amq.new"])
def test_an_exchange_with_a_reserved_name_cannot_be_deleted_even_if_unknown(c: Client, exchange: str) -> None:
    text = f"deletion of system exchange '{exchange}' in vhost '/' not allowed"
    c.ask(Exchange.Delete(exchange=exchange), channel_error(403, text, Exchange.Delete))


DEFAULT_EXCHANGE = [
    Exchange.Declare(exchange="", passive=True),
    Exchange.Delete(exchange=""),
    Exchange.Bind(destination="amq.direct", source="", routing_key="k"),
    Exchange.Bind(destination="", source="amq.direct", routing_key="k"),
    Exchange.Unbind(destination="", source="amq.direct", routing_key="k"),
    Queue.Bind(queue="unknown", exchange="", routing_key="k"),
]


@pytest.mark.parametrize("method", DEFAULT_EXCHANGE, ids=lambda method: method.name)
def test_the_default_exchange_is_not_to_be_touched(c: Client, method: Exchange.Bind) -> None:
    c.ask(method, channel_error(403, NOT_THE_DEFAULT, type(method)))


def test_the_default_exchange_cannot_be_declared(c: Client) -> None:
    c.send(Exchange.Declare(exchange=""))
    c.expect(channel_error(403, NOT_THE_DEFAULT, Exchange.Declare))


@pytest.mark.parametrize("method", [Queue.Bind, Queue.Unbind])
def test_a_queue_cannot_be_bound_to_the_default_exchange(c: Client, q: str, method: type[Queue.Bind]) -> None:
    c.queue(q)
    c.ask(method(queue=q, exchange="", routing_key="k"), channel_error(403, NOT_THE_DEFAULT, method))


def test_a_client_cannot_publish_to_an_internal_exchange(c: Client, x: str) -> None:
    c.ask(Exchange.Declare(exchange=x, internal=True), EXCHANGE_DECLARED)
    c.publish("k", exchange=x)
    c.expect(channel_error(403, "cannot publish to internal exchange 'x' in vhost '/'", Basic.Publish))


def test_delete_if_unused_spares_an_exchange_with_bindings(c: Client, q: str, x: str) -> None:
    c.exchange(x)
    c.queue(q)
    c.bind(q, x, "k")
    c.ask(
        Exchange.Delete(exchange=x, if_unused=True),
        channel_error(406, "exchange 'x' in vhost '/' in use", Exchange.Delete),
    )


def test_an_exchange_that_is_only_bound_to_others_is_unused(c: Client, x: str) -> None:
    c.exchange(x)
    c.bind_exchange(x, "amq.direct", x)
    c.ask(Exchange.Delete(exchange=x, if_unused=True), "1 Exchange.DeleteOk()")


def test_an_exchange_goes_with_its_bindings(c: Client, q: str, x: str) -> None:
    c.exchange(x)
    c.queue(q)
    c.bind(q, x, "k")
    c.ask(Exchange.Delete(exchange=x), "1 Exchange.DeleteOk()")
    c.exchange(x)
    c.publish("k", exchange=x)
    assert c.bodies(q) == []


def test_line_breaks_are_taken_out_of_names(c: Client, x: str) -> None:
    c.send(Exchange.Declare(exchange=f"\r\n{x}\n"))
    c.expect(EXCHANGE_DECLARED)
    c.ask(Exchange.Declare(exchange=x, passive=True), EXCHANGE_DECLARED)
    c.ask(Exchange.Delete(exchange=x), "1 Exchange.DeleteOk()")


def test_nowait_is_not_answered(c: Client, x: str) -> None:
    c.send(
        Exchange.Declare(exchange=x, nowait=True),
        Exchange.Bind(destination=x, source="amq.direct", routing_key=x, nowait=True),
        Exchange.Unbind(destination=x, source="amq.direct", routing_key=x, nowait=True),
        Exchange.Delete(exchange=x, nowait=True),
        Exchange.Declare(exchange=x, passive=True),
    )
    c.expect(no_exchange(Exchange.Declare))
