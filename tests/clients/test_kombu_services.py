"""kombu's long-running parts on threads of their own: consumer mixins, and the mailboxes of Celery's remote control."""

from __future__ import annotations

import contextlib
import queue as queues
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Connection, Consumer, Producer, Queue
from kombu.common import itermessages, uuid
from kombu.mixins import ConsumerMixin, ConsumerProducerMixin
from kombu.pidbox import Mailbox

SECONDS = 30


@pytest.fixture
def connection(amqp_url: str) -> Iterator[Connection]:
    with Connection(amqp_url, connect_timeout=SECONDS) as connection:
        yield connection


class Worker(ConsumerProducerMixin):
    """Doubles what it gets and answers; says when it consumes."""

    def __init__(self, connection: Connection, queue: Queue) -> None:
        self.connection = connection
        self._queue = queue
        self.ready = threading.Event()

    def get_consumers(self, consumer: Any, channel: Any) -> list[Consumer]:
        return [consumer([self._queue], on_message=self.on_message, accept=["json"], prefetch_count=10)]

    def on_consume_ready(self, *_: Any, **__: Any) -> None:
        self.ready.set()

    def on_message(self, message: Any) -> None:
        reply_to, correlation_id = message.properties["reply_to"], message.properties["correlation_id"]
        self.producer.publish(message.payload * 2, reply_to, correlation_id=correlation_id, retry=True)
        message.ack()


@pytest.fixture
def worker(amqp_url: str, name: str) -> Iterator[Worker]:
    with Connection(amqp_url) as connection:
        worker = Worker(connection, Queue(name, durable=False, auto_delete=True))
        thread = threading.Thread(daemon=True, target=worker.run)
        thread.start()
        assert worker.ready.wait(SECONDS)
        yield worker
        worker.should_stop = True
        thread.join(SECONDS)
        assert not thread.is_alive()


def test_a_consumer_mixin_serves_and_answers(worker: Worker, connection: Connection, name: str) -> None:
    replies = Queue(uuid(), exclusive=True, durable=False)(connection)
    replies.declare()
    for number in range(3):
        Producer(connection).publish(number, name, reply_to=replies.name, correlation_id=str(number))
    got = itermessages(connection, connection.channel(), replies, limit=3, timeout=SECONDS, no_ack=True)
    assert [(body, message.properties["correlation_id"]) for body, message in got] == [(0, "0"), (2, "1"), (4, "2")]


def test_a_consumer_mixin_comes_back_after_its_line_was_cut(amqp_url: str, name: str) -> None:
    seen: queues.SimpleQueue[Any] = queues.SimpleQueue()

    class Returning(ConsumerMixin):
        def __init__(self, connection: Connection) -> None:
            self.connection = connection
            self.attempts: queues.SimpleQueue[Connection] = queues.SimpleQueue()

        def get_consumers(self, consumer: Any, channel: Any) -> list[Consumer]:
            return [consumer([Queue(name, durable=False)], callbacks=[self.on_task])]

        def on_consume_ready(self, connection: Connection, *_: Any, **__: Any) -> None:
            self.attempts.put(connection)

        def on_task(self, body: Any, message: Any) -> None:
            message.ack()
            seen.put(body)

    with Connection(amqp_url) as connection, Connection(amqp_url) as own:
        mixin = Returning(own)
        thread = threading.Thread(daemon=True, target=mixin.run)
        thread.start()
        first = mixin.attempts.get(timeout=SECONDS)
        Producer(connection).publish("before", name)
        assert seen.get(timeout=SECONDS) == "before"
        first.connection.transport.sock.shutdown(2)
        mixin.attempts.get(timeout=SECONDS)
        Producer(connection).publish("after", name)
        assert seen.get(timeout=SECONDS) == "after"
        mixin.should_stop = True
        thread.join(SECONDS)
        Queue(name)(connection).delete()


@pytest.fixture
def mailbox_node(amqp_url: str, name: str) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Starts nodes of one mailbox, each on a thread and a connection of its own; gives each one's state."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def serve(hostname: str, state: dict[str, Any], ready: threading.Event) -> None:
        with Connection(amqp_url) as connection:
            node = Mailbox(name, type="fanout")(connection).Node(hostname, state)
            node.handlers["add"] = lambda state, x, y: x + y
            node.handlers["remember"] = lambda state, word: state["words"].put(word)
            node.handlers["fail"] = lambda state: 1 // 0
            node.channel = connection.channel()
            with node.listen():
                ready.set()
                while not stop.is_set():
                    with contextlib.suppress(socket.timeout):
                        connection.drain_events(timeout=0.2)

    def start(hostname: str) -> dict[str, Any]:
        state: dict[str, Any] = {"words": queues.SimpleQueue()}
        ready = threading.Event()
        threads.append(threading.Thread(daemon=True, target=serve, args=(hostname, state, ready)))
        threads[-1].start()
        assert ready.wait(SECONDS)
        return state

    yield start
    stop.set()
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()
    with Connection(amqp_url) as connection:
        for exchange in (f"{name}.pidbox", f"reply.{name}.pidbox"):
            connection.default_channel.exchange_delete(exchange)


def test_a_mailbox_calls_one_node_all_nodes_and_casts(
    connection: Connection, mailbox_node: Callable[[str], dict[str, Any]], name: str
) -> None:
    states = {hostname: mailbox_node(hostname) for hostname in ("one@host", "two@host")}
    mailbox = Mailbox(name, type="fanout")(connection)
    assert mailbox.call(["one@host"], "add", {"x": 1, "y": 2}, timeout=SECONDS) == [{"one@host": 3}]
    answers = mailbox.multi_call("add", {"x": 4, "y": 5}, timeout=SECONDS, limit=2)
    assert sorted(answers, key=str) == [{"one@host": 9}, {"two@host": 9}]
    (failed,) = mailbox.call(["two@host"], "fail", timeout=SECONDS)
    assert "ZeroDivisionError" in failed["two@host"]["error"]
    mailbox.abcast("remember", {"word": "all"})
    mailbox.cast(["two@host"], "remember", {"word": "two"})
    assert states["one@host"]["words"].get(timeout=SECONDS) == "all"
    assert [states["two@host"]["words"].get(timeout=SECONDS) for _ in range(2)] == ["all", "two"]
