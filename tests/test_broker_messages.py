"""Messages that wait, seen and moved through `Broker`, while clients are served."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pika
import pytest
from tests.net.peer import eventually

import menura
from menura.core.errors import NotFound


@pytest.fixture
def channel(broker: menura.Broker):
    connection = pika.BlockingConnection(pika.URLParameters(broker.amqp_url))
    yield connection.channel()
    connection.close()


@pytest.fixture
def broker():
    with menura.Broker() as broker:
        yield broker


def fill(channel, queue: str, bodies: list[bytes], **properties) -> None:
    channel.confirm_delivery()
    channel.queue_declare(queue)
    for body in bodies:
        channel.basic_publish("", queue, body, pika.BasicProperties(**properties))


def test_messages_are_seen_moved_copied_and_deleted(broker: menura.Broker, channel) -> None:
    fill(channel, "from", [b"%d" % number for number in range(10)], headers={"kind": "x"})
    channel.queue_declare("to")
    seen = broker.peek("from", skip=1, count=2, headers={"kind": ...})
    assert [(message.position, message.body) for message in seen.messages] == [(1, b"1"), (2, b"2")]
    assert broker.move("from", to_queue="to", positions=[1, 2]).done == 2
    assert broker.copy("from", to_exchange="", key="to", count=1).done == 1
    assert broker.delete_messages("from", body_matches="^[5-9]$").done == 5
    assert [message.body for message in broker.peek("from").messages] == [b"0", b"3", b"4"]
    assert [channel.basic_get("to", auto_ack=True)[2] for _ in range(3)] == [b"1", b"2", b"0"]
    with pytest.raises(NotFound, match="no queue 'missing'"):
        broker.peek("missing")
    with pytest.raises(ValueError, match="either a queue or an exchange"):
        broker.move("from")


def test_a_consumer_gets_what_is_moved_to_its_queue(broker: menura.Broker, channel) -> None:
    fill(channel, "from", [b"1", b"2"])
    channel.queue_declare("to")
    got = []
    channel.basic_consume("to", lambda channel, method, properties, body: got.append(body), auto_ack=True)
    mover = threading.Thread(target=lambda: broker.move("from", to_queue="to"))
    mover.start()
    while len(got) < 2:
        channel.connection.process_data_events(time_limit=20)
    mover.join()
    assert got == [b"1", b"2"]


def test_dead_letters_are_replayed(broker: menura.Broker, channel) -> None:
    channel.queue_declare("dead")
    channel.queue_declare("work", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
    channel.queue_bind("work", "amq.topic", "jobs.*")
    channel.confirm_delivery()
    channel.basic_publish("amq.topic", "jobs.1", b"poison")
    channel.basic_nack(channel.basic_get("work")[0].delivery_tag, requeue=False)
    eventually(lambda: len(broker.peek("dead").messages) == 1)
    assert broker.replay("dead").done == 1
    method, properties, body = channel.basic_get("work", auto_ack=True)
    assert (method.exchange, method.routing_key, body) == ("amq.topic", "jobs.1", b"poison")
    assert properties.headers["x-death"][0]["count"] == 1


def test_the_loop_serves_others_between_the_steps(broker: menura.Broker, channel) -> None:
    fill(channel, "from", [b""])
    channel.queue_declare("to")
    for _ in range(12):  # 4096 messages
        broker.copy("from", to_queue="from")
    turns = 0
    seconds = []

    def turn() -> None:
        nonlocal turns
        seconds.append(broker._loop.time())
        turns += 1
        if broker.node.vhosts["/"].queues["from"].ready_count:
            broker._loop.call_soon(turn)

    broker._loop.call_soon_threadsafe(turn)
    assert broker.move("from", to_queue="to").done == 4096
    assert turns >= 4


def test_what_was_moved_is_there_after_the_next_start(tmp_path: Path) -> None:
    for life in range(2):
        with menura.Broker(data=str(tmp_path / "data"), disk_free_bytes_min=0) as broker:
            connection = pika.BlockingConnection(pika.URLParameters(broker.amqp_url))
            channel = connection.channel()
            for name in ("from", "to"):
                channel.queue_declare(name, durable=True)
            channel.confirm_delivery()
            if not life:
                for body in (b"1", b"2", b"3"):
                    channel.basic_publish("", "from", body, pika.BasicProperties(delivery_mode=2))
                assert broker.move("from", to_queue="to", positions=[1]).done == 1
            else:
                assert [message.body for message in broker.peek("from").messages] == [b"1", b"3"]
                assert [message.body for message in broker.peek("to").messages] == [b"2"]
            connection.close()


def test_within_the_running_loop_it_is_done_at_once() -> None:
    async def life() -> None:
        async with menura.Broker() as broker:
            vhost = broker.node.vhosts["/"]
            vhost.declare_queue("q")
            assert broker.peek("q").messages == []
            assert broker.delete_messages("q").done == 0

    asyncio.run(life())
