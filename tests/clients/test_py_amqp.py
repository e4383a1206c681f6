"""py-amqp: the synchronous client under kombu and Celery. It reads the broker's error codes and some of its texts."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import amqp
import amqp.exceptions
import pytest

SECONDS = 30
Connect = Callable[..., amqp.Connection]


@pytest.fixture
def connect(amqp_url: str) -> Iterator[Connect]:
    parts = urlsplit(amqp_url)
    opened: list[amqp.Connection] = []

    def open_one(**options: Any) -> amqp.Connection:
        address = {
            "host": f"{parts.hostname}:{parts.port}",
            "userid": parts.username,
            "password": parts.password,
            "virtual_host": unquote(parts.path[1:]) or "/",
        }
        connection = amqp.Connection(**{**address, "connect_timeout": SECONDS, **options})
        opened.append(connection)
        connection.connect()
        return connection

    yield open_one
    for connection in opened:
        if connection.connected:
            connection.close()


@pytest.fixture
def connection(connect: Connect) -> amqp.Connection:
    return connect()


@pytest.fixture
def channel(connection: amqp.Connection) -> amqp.Channel:
    return connection.channel()


@pytest.fixture
def queue(channel: amqp.Channel) -> str:
    return channel.queue_declare(exclusive=True).queue


def drain(connection: amqp.Connection, got: list[Any], count: int) -> None:
    while len(got) < count:
        connection.drain_events(timeout=SECONDS)


def test_the_server_calls_itself_rabbitmq_and_offers_its_extensions(connection: amqp.Connection) -> None:
    assert connection.server_properties["product"] == "RabbitMQ"
    assert {"PLAIN", "AMQPLAIN"} <= {name.decode() for name in connection.mechanisms}
    for capability in ("publisher_confirms", "basic.nack", "consumer_cancel_notify", "connection.blocked",
                       "exchange_exchange_bindings", "consumer_priorities", "per_consumer_qos",
                       "authentication_failure_close", "direct_reply_to"):  # fmt: skip
        assert connection.server_capabilities[capability] is True, capability


@pytest.mark.parametrize("mechanism", ["PLAIN", "AMQPLAIN"])
def test_both_password_mechanisms_log_in(connect: Connect, mechanism: str) -> None:
    connect(login_method=mechanism).channel().queue_declare(exclusive=True)


@pytest.mark.parametrize("mechanism", ["PLAIN", "AMQPLAIN"])
def test_a_wrong_password_is_access_refused(connect: Connect, mechanism: str) -> None:
    with pytest.raises(amqp.exceptions.AccessRefused, match=f"using authentication mechanism {mechanism}"):
        connect(login_method=mechanism, password="wrong")


def test_an_idle_connection_gets_heartbeats(connect: Connect) -> None:
    connection = connect(heartbeat=1)
    assert connection.heartbeat == 1
    # Nothing is asked of the broker, so what arrives are heartbeats: bytes_recv counts frames.
    before = connection.bytes_recv
    while connection.bytes_recv < before + 3:
        connection.heartbeat_tick()
        with pytest.raises(socket.timeout):
            connection.drain_events(timeout=0.2)
    connection.channel().queue_declare(exclusive=True)


def test_publish_confirm_get_and_ack(connect: Connect) -> None:
    connection = connect(confirm_publish=True)
    channel = connection.channel()
    queue = channel.queue_declare(exclusive=True).queue
    sent = amqp.Message(
        "körper", content_type="text/plain", content_encoding="utf-8", delivery_mode=2, priority=1,
        application_headers={"n": 1, "deep": {"list": [1, "two", None, True, 1.5]}},
    )  # fmt: skip
    channel.basic_publish(sent, routing_key=queue)
    got = channel.basic_get(queue)
    assert got.body == "körper"
    assert got.headers == sent.headers
    assert got.properties["delivery_mode"] == 2
    assert got.delivery_info["redelivered"] is False
    channel.basic_ack(got.delivery_tag)
    assert channel.basic_get(queue) is None


def test_an_unroutable_mandatory_message_is_returned_then_confirmed(connect: Connect, name: str) -> None:
    channel = connect(confirm_publish=True).channel()
    returned: list[Any] = []
    channel.events["basic_return"].add(
        lambda error, exchange, key, message: returned.append((error.reply_code, exchange, key, message.body))
    )
    channel.basic_publish(amqp.Message("lost"), routing_key=name, mandatory=True)
    assert returned == [(312, "", name, "lost")]


def test_a_consumer_acks_and_rejects(connection: amqp.Connection, channel: amqp.Channel, queue: str) -> None:
    got: list[amqp.Message] = []
    channel.basic_qos(0, 1, False)
    tag = channel.basic_consume(queue, callback=got.append)
    channel.basic_publish(amqp.Message("m"), routing_key=queue)
    drain(connection, got, 1)
    channel.basic_reject(got[0].delivery_tag, requeue=True)
    drain(connection, got, 2)
    channel.basic_recover(requeue=True)
    drain(connection, got, 3)
    assert [message.delivery_info["redelivered"] for message in got] == [False, True, True]
    channel.basic_ack(got[2].delivery_tag)
    channel.basic_cancel(tag)
    assert channel.queue_delete(queue) == 0


def test_prefetch_of_the_whole_channel_is_shared_by_its_consumers(
    connection: amqp.Connection, channel: amqp.Channel, queue: str
) -> None:
    got: list[amqp.Message] = []
    channel.basic_qos(0, 2, True)
    for _ in range(2):
        channel.basic_consume(queue, callback=got.append)
    for number in range(4):
        channel.basic_publish(amqp.Message(str(number)), routing_key=queue)
    drain(connection, got, 2)
    channel.queue_declare(queue, passive=True)
    assert [message.body for message in got] == ["0", "1"]
    channel.basic_ack(got[1].delivery_tag, multiple=True)
    drain(connection, got, 4)
    assert [message.body for message in got] == ["0", "1", "2", "3"]


def test_deleting_the_queue_tells_the_consumer(connection: amqp.Connection, channel: amqp.Channel, queue: str) -> None:
    cancelled: list[str] = []
    tag = channel.basic_consume(queue, callback=pytest.fail, on_cancel=cancelled.append)
    connection.channel().queue_delete(queue)
    drain(connection, cancelled, 1)
    assert cancelled == [tag]


def test_a_transaction_commits_and_rolls_back(channel: amqp.Channel, queue: str) -> None:
    channel.tx_select()
    channel.basic_publish(amqp.Message("no"), routing_key=queue)
    channel.tx_rollback()
    channel.basic_publish(amqp.Message("yes"), routing_key=queue)
    channel.tx_commit()
    assert channel.basic_get(queue, no_ack=True).body == "yes"
    assert channel.basic_get(queue) is None


def test_a_body_of_5_megabytes(channel: amqp.Channel, queue: str) -> None:
    body = bytes(range(256)) * (5 * 1024 * 1024 // 256)
    channel.basic_publish(amqp.Message(body), routing_key=queue)
    assert channel.basic_get(queue, no_ack=True).body == body


def test_exchanges_are_bound_to_exchanges_and_queues(channel: amqp.Channel, queue: str, name: str) -> None:
    source, sink = f"{name}-source", f"{name}-sink"
    channel.exchange_declare(source, "topic", auto_delete=False)
    channel.exchange_declare(sink, "fanout", auto_delete=False)
    channel.exchange_bind(sink, source, "#.error")
    channel.queue_bind(queue, sink)
    for key in ("a.b.error", "a.b.info", "error"):
        channel.basic_publish(amqp.Message(key), exchange=source, routing_key=key)
    channel.exchange_unbind(sink, source, "#.error")
    channel.queue_unbind(queue, sink)
    assert [channel.basic_get(queue, no_ack=True).body for _ in range(2)] == ["a.b.error", "error"]
    assert channel.basic_get(queue) is None
    channel.exchange_delete(sink)
    channel.exchange_delete(source)


def mistake(operation: str) -> Callable[[amqp.Channel, str], Any]:
    """A wrong use of a channel; where no answer is due, a request follows so that the broker's close is read."""

    def publish(channel: amqp.Channel, name: str, **options: Any) -> None:
        channel.basic_publish(amqp.Message("m"), **options)
        channel.queue_declare(name, exclusive=True)

    def settle(channel: amqp.Channel, name: str) -> None:
        channel.basic_ack(77)
        channel.queue_declare(name, exclusive=True)

    def redeclare(channel: amqp.Channel, name: str) -> None:
        channel.exchange_declare("amq.topic", "fanout", durable=True, auto_delete=False)

    return {
        "missing exchange": lambda channel, name: publish(channel, name, exchange=name),
        "missing queue": lambda channel, name: channel.queue_declare(name, passive=True),
        "immediate": lambda channel, name: publish(channel, name, routing_key="x", immediate=True),
        "unknown tag": settle,
        "other type": redeclare,
        "reserved name": lambda channel, name: channel.queue_declare(f"amq.{name}"),
        "prefetch size": lambda channel, _: channel.basic_qos(1, 0, False),
        "foreign user": lambda channel, name: (
            channel.basic_publish(amqp.Message("m", user_id="somebody"), routing_key=name),
            channel.queue_declare(name, exclusive=True),
        ),
    }[operation]


@pytest.mark.parametrize(
    ("operation", "error", "text"),
    [
        ("missing exchange", amqp.exceptions.NotFound, "NOT_FOUND - no exchange '{name}' in vhost '"),
        ("missing queue", amqp.exceptions.NotFound, "NOT_FOUND - no queue '{name}' in vhost '"),
        ("immediate", amqp.exceptions.AMQPNotImplementedError, "NOT_IMPLEMENTED - immediate=true"),
        ("unknown tag", amqp.exceptions.PreconditionFailed, "PRECONDITION_FAILED - unknown delivery tag 77"),
        ("other type", amqp.exceptions.PreconditionFailed, "inequivalent arg 'type' for exchange 'amq.topic' in"),
        ("reserved name", amqp.exceptions.AccessRefused, "contains reserved prefix 'amq.*'"),
        ("prefetch size", amqp.exceptions.AMQPNotImplementedError, "NOT_IMPLEMENTED - prefetch_size!=0 (1)"),
        (
            "foreign user",
            amqp.exceptions.PreconditionFailed,
            "user_id property set to 'somebody' but authenticated user was 'guest'",
        ),
    ],
)
def test_each_mistake_raises_its_error_with_rabbitmqs_text(
    channel: amqp.Channel, name: str, operation: str, error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        mistake(operation)(channel, name)
    assert text.format(name=name) in caught.value.reply_text
