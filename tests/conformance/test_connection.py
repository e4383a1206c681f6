"""Channels of an open connection, methods out of place, and how connections end."""

from __future__ import annotations

import pytest
from pamqp.commands import Basic, Channel, Confirm, Connection, Queue
from tests.conformance.answers import connection_error, declared, no_queue
from tests.conformance.conftest import Connect
from tests.conformance.frames import BODY, HEARTBEAT, on, raw_frame, raw_header
from tests.conformance.wire import CLOSED, Client

CLOSE_CHANNEL = Channel.Close(200, "", 0, 0)
CLOSE = Connection.Close(200, "", 0, 0)


def test_a_channel_is_opened_once(c: Client) -> None:
    c.ask(Channel.Open(), connection_error(504, "second 'channel.open' seen", Channel.Open))


@pytest.mark.parametrize("method", [Basic.Qos(), CLOSE_CHANNEL, Channel.CloseOk()], ids=lambda method: method.name)
def test_a_channel_is_opened_first(c: Client, method: Basic.Qos) -> None:
    c.send(method, channel=7)
    c.expect(connection_error(504, "expected 'channel.open'", type(method)))


def test_channel_numbers_need_no_order(c: Client) -> None:
    for number in (2047, 3, 500):
        c.open_channel(number)


def test_there_may_be_as_many_channels_as_negotiated(connect: Connect) -> None:
    client = connect().login(channel_max=3)
    for number in (1, 2, 9):
        client.open_channel(number)
    client.send(Channel.Open(), channel=3)
    text = "number of channels opened (3) has reached the negotiated channel_max (3)"
    client.expect(connection_error(530, text))


def test_2047_channels_are_no_trouble(connect: Connect) -> None:
    client = connect().login()
    numbers = range(1, 2048)
    client.send(*(on(number, Channel.Open()) for number in numbers))
    assert {client.line() for _ in numbers} == {f"{number} Channel.OpenOk()" for number in numbers}


def test_a_closed_channel_may_be_opened_again(c: Client) -> None:
    c.ask(CLOSE_CHANNEL, "1 Channel.CloseOk()")
    c.open_channel()


def test_flow_may_be_switched_on_only(c: Client) -> None:
    c.ask(Channel.Flow(active=True), "1 Channel.FlowOk(active=True)")
    c.ask(Channel.Flow(active=False), connection_error(540, "active=false", Channel.Flow))


# -- a channel that the broker has closed ------------------------------------------------------------------


@pytest.fixture
def closed_channel(c: Client, q: str) -> Client:
    """A connection whose channel 1 the broker has just closed."""
    c.open_channel(2)
    c.ask(Basic.Get(queue=q), no_queue(Basic.Get))
    return c


def test_a_closed_channel_ignores_everything_until_the_close_is_confirmed(closed_channel: Client, q: str) -> None:
    c = closed_channel
    c.send(Queue.Declare(queue=q, exclusive=True), Basic.Consume(queue=q), Confirm.Select())
    c.publish(q, mandatory=True)
    c.send(Channel.CloseOk(), Channel.Open(), Queue.Declare(queue=q, passive=True))
    c.expect("1 Channel.OpenOk()", no_queue(Queue.Declare))


def test_closes_may_cross(closed_channel: Client, q: str) -> None:
    closed_channel.ask(CLOSE_CHANNEL, "1 Channel.CloseOk()")
    closed_channel.send(Channel.CloseOk())
    closed_channel.open_channel()
    closed_channel.queue(q)


def test_a_closed_channel_cannot_be_opened_before_the_close_is_confirmed(closed_channel: Client) -> None:
    closed_channel.ask(Channel.Open(), connection_error(504, "second 'channel.open' seen", Channel.Open))


def test_an_error_leaves_the_other_channels_alone(closed_channel: Client, q: str) -> None:
    closed_channel.send(Queue.Declare(queue=q, exclusive=True), channel=2)
    closed_channel.expect("2 Queue.DeclareOk(queue='q', message_count=0, consumer_count=0)")


# -- methods out of place ----------------------------------------------------------------------------------


RUNNING = [
    Channel.Open(),
    Queue.Declare(queue="q", exclusive=True),
    Connection.Open("/"),
    Connection.StartOk({}, "PLAIN", "\0guest\0guest", "en_US"),
    Connection.TuneOk(0, 0, 0),
    Connection.Start(),
]


@pytest.mark.parametrize("method", RUNNING, ids=lambda method: method.name)
def test_channel_0_is_for_the_connection_as_it_is(c: Client, method: Channel.Open) -> None:
    c.send(method, channel=0)
    c.expect(connection_error(504, "unexpected method in connection state running", type(method)))


@pytest.mark.parametrize("method", [CLOSE, Connection.Open("/")], ids=lambda method: method.name)
def test_a_method_of_the_connection_has_no_place_on_a_channel(c: Client, method: Connection.Close) -> None:
    c.ask(method, connection_error(503, "unimplemented method", type(method)))


BROKERS_METHODS = [
    Queue.DeclareOk("q", 0, 0),
    Channel.OpenOk(),
    Channel.FlowOk(True),
    Basic.CancelOk("c"),
    Basic.QosOk(),
]


@pytest.mark.parametrize("method", BROKERS_METHODS, ids=lambda method: method.name)
def test_a_client_does_not_answer_in_the_brokers_place(c: Client, method: Basic.QosOk) -> None:
    c.ask(method, connection_error(503, "unimplemented method", type(method)))


def test_a_heartbeat_belongs_to_channel_0(c: Client) -> None:
    c.ask(raw_frame(HEARTBEAT, 1, b""), connection_error(505, "type 8, all octets = <<>>"))


def test_content_belongs_to_a_channel(c: Client) -> None:
    c.ask(raw_header(1, 0), connection_error(505, "type 2, all octets = <<...>>"))


def test_a_body_belongs_to_a_channel(c: Client) -> None:
    c.ask(raw_frame(BODY, 0, b"x"), connection_error(505, 'type 3, all octets = <<"x">>'))


# -- endings -----------------------------------------------------------------------------------------------


def test_close_is_confirmed(c: Client) -> None:
    c.send(CLOSE, channel=0)
    c.expect("0 Connection.CloseOk()")


def test_a_connection_closed_by_the_broker_ends_when_the_client_confirms(c: Client) -> None:
    c.ask(Channel.Open(), connection_error(504, "second 'channel.open' seen", Channel.Open))
    c.send(Connection.CloseOk(), channel=0)
    c.expect(CLOSED)


def test_a_connection_closed_by_the_broker_ignores_everything_else(c: Client, connect: Connect, q: str) -> None:
    c.ask(Channel.Open(), connection_error(504, "second 'channel.open' seen", Channel.Open))
    c.send(Queue.Declare(queue=q), on(1, Basic.Qos()), on(2, Channel.Open()), on(0, Connection.Open("/")))
    c.send(Connection.CloseOk(), channel=0)
    c.expect(CLOSED)
    connect().login().open_channel().ask(Queue.Declare(queue=q, passive=True), no_queue(Queue.Declare))


def test_closes_of_the_connection_may_cross(c: Client) -> None:
    c.ask(Channel.Open(), connection_error(504, "second 'channel.open' seen", Channel.Open))
    c.send(CLOSE, channel=0)
    c.expect("0 Connection.CloseOk()")


def test_a_connection_error_returns_unacknowledged_messages(c: Client, connect: Connect, q: str) -> None:
    other = connect().login().open_channel()
    other.ask(Queue.Declare(queue=q), declared())
    other.publish(q)
    other.expect_nothing(q)
    c.ask(Basic.Get(queue=q), "1 Basic.GetOk(...) {} b'm'")
    c.ask(Channel.Open(), connection_error(504, "second 'channel.open' seen", Channel.Open))
    c.send(Connection.CloseOk(), channel=0)
    c.expect(CLOSED)
    other.consume(q, no_ack=True)
    other.expect("1 Basic.Deliver(consumer_tag='c', delivery_tag=1, redelivered=True, ...) {} b'm'")


def test_a_lost_connection_returns_unacknowledged_messages(c: Client, connect: Connect, q: str) -> None:
    other = connect().login().open_channel()
    other.ask(Queue.Declare(queue=q), declared())
    other.publish(q)
    other.expect_nothing(q)
    c.ask(Basic.Get(queue=q), "1 Basic.GetOk(...) {} b'm'")
    other.consume(q, no_ack=True)
    c.lose()
    other.expect("1 Basic.Deliver(consumer_tag='c', delivery_tag=1, redelivered=True, ...) {} b'm'")


def test_heartbeats_come_twice_an_interval_and_are_expected_back(connect: Connect) -> None:
    client = connect().login(heartbeat=1)
    lines = []
    while (line := client.line()) != CLOSED:
        lines.append(line)
    assert lines
    assert set(lines) == {"0 heartbeat"}


def test_any_update_of_the_secret_is_answered(c: Client) -> None:
    c.send(Connection.UpdateSecret(c.password, "rotation"), channel=0)
    c.expect("0 Connection.UpdateSecretOk()")
