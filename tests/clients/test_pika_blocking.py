"""pika's BlockingConnection: the client most programs start with, over every method it offers.

A test owns one connection with one channel and one exclusive queue. Deliveries are waited for by letting pika process
its socket until the expected number has come, or the deadline has passed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pika
import pika.exceptions
import pytest
from pika.adapters.blocking_connection import BlockingChannel

SECONDS = 20
Connect = Callable[..., pika.BlockingConnection]
Receive = Callable[[list[Any], int], None]
Wait = Callable[..., Any]


@pytest.fixture
def connection(connect: Connect) -> pika.BlockingConnection:
    return connect()


@pytest.fixture
def channel(connection: pika.BlockingConnection) -> BlockingChannel:
    return connection.channel()


@pytest.fixture
def queue(channel: BlockingChannel) -> str:
    return channel.queue_declare("", exclusive=True).method.queue


@pytest.fixture
def receive(connection: pika.BlockingConnection, wait_until: Wait) -> Receive:
    """Process the connection until the list, which a callback fills, holds that many."""

    def run(got: list[Any], count: int) -> None:
        def enough() -> bool:
            if len(got) < count:
                connection.process_data_events(time_limit=1)
            return len(got) >= count

        wait_until(enough, f"{count} deliveries")

    return run


def bodies(channel: BlockingChannel, queue: str) -> list[bytes]:
    """Everything ready in the queue, taken with basic.get."""
    found = []
    while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
        found.append(got[2])
    return found


def test_every_property_comes_back_as_it_was_sent(channel: BlockingChannel, queue: str) -> None:
    sent = pika.BasicProperties(
        content_type="text/plain",
        content_encoding="utf-8",
        headers={"number": 1, "text": "é", "yes": True, "none": None, "list": [1, "a"], "table": {"deep": -(2**40)}},
        delivery_mode=pika.DeliveryMode.Persistent.value,
        priority=3,
        correlation_id="correlation",
        reply_to="somewhere",
        expiration="60000",
        message_id="id",
        timestamp=1_700_000_000,
        type="kind",
        user_id="guest",
        app_id="app",
        cluster_id="cluster",
    )
    channel.basic_publish("", queue, b"", sent)
    _, received, body = channel.basic_get(queue, auto_ack=True)
    assert body == b""
    assert received == sent


def test_a_confirmed_publish_returns_and_is_in_the_queue(channel: BlockingChannel, queue: str) -> None:
    channel.confirm_delivery()
    for number in range(10):
        channel.basic_publish("", queue, b"%d" % number, mandatory=True)
    assert channel.queue_declare(queue, passive=True).method.message_count == 10
    assert bodies(channel, queue) == [b"%d" % number for number in range(10)]


def test_an_unroutable_mandatory_message_comes_back_before_its_confirm(channel: BlockingChannel, name: str) -> None:
    channel.confirm_delivery()
    with pytest.raises(pika.exceptions.UnroutableError) as caught:
        channel.basic_publish("", name, b"nobody wants me", pika.BasicProperties(message_id="7"), mandatory=True)
    (returned,) = caught.value.messages
    assert (returned.method.reply_code, returned.method.reply_text) == (312, "NO_ROUTE")
    assert (returned.method.exchange, returned.method.routing_key) == ("", name)
    assert (returned.properties.message_id, returned.body) == ("7", b"nobody wants me")


def test_without_confirms_a_return_reaches_the_callback(channel: BlockingChannel, name: str, receive: Receive) -> None:
    returned: list[bytes] = []
    channel.add_on_return_callback(lambda _channel, _method, _properties, body: returned.append(body))
    channel.basic_publish("", name, b"lost", mandatory=True)
    channel.basic_publish("", name, b"silently dropped")
    channel.basic_publish("", name, b"lost too", mandatory=True)
    receive(returned, 2)
    assert returned == [b"lost", b"lost too"]


def test_consumer_acks_empty_the_queue(channel: BlockingChannel, queue: str, receive: Receive) -> None:
    got: list[tuple[int, bytes]] = []

    def on_message(inner: BlockingChannel, method: Any, _: Any, body: bytes) -> None:
        got.append((method.delivery_tag, body))
        inner.basic_ack(method.delivery_tag)

    tag = channel.basic_consume(queue, on_message)
    for body in (b"a", b"b", b"c"):
        channel.basic_publish("", queue, body)
    receive(got, 3)
    assert got == [(1, b"a"), (2, b"b"), (3, b"c")]
    channel.basic_cancel(tag)
    assert bodies(channel, queue) == []


def test_rejected_and_nacked_messages_come_again_marked_redelivered_or_go(channel: BlockingChannel, queue: str) -> None:
    def take() -> tuple[int, bool, bytes]:
        method, _, body = channel.basic_get(queue)
        return method.delivery_tag, method.redelivered, body

    channel.basic_publish("", queue, b"again")
    tag, redelivered, _ = take()
    assert not redelivered
    channel.basic_reject(tag, requeue=True)
    tag, redelivered, body = take()
    assert (redelivered, body) == (True, b"again")
    channel.basic_nack(tag, requeue=True)
    channel.basic_nack(take()[0], requeue=False)
    channel.basic_publish("", queue, b"refused")
    channel.basic_reject(take()[0], requeue=False)
    assert channel.basic_get(queue) == (None, None, None)


def test_one_nack_with_multiple_requeues_all_in_their_order(channel: BlockingChannel, queue: str) -> None:
    for number in range(4):
        channel.basic_publish("", queue, b"%d" % number)
    tags = [channel.basic_get(queue)[0].delivery_tag for _ in range(4)]
    channel.basic_nack(tags[2], multiple=True, requeue=True)
    channel.basic_ack(tags[3])
    assert bodies(channel, queue) == [b"0", b"1", b"2"]


def test_recover_brings_back_what_was_not_acked(channel: BlockingChannel, queue: str, receive: Receive) -> None:
    got: list[tuple[bytes, bool]] = []
    channel.basic_consume(queue, lambda _c, method, _p, body: got.append((body, method.redelivered)))
    channel.basic_publish("", queue, b"x")
    receive(got, 1)
    channel.basic_recover(requeue=True)
    receive(got, 2)
    assert got == [(b"x", False), (b"x", True)]


def test_prefetch_holds_the_next_message_back_until_an_ack(
    channel: BlockingChannel, queue: str, receive: Receive
) -> None:
    got: list[int] = []
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=2)
    for number in range(4):
        channel.basic_publish("", queue, b"%d" % number)
    channel.basic_consume(queue, lambda _c, method, _p, _b: got.append(method.delivery_tag))
    receive(got, 2)
    # An answered request after the deliveries: whatever the broker was going to send has come by now.
    assert channel.queue_declare(queue, passive=True).method.message_count == 2
    assert got == [1, 2]
    channel.basic_ack(1)
    receive(got, 3)
    assert got == [1, 2, 3]


def test_get_says_how_many_messages_remain(channel: BlockingChannel, queue: str) -> None:
    assert channel.basic_get(queue) == (None, None, None)
    channel.confirm_delivery()
    for _ in range(3):
        channel.basic_publish("", queue, b"")
    assert [channel.basic_get(queue, auto_ack=True)[0].message_count for _ in range(3)] == [2, 1, 0]


def test_after_a_cancel_messages_stay_in_the_queue(channel: BlockingChannel, queue: str, receive: Receive) -> None:
    got: list[bytes] = []
    tag = channel.basic_consume(queue, lambda _c, _m, _p, body: got.append(body), auto_ack=True)
    channel.basic_publish("", queue, b"before")
    receive(got, 1)
    channel.basic_cancel(tag)
    channel.basic_publish("", queue, b"after")
    assert bodies(channel, queue) == [b"after"]
    assert got == [b"before"]


def test_deleting_a_queue_cancels_its_consumers(
    channel: BlockingChannel,
    connection: pika.BlockingConnection,
    queue: str,
    receive: Receive,
) -> None:
    cancelled: list[str] = []
    channel.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
    tag = channel.basic_consume(queue, lambda *_: None)
    connection.channel().queue_delete(queue)
    receive(cancelled, 1)
    assert cancelled == [tag]
    assert channel.is_open


def test_the_generator_ends_when_the_queue_goes_quiet(channel: BlockingChannel, queue: str) -> None:
    for body in (b"one", b"two"):
        channel.basic_publish("", queue, body)
    got = []
    for method, _, body in channel.consume(queue, inactivity_timeout=SECONDS):
        got.append(body)
        channel.basic_ack(method.delivery_tag)
        if len(got) == 2:
            break
    assert got == [b"one", b"two"]
    assert channel.cancel() == 0


def test_a_transaction_publishes_on_commit_and_forgets_on_rollback(channel: BlockingChannel, queue: str) -> None:
    channel.tx_select()
    channel.basic_publish("", queue, b"forgotten")
    channel.tx_rollback()
    channel.basic_publish("", queue, b"kept")
    assert channel.queue_declare(queue, passive=True).method.message_count == 0
    channel.tx_commit()
    assert bodies(channel, queue) == [b"kept"]


def test_a_server_replies_to_the_callers_own_queue(
    connect: Connect,
    channel: BlockingChannel,
    queue: str,
    receive: Receive,
    name: str,
) -> None:
    answered = _serve_one(connect, name)
    replies: list[tuple[str, bytes]] = []
    channel.basic_consume(queue, lambda _c, _m, props, body: replies.append((props.correlation_id, body)), True)
    channel.basic_publish("", name, b"21", pika.BasicProperties(reply_to=queue, correlation_id="c1"))
    receive(replies, 1)
    assert replies == [("c1", b"42")]
    answered.join(SECONDS)


def test_a_server_replies_directly_without_a_queue(
    connect: Connect,
    channel: BlockingChannel,
    receive: Receive,
    name: str,
) -> None:
    answered = _serve_one(connect, name)
    replies: list[bytes] = []
    channel.basic_consume("amq.rabbitmq.reply-to", lambda _c, _m, _p, body: replies.append(body), auto_ack=True)
    channel.basic_publish("", name, b"4", pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
    receive(replies, 1)
    assert replies == [b"8"]
    answered.join(SECONDS)


def _serve_one(connect: Connect, queue: str) -> threading.Thread:
    """A server on a connection of its own that doubles one number and goes."""
    channel = connect().channel()
    channel.queue_declare(queue, exclusive=True)

    def serve() -> None:
        for method, properties, body in channel.consume(queue, inactivity_timeout=SECONDS):
            reply = pika.BasicProperties(correlation_id=properties.correlation_id)
            channel.basic_publish("", properties.reply_to, b"%d" % (2 * int(body)), reply)
            channel.basic_ack(method.delivery_tag)
            break
        channel.cancel()

    thread = threading.Thread(target=serve)
    thread.start()
    return thread
