"""What is looked at first where several things are wrong with one method."""

from __future__ import annotations

from pamqp.commands import Basic, Exchange, Queue
from tests.conformance.answers import BOUND, UNBOUND, channel_error, declared, locked, no_exchange
from tests.conformance.conftest import Connect
from tests.conformance.typed_fields import method_frame
from tests.conformance.wire import EXCHANGE_DECLARED, Client


def test_whose_a_queue_is_comes_before_its_properties(c: Client, q: str) -> None:
    c.queue(q)
    other = Queue.Declare(queue=q, durable=True, auto_delete=True, arguments={})
    c.ask(method_frame(1, other), locked(Queue.Declare))


def test_the_arguments_of_a_binding_come_before_whose_the_queue_is(c: Client, connect: Connect, q: str) -> None:
    c.queue(q)
    wrong = 'Invalid x-match field value <<"none">>; expected all, any, all-with-x, or any-with-x'
    bind = Queue.Bind(queue=q, exchange="amq.headers", arguments={"x-match": "none"})
    connect().login().open_channel().ask(bind, channel_error(406, wrong, Queue.Bind))


def test_a_binding_of_another_connections_exclusive_queue_stays(c: Client, connect: Connect, q: str) -> None:
    c.queue(q)
    c.bind(q, "amq.direct", q)
    stranger = connect().login().open_channel()
    stranger.ask(Queue.Unbind(queue=q, exchange="amq.direct", routing_key="other"), UNBOUND)
    stranger.ask(Queue.Unbind(queue=q, exchange="amq.direct", routing_key=q), locked(Queue.Unbind))
    c.publish(q, exchange="amq.direct")
    assert c.bodies(q) == [b"m"]


def test_a_missing_exchange_comes_before_a_queue_that_cannot_be_bound(c: Client, x: str) -> None:
    c.ask(Queue.Bind(queue="amq.rabbitmq.reply-to", exchange=x), no_exchange(Queue.Bind))


def test_a_reply_address_comes_before_an_expiration(c: Client, q: str) -> None:
    c.publish(q, reply_to="amq.rabbitmq.reply-to", expiration="never")
    c.expect(channel_error(406, "fast reply consumer does not exist", Basic.Publish))


def test_an_expiration_comes_before_a_delivery_mode(c: Client, q: str) -> None:
    c.publish(q, delivery_mode=7, expiration="never")
    c.expect(channel_error(406, "invalid expiration 'never': no_integer", Basic.Publish))


def test_further_routing_keys_come_before_a_delivery_mode(c: Client, q: str) -> None:
    c.publish(q, delivery_mode=7, headers={"CC": True})
    c.expect(channel_error(406, 'invalid message: {unacceptable_type_in_header,"CC",bool}', Basic.Publish))


def test_line_breaks_are_taken_out_of_both_ends_of_a_binding(c: Client, q: str, x: str, y: str) -> None:
    c.queue(q)
    c.exchange(x)
    c.ask(Exchange.Declare(exchange=y, exchange_type="fanout"), EXCHANGE_DECLARED)
    c.ask(Queue.Bind(queue=q + "\r\n", exchange=x + "\n", routing_key="k"), BOUND)
    c.bind_exchange(x + "\r\n", y + "\n")
    c.publish("k", exchange=y)
    c.ask(Queue.Unbind(queue=q + "\n", exchange=x + "\n", routing_key="k"), UNBOUND)
    c.publish("k", exchange=y)
    c.ask(Queue.Declare(queue=q, passive=True), declared(messages=1))


def test_a_second_reply_consumer_comes_before_its_tag(c: Client) -> None:
    c.consume("amq.rabbitmq.reply-to", no_ack=True)
    again = Basic.Consume(queue="amq.rabbitmq.reply-to", consumer_tag="c", no_ack=True)
    c.ask(again, channel_error(406, "reply consumer already set", Basic.Consume))


def test_acknowledgements_come_before_a_second_reply_consumer(c: Client) -> None:
    c.consume("amq.rabbitmq.reply-to", no_ack=True)
    again = Basic.Consume(queue="amq.rabbitmq.reply-to", consumer_tag="d")
    c.ask(again, channel_error(406, "reply consumer cannot acknowledge", Basic.Consume))


def test_a_queue_that_was_never_declared_comes_before_a_tag_in_use(c: Client) -> None:
    c.consume("amq.rabbitmq.reply-to", no_ack=True)
    no_name = Basic.Consume(queue="", consumer_tag="c", no_ack=True)
    c.ask(no_name, channel_error(404, "no previously declared queue", Basic.Consume))
