"""amq.rabbitmq.reply-to: answers without a reply queue."""

from __future__ import annotations

import re

import pytest
from pamqp.commands import Basic, Channel, Confirm, Queue
from tests.conformance.answers import UNBOUND, channel_error, confirmed, declared, delivered, got, no_queue, returned
from tests.conformance.conftest import Connect
from tests.conformance.wire import Client

REPLY_TO = "amq.rabbitmq.reply-to"
CONSUME = Basic.Consume(queue=REPLY_TO, consumer_tag="c", no_ack=True)
CONSUMING = "1 Basic.ConsumeOk(consumer_tag='c')"


@pytest.fixture
def server(connect: Connect) -> Client:
    return connect().login().open_channel()


def request(c: Client, server: Client, q: str) -> str:
    """Send a request from `c` to `server`; the address to answer to."""
    server.queue(q)
    c.ask(CONSUME, CONSUMING)
    c.publish(q, b"request", reply_to=REPLY_TO)
    c.expect_nothing()
    server.send(Basic.Get(queue=q, no_ack=True))
    _, method, head, payload = server.method()
    assert isinstance(method, Basic.GetOk)
    assert payload == b"request"
    return str(head.properties.reply_to)


def test_a_server_answers_to_the_address_in_the_request(c: Client, server: Client, q: str) -> None:
    address = request(c, server, q)
    assert re.fullmatch(re.escape(REPLY_TO) + r"\.\S+", address)
    server.publish(address, b"answer", correlation_id="7")
    c.expect(delivered(1, b"answer", key=address, correlation_id="7"))
    server.publish(address, b"another")
    c.expect(
        f"1 Basic.Deliver(consumer_tag='c', delivery_tag=..., exchange='', routing_key={address!r}) {{}} b'another'"
    )


def test_an_answer_that_reaches_its_client_is_not_returned(c: Client, server: Client, q: str) -> None:
    address = request(c, server, q)
    server.ask(Confirm.Select(), "1 Confirm.SelectOk()")
    server.publish(address, b"answer", mandatory=True)
    c.expect(delivered(1, b"answer", key=address))
    server.expect_differing(confirmed(1))


def test_a_server_may_ask_whether_its_client_is_still_there(c: Client, server: Client, q: str) -> None:
    address = request(c, server, q)
    server.ask(Queue.Declare(queue=address, passive=True), declared(address, consumers=1))
    c.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")
    server.ask(Queue.Declare(queue=address, passive=True), no_queue(Queue.Declare, address))


def test_an_answer_to_a_client_that_has_gone_is_dropped(c: Client, server: Client, q: str) -> None:
    address = request(c, server, q)
    c.ask(Channel.Close(200, "", 0, 0), "1 Channel.CloseOk()")
    server.publish(address, b"answer")
    server.expect_nothing()


def test_an_answer_goes_through_the_default_exchange_only(c: Client, server: Client, q: str) -> None:
    address = request(c, server, q)
    server.publish(address, b"answer", exchange="amq.direct", mandatory=True)
    server.expect(returned(b"answer", exchange="amq.direct", key=address))


def test_a_made_up_address_does_not_exist(c: Client) -> None:
    address = f"{REPLY_TO}.nonsense"
    c.publish(address)
    c.ask(Queue.Declare(queue=address, passive=True), no_queue(Queue.Declare, address))


def test_an_address_is_not_a_queue_to_consume_from(c: Client, server: Client, q: str) -> None:
    address = request(c, server, q)
    server.ask(Basic.Consume(queue=address, no_ack=True), no_queue(Basic.Consume, address))


def test_replies_are_not_acknowledged(c: Client) -> None:
    c.ask(Basic.Consume(queue=REPLY_TO), channel_error(406, "reply consumer cannot acknowledge", Basic.Consume))


def test_a_channel_has_one_reply_consumer(c: Client) -> None:
    c.ask(CONSUME, CONSUMING)
    c.ask(
        Basic.Consume(queue=REPLY_TO, consumer_tag="d", no_ack=True),
        channel_error(406, "reply consumer already set", Basic.Consume),
    )


def test_a_reply_consumer_may_be_replaced_after_cancel(c: Client) -> None:
    c.ask(CONSUME, CONSUMING)
    c.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")
    c.ask(CONSUME, CONSUMING)


def test_each_channel_may_have_a_reply_consumer(c: Client) -> None:
    c.open_channel(2)
    c.ask(CONSUME, CONSUMING)
    c.send(CONSUME, channel=2)
    c.expect("2 Basic.ConsumeOk(consumer_tag='c')")


def test_the_broker_names_a_reply_consumer_without_a_tag(c: Client) -> None:
    c.ask(Basic.Consume(queue=REPLY_TO, no_ack=True), "1 Basic.ConsumeOk(consumer_tag='amq.ctag-*')")


def test_a_request_needs_a_reply_consumer(c: Client, q: str) -> None:
    c.publish(q, reply_to=REPLY_TO)
    c.expect(channel_error(406, "fast reply consumer does not exist", Basic.Publish))


def test_any_other_reply_address_is_left_alone(c: Client, q: str) -> None:
    c.queue(q)
    c.publish(q, reply_to="elsewhere")
    c.ask(Basic.Get(queue=q), got(1, reply_to="elsewhere"))


def test_the_reply_queue_seems_to_exist(c: Client) -> None:
    c.ask(Queue.Declare(queue=REPLY_TO, passive=True), declared(REPLY_TO, consumers=1))
    c.ask(Queue.Declare(queue=REPLY_TO), declared(REPLY_TO, consumers=1))
    c.ask(Queue.Delete(queue=REPLY_TO), "1 Queue.DeleteOk(message_count=0)")
    c.ask(Queue.Unbind(queue=REPLY_TO, exchange="amq.direct", routing_key="k"), UNBOUND)


@pytest.mark.parametrize("method", [Queue.Purge, Basic.Get])
def test_the_reply_queue_holds_nothing(c: Client, method: type[Basic.Get]) -> None:
    c.ask(method(queue=REPLY_TO), no_queue(method, REPLY_TO))
