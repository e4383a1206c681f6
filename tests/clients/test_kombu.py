"""kombu: producers, consumers, the simple interface, pools, retries and its two event loops."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Connection, Consumer, Exchange, Producer, Queue, pools
from kombu.asynchronous import Hub, set_event_loop
from kombu.common import collect_replies, eventloop, itermessages, send_reply, uuid
from kombu.exceptions import OperationalError

SECONDS = 30
RETRY = {"max_retries": 20, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.5}
TRANSIENT = {"durable": False, "auto_delete": True}
Wait = Callable[..., Any]


@pytest.fixture
def connection(amqp_url: str) -> Iterator[Connection]:
    with Connection(amqp_url, connect_timeout=SECONDS) as connection:
        yield connection


@pytest.fixture
def queue(name: str) -> Queue:
    exchange = Exchange(name, "direct", durable=False, auto_delete=True)
    return Queue(name, exchange, routing_key="key", durable=False, auto_delete=True)


def drain(connection: Connection, got: list[Any], count: int) -> None:
    """Process events until a callback has filled the list. A publish may process some of them by itself."""
    events = eventloop(connection, timeout=SECONDS)
    while len(got) < count:
        next(events)


def test_a_producer_and_a_consumer_exchange_objects(connection: Connection, queue: Queue) -> None:
    got: list[Any] = []

    def on_task(body: Any, message: Any) -> None:
        got.append((body, message.headers["origin"], message.content_type))
        message.ack()

    with Consumer(connection, queue, callbacks=[on_task], accept=["json"]):
        with Producer(connection, serializer="json") as producer:
            for number in range(3):
                task = {"number": number, "nested": [1, {"a": None}]}
                producer.publish(task, "key", exchange=queue.exchange, headers={"origin": "here"})
        drain(connection, got, 3)
    assert got == [({"number": n, "nested": [1, {"a": None}]}, "here", "application/json") for n in range(3)]


def test_compressed_and_large_bodies_survive(connection: Connection, queue: Queue) -> None:
    text = "lyrebird " * 600_000
    bodies: list[str] = []
    with Consumer(connection, queue, no_ack=True, callbacks=[lambda body, _: bodies.append(body)]):
        producer = Producer(connection)
        producer.publish(text, "key", exchange=queue.exchange)
        producer.publish(text, "key", exchange=queue.exchange, compression="zlib")
        drain(connection, bodies, 2)
    assert bodies == [text, text]


def test_a_prefetch_of_one_waits_for_the_ack_and_a_requeued_message_returns(
    connection: Connection, queue: Queue
) -> None:
    messages: list[Any] = []
    with Consumer(connection, queue, on_message=messages.append, prefetch_count=1):
        for number in range(2):
            Producer(connection).publish(number, "key", exchange=queue.exchange)
        drain(connection, messages, 1)
        messages[0].requeue()
        drain(connection, messages, 2)
        messages[1].ack()
        drain(connection, messages, 3)
        messages[2].reject()
    assert [(message.payload, message.delivery_info["redelivered"]) for message in messages] == [
        (0, False),
        (0, True),
        (1, False),
    ]


def test_a_confirming_publisher_knows_its_message_is_in_the_queue(amqp_url: str, name: str) -> None:
    with Connection(amqp_url, transport_options={"confirm_publish": True}) as connection:
        box = connection.SimpleQueue(name, queue_opts={"durable": False, "exclusive": True}, exchange_opts=TRANSIENT)
        for number in range(5):
            box.put(number)
        assert box.qsize() == 5
        box.close()


def test_an_unroutable_mandatory_message_is_returned(amqp_url: str, name: str) -> None:
    returned: list[Any] = []
    with Connection(amqp_url, transport_options={"confirm_publish": True}) as connection:
        producer = connection.Producer(on_return=lambda error, _x, key, _m: returned.append((error.reply_code, key)))
        producer.publish("lost", routing_key=name, mandatory=True)
    assert returned == [(312, name)]


def test_a_simple_queue_puts_gets_and_clears(connection: Connection, name: str) -> None:
    with connection.SimpleQueue(name, queue_opts=TRANSIENT, exchange_opts=TRANSIENT) as box:
        box.put({"hello": "world"})
        message = box.get(timeout=SECONDS)
        assert message.payload == {"hello": "world"}
        message.ack()
        with pytest.raises(box.Empty):
            box.get_nowait()


def test_a_simple_buffer_needs_no_acks(connection: Connection, name: str) -> None:
    with connection.SimpleBuffer(name) as buffer:
        buffer.put([1, 2])
        assert buffer.get(timeout=SECONDS).payload == [1, 2]


def test_routing_over_topic_and_fanout_exchanges(connection: Connection, name: str) -> None:
    channel = connection.channel()
    topic = Exchange(f"{name}-topic", "topic", durable=False, auto_delete=True)
    fanout = Exchange(f"{name}-fanout", "fanout", durable=False, auto_delete=True)(channel)
    topic(channel).declare()
    fanout.declare()
    fanout.bind_to(topic, routing_key="*.error")
    found: list[str] = []
    all_of_them = [Queue(f"{name}-{n}", fanout, exclusive=True, durable=False) for n in range(2)]
    with Consumer(channel, all_of_them, no_ack=True, on_message=lambda m: found.append(m.payload)):
        for key in ("web.error", "web.info", "db.error"):
            Producer(channel).publish(key, key, exchange=topic)
        drain(connection, found, 4)
    assert sorted(found) == ["db.error", "db.error", "web.error", "web.error"]


def test_a_request_is_answered_to_the_reply_queue(connection: Connection, name: str) -> None:
    requests = Queue(name, exclusive=True, durable=False)
    replies = Queue(uuid(), exclusive=True, durable=False, auto_delete=True)
    server, client = connection.channel(), connection.channel()
    default = Exchange("")

    def serve(body: Any, message: Any) -> None:
        send_reply(default, message, body * 2, producer=Producer(server))
        message.ack()

    with Consumer(server, requests, callbacks=[serve]):
        replies(client).declare()
        Producer(client).publish(21, name, reply_to=replies.name, correlation_id="c")
        with contextlib.closing(
            collect_replies(connection, client, replies(client), limit=None, timeout=SECONDS)
        ) as answers:
            assert next(answers) == 42


def test_a_publish_is_retried_after_the_line_was_cut(amqp_url: str, name: str) -> None:
    with Connection(amqp_url) as watcher, Connection(amqp_url) as connection:
        box = Queue(name, durable=False)
        box(watcher).declare()
        producer = Producer(connection)
        producer.publish("first", name, exchange="")
        connection.connection.transport.sock.close()
        problems: list[BaseException] = []
        policy = {**RETRY, "errback": lambda error, _: problems.append(error)}
        producer.publish("second", name, exchange="", retry=True, retry_policy=policy)
        assert problems
        messages = itermessages(watcher, watcher.channel(), box, limit=2, timeout=SECONDS, no_ack=True)
        assert [body for body, _ in messages] == ["first", "second"]
        box(watcher).delete()


def test_without_retry_the_cut_is_an_operational_error(connection: Connection, name: str) -> None:
    producer = Producer(connection)
    producer.publish("first", name, exchange="")
    connection.connection.transport.sock.close()
    with pytest.raises((OperationalError, OSError)):
        producer.publish("second", name, exchange="")


def test_pools_hand_out_connections_and_producers(amqp_url: str, name: str) -> None:
    shared = Connection(amqp_url)
    with pools.connections[shared].acquire(block=True, timeout=SECONDS) as connection:
        queue = Queue(name, durable=False, exclusive=True)(connection)
        queue.declare()
        with pools.producers[shared].acquire(block=True, timeout=SECONDS) as producer:
            producer.publish("pooled", name, retry=True, retry_policy=RETRY)
        (message,) = itermessages(connection, connection.channel(), queue, limit=1, timeout=SECONDS, no_ack=True)
        assert message[0] == "pooled"
    pools.reset()


def test_the_hub_drives_a_connection_without_blocking_reads(
    connection: Connection, queue: Queue, wait_until: Wait
) -> None:
    hub = Hub()
    set_event_loop(hub)
    got: list[Any] = []
    connection.connect()
    connection.register_with_event_loop(hub)

    def on_message(message: Any) -> None:
        got.append(message.payload)
        message.ack()

    with Consumer(connection, queue, on_message=on_message):
        producer = Producer(connection)
        for number in range(10):
            producer.publish(number, "key", exchange=queue.exchange)
        wait_until(lambda: hub.run_once() or len(got) == 10, "ten messages through the hub")
        assert got == list(range(10))
    hub.close()
    set_event_loop(None)
