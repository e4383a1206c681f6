"""stomp.py in its three versions against a broker on disk, with pika at the other end where protocols meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pika
import pytest
import stomp
from stomp.utils import Frame
from tests.clients.program import DEADLINE_SECONDS
from tests.clients.stomp_talk import Inbox

import menura

VERSIONS = {"1.0": stomp.Connection10, "1.1": stomp.Connection11, "1.2": stomp.Connection12}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[menura.Broker]:
    listen = ["stomp://127.0.0.1:0", "amqp://127.0.0.1:0"]
    with menura.Broker(data=str(tmp_path_factory.mktemp("data")), listen=listen) as broker:
        yield broker


Connect = Callable[..., tuple[Any, Inbox]]


@pytest.fixture
def connect(broker: menura.Broker) -> Iterator[Connect]:
    """Opens connections; closed after the test."""
    opened: list[Any] = []
    port = next(listener.port for listener in broker.listeners if listener.address.scheme == "stomp")

    def open_one(version: str = "1.2", login: str = "guest", wait: bool = True, **settings: Any) -> tuple[Any, Inbox]:
        if version != "1.0":
            settings["vhost"] = "/"
        connection = VERSIONS[version]([("127.0.0.1", port)], reconnect_attempts_max=1, **settings)
        opened.append(connection)
        inbox = Inbox()
        connection.set_listener("inbox", inbox)
        connection.connect(login, "guest", wait=wait)
        return connection, inbox

    yield open_one
    for connection in opened:
        if connection.is_connected():
            connection.disconnect()


@pytest.fixture(params=VERSIONS)
def both(request: pytest.FixtureRequest, connect: Connect) -> tuple[Any, Inbox]:
    """A connection of each version."""
    connection, inbox = connect(request.param)
    connection.tested_version = request.param
    return connection, inbox


def subscribe(connection: Any, inbox: Inbox, destination: str, id: str = "1", **settings: Any) -> None:
    """Subscribe, and wait until that has been done."""
    connection.subscribe(
        destination, id=id, headers={"receipt": f"sub-{id}", **settings.pop("headers", {})}, **settings
    )
    assert inbox.receipt() == f"sub-{id}"


def acknowledge(connection: Any, frame: Frame, how: str = "ack") -> None:
    settle = getattr(connection, how)
    match connection.tested_version:
        case "1.0":
            settle(frame.headers["message-id"])
        case "1.1":
            settle(frame.headers["message-id"], frame.headers["subscription"])
        case _:
            settle(frame.headers["ack"])


def test_messages_arrive_in_order_with_their_headers(both: tuple[Any, Inbox], name: str) -> None:
    connection, inbox = both
    subscribe(connection, inbox, f"/queue/{name}")
    for number in range(100):
        connection.send(f"/queue/{name}", f"body {number} äöü", headers={"number": str(number), "kind": "a"})
    frames = [inbox.message() for _ in range(100)]
    assert [frame.body for frame in frames] == [f"body {number} äöü" for number in range(100)]
    assert [frame.headers["number"] for frame in frames] == [str(number) for number in range(100)]
    assert {frame.headers["destination"] for frame in frames} == {f"/queue/{name}"}


def test_a_receipt_comes_for_a_persistent_message(both: tuple[Any, Inbox], name: str) -> None:
    connection, inbox = both
    for number in range(10):
        connection.send(f"/queue/{name}", "x", headers={"persistent": "true", "receipt": str(number)})
    assert [inbox.receipt() for _ in range(10)] == [str(number) for number in range(10)]


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_awkward_headers_come_back_unchanged(connect: Connect, name: str, version: str) -> None:
    connection, inbox = connect(version)
    subscribe(connection, inbox, f"/queue/{name}")
    awkward = {"colon": "a:b", "line": "a\nb", "back": "a\\nb\\", "umlaut": "äöü", "empty": "", "blank": " a "}
    connection.send(f"/queue/{name}", "", headers=dict(awkward))
    headers = inbox.message().headers
    assert {key: headers[key] for key in awkward} == awkward


def test_bodies_of_any_octets_come_back_unchanged(connect: Connect, name: str) -> None:
    connection, inbox = connect(auto_decode=False)
    subscribe(connection, inbox, f"/queue/{name}")
    bodies = [b"\0", b"", bytes(range(256)), b"\0\n\0\n" * 100_000]
    for body in bodies:
        connection.send(f"/queue/{name}", body)
    assert [inbox.message().body for _ in bodies] == bodies


def test_client_acks_are_cumulative_and_the_rest_comes_again(
    both: tuple[Any, Inbox], connect: Connect, name: str
) -> None:
    connection, inbox = both
    subscribe(connection, inbox, f"/queue/{name}", ack="client")
    for number in range(5):
        connection.send(f"/queue/{name}", str(number))
    frames = [inbox.message() for _ in range(5)]
    acknowledge(connection, frames[2])
    connection.disconnect("bye")
    assert inbox.receipt() == "bye"
    again, others = connect()
    subscribe(again, others, f"/queue/{name}")
    rest = [others.message() for _ in range(2)]
    assert [(frame.body, frame.headers["redelivered"]) for frame in rest] == [("3", "true"), ("4", "true")]


def test_nack_brings_a_message_back(connect: Connect, name: str) -> None:
    connection, inbox = connect()
    connection.tested_version = "1.2"
    subscribe(connection, inbox, f"/queue/{name}", ack="client-individual")
    connection.send(f"/queue/{name}", "x")
    acknowledge(connection, inbox.message(), "nack")
    again = inbox.message()
    assert again.headers["redelivered"] == "true"
    connection.nack(again.headers["ack"], requeue="false", receipt="dropped")
    assert inbox.receipt() == "dropped"
    assert inbox.messages.empty()


def test_a_transaction_is_committed_or_aborted(both: tuple[Any, Inbox], name: str) -> None:
    connection, inbox = both
    subscribe(connection, inbox, f"/queue/{name}")
    for word in ("abort", "commit"):
        transaction = connection.begin()
        for number in range(3):
            connection.send(f"/queue/{name}", f"{word} {number}", transaction=transaction)
        getattr(connection, word)(transaction)
    assert inbox.bodies(3) == ["commit 0", "commit 1", "commit 2"]
    assert inbox.messages.empty()


def test_topics_go_to_everybody_and_patterns_fit(connect: Connect, name: str) -> None:
    (one, first), (two, second) = connect(), connect()
    subscribe(one, first, f"/topic/{name}.*")
    subscribe(two, second, f"/topic/{name}.#")
    one.send(f"/topic/{name}.a.b", "deep")
    one.send(f"/topic/{name}.a", "flat")
    assert first.bodies(1) == ["flat"]
    assert second.bodies(2) == ["deep", "flat"]


def test_a_durable_subscription_keeps_what_comes_meanwhile(connect: Connect, name: str) -> None:
    settings = {"durable": "true", "auto-delete": "false"}
    connection, inbox = connect()
    subscribe(connection, inbox, f"/topic/{name}", id=name, headers=settings)
    connection.disconnect("bye")
    assert inbox.receipt() == "bye"
    sender, told = connect()
    sender.send(f"/topic/{name}", "meanwhile", headers={"persistent": "true", "receipt": "sent"})
    assert told.receipt() == "sent"
    again, others = connect()
    subscribe(again, others, f"/topic/{name}", id=name, headers=settings)
    assert others.bodies(1) == ["meanwhile"]
    again.unsubscribe(name, headers={**settings, "receipt": "over"})


def test_an_answer_comes_back_through_a_temporary_queue(connect: Connect, name: str) -> None:
    (asker, answers), (service, requests) = connect(), connect()
    subscribe(service, requests, f"/queue/{name}")
    asker.send(f"/queue/{name}", "question", headers={"reply-to": "/temp-queue/mine"})
    request = requests.message()
    service.send(request.headers["reply-to"], "answer")
    answer = answers.message()
    assert answer.body == "answer"
    assert answer.headers["subscription"] == "/temp-queue/mine"


def test_prefetch_is_kept(connect: Connect, name: str) -> None:
    connection, inbox = connect()
    connection.tested_version = "1.2"
    for number in range(4):
        connection.send(f"/queue/{name}", str(number))
    subscribe(connection, inbox, f"/queue/{name}", ack="client-individual", headers={"prefetch-count": "2"})
    frames = [inbox.message() for _ in range(2)]
    connection.begin("t", headers={"receipt": "since"})
    assert inbox.receipt() == "since"
    assert inbox.messages.empty()
    acknowledge(connection, frames[0])
    assert inbox.bodies(1) == ["2"]


def test_what_is_wrong_is_told_and_ends_the_connection(connect: Connect) -> None:
    connection, inbox = connect()
    other, others = connect()
    connection.send("/nowhere/x", "x")
    error = inbox.error()
    assert error.headers["message"] == "Unknown destination"
    assert error.body.startswith("'/nowhere/x' is not a valid destination.")
    assert inbox.ends.get(timeout=DEADLINE_SECONDS)
    other.begin("t", headers={"receipt": "alive"})
    assert others.receipt() == "alive"


def test_a_wrong_password_is_refused(connect: Connect) -> None:
    with pytest.raises(stomp.exception.ConnectFailedException):
        connect(login="nobody")


def test_hearts_beat_both_ways(connect: Connect) -> None:
    connection, inbox = connect(heartbeats=(1000, 1000))
    for _ in range(3):
        assert inbox.beats.get(timeout=DEADLINE_SECONDS)
    assert connection.is_connected()


# -- with another protocol at the other end ------------------------------------------------------------------


@pytest.fixture
def channel(broker: menura.Broker) -> Iterator[Any]:
    connection = pika.BlockingConnection(pika.URLParameters(broker.amqp_url))
    yield connection.channel()
    connection.close()


def test_amqp_takes_what_stomp_sends(connect: Connect, channel: Any, name: str) -> None:
    connection, inbox = connect()
    headers = {
        "persistent": "true", "priority": "3", "correlation-id": "c", "amqp-message-id": "m", "type": "t",
        "timestamp": "1700000000", "app-id": "a", "user-id": "guest", "expiration": "600000", "kind": "own:header",
        "reply-to": "/queue/answers", "content-encoding": "none", "receipt": "sent",
    }  # fmt: skip
    connection.send(f"/queue/{name}", "body", content_type="text/plain", headers=headers)
    assert inbox.receipt() == "sent"
    method, properties, body = channel.basic_get(name, auto_ack=True)
    assert (method.exchange, method.routing_key, body) == ("", name, b"body")
    assert properties.headers == {"kind": "own:header"}
    got = (properties.delivery_mode, properties.priority, properties.correlation_id, properties.message_id)
    assert got == (2, 3, "c", "m")
    more = (properties.type, properties.timestamp, properties.app_id, properties.user_id, properties.expiration)
    assert more == ("t", 1700000000, "a", "guest", "600000")
    assert (properties.content_type, properties.reply_to) == ("text/plain", "/queue/answers")


def test_stomp_takes_what_amqp_publishes(connect: Connect, channel: Any, name: str) -> None:
    connection, inbox = connect()
    subscribe(connection, inbox, f"/topic/{name}.#")
    headers = {"text": "ä:b", "number": 5, "truth": True, "table": {"a": 1}}
    properties = pika.BasicProperties(
        content_type="application/json", headers=headers, delivery_mode=2, reply_to="answers", correlation_id="c"
    )
    channel.basic_publish("amq.topic", f"{name}.a/b", b'{"a": 1}', properties)
    frame = inbox.message()
    expected = {
        "destination": f"/topic/{name}.a%2Fb", "content-type": "application/json", "persistent": "true",
        "reply-to": "/reply-queue/answers", "correlation-id": "c", "text": "ä:b", "number": "5", "truth": "true",
    }  # fmt: skip
    assert {key: frame.headers.get(key) for key in expected} == expected
    assert "table" not in frame.headers
    assert frame.body == '{"a": 1}'


def test_stomp_answers_a_direct_reply_to(
    connect: Connect, channel: Any, name: str, wait_until: Callable[..., Any]
) -> None:
    service, requests = connect()
    subscribe(service, requests, f"/queue/{name}")
    answers: list[bytes] = []
    channel.basic_consume("amq.rabbitmq.reply-to", lambda *delivery: answers.append(delivery[3]), auto_ack=True)
    channel.basic_publish("", name, b"?", pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
    request = requests.message()
    service.send(request.headers["reply-to"], "!")
    wait_until(lambda: channel.connection.process_data_events(time_limit=0.1) or answers, "an answer")
    assert answers == [b"!"]


def test_a_queue_that_amqp_deletes_ends_its_subscription(connect: Connect, channel: Any, name: str) -> None:
    connection, inbox = connect()
    subscribe(connection, inbox, f"/queue/{name}")
    subscribe(connection, inbox, f"/queue/{name}-2", id="2")
    channel.queue_delete(name)
    error = inbox.error()
    assert (error.headers["message"], error.headers["subscription"]) == ("Server cancelled subscription", "1")
    channel.basic_publish("", f"{name}-2", b"still here")
    assert inbox.bodies(1) == ["still here"]
