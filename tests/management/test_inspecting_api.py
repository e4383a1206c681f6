"""Messages that wait: looked at without being taken, moved, copied, replayed and deleted over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from tests.management.conftest import http_port
from tests.management.http_client import Client

import menura
from menura.core.keeping import Keeper


@pytest.fixture
def channel(api_broker: menura.Broker) -> Iterator[BlockingChannel]:
    connection = pika.BlockingConnection(pika.URLParameters(api_broker.amqp_url))
    channel = connection.channel()
    channel.confirm_delivery()
    yield channel
    connection.close()


def filled(channel: BlockingChannel, name: str, count: int, **arguments: Any) -> str:
    """A queue with messages 0, 1, 2, ... of which every third says so in a header."""
    channel.queue_declare(name, arguments=arguments)
    for number in range(count):
        headers = {"third": number} if number % 3 == 0 else None
        properties = pika.BasicProperties(headers=headers, content_type="text/plain", priority=number % 2)
        channel.basic_publish("", name, b"number %d" % number, properties)
    return name


def ask(api: Client, queue: str, verb: str, **body: Any) -> Any:
    answer = api.post(f"/menura/queues/%2F/{queue}/{verb}", body)
    assert answer.status == 200, answer.body
    return answer.json


def payloads(api: Client, queue: str, **choice: Any) -> list[str]:
    return [message["payload"] for message in ask(api, queue, "peek", **choice)["messages"]]


def numbers(*found: int) -> list[str]:
    return [f"number {number}" for number in found]


# -- looking -------------------------------------------------------------------------------------------------


def test_looking_takes_nothing(api: Client, channel: BlockingChannel, unique: str) -> None:
    queue = filled(channel, unique, 5)
    for _ in range(2):
        seen = ask(api, queue, "peek")
        assert [message["payload"] for message in seen["messages"]] == numbers(0, 1, 2, 3, 4)
        assert (seen["complete"], seen["next"], seen["examined"]) == (True, None, 5)
    assert channel.basic_get(queue)[0].redelivered is False


def test_a_message_is_shown_with_all_there_is_to_it(api: Client, channel: BlockingChannel, unique: str) -> None:
    queue = filled(channel, unique, 1)
    (message,) = ask(api, queue, "peek", body_bytes_max=3)["messages"]
    assert message == {
        "position": 0,
        "redelivered": False,
        "priority": 0,
        "exchange": "",
        "routing_key": queue,
        "routing_keys": [queue],
        "properties": {"content_type": "text/plain", "headers": {"third": 0}, "priority": 0},
        "payload": "num",
        "payload_encoding": "string",
        "payload_bytes": 8,
        "payload_truncated": True,
        "expires_at_ms": None,
        "deaths": [],
    }
    (encoded,) = ask(api, queue, "peek", encoding="base64")["messages"]
    assert (encoded["payload"], encoded["payload_encoding"]) == ("bnVtYmVyIDA=", "base64")


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        ({"headers": {"third": 3}}, [3]),
        ({"has_headers": ["third"]}, [0, 3, 6, 9]),
        ({"has_headers": ["third"], "skip": 1, "count": 2}, [3, 6]),
        ({"body_contains": "number 1"}, [1]),
        ({"body_matches": "[78]$"}, [7, 8]),
        ({"properties": {"priority": 1}}, [1, 3, 5, 7, 9]),
        ({"positions": [2, 5, 99]}, [2, 5]),
        ({"exchange": "amq.default", "count": 1}, [0]),
        ({"exchange": "amq.topic"}, []),
        ({"routing_key": "nothing"}, []),
    ],
)
def test_messages_are_chosen(
    choice: dict[str, Any], found: list[int], api: Client, channel: BlockingChannel, unique: str
) -> None:
    assert payloads(api, filled(channel, unique, 10), **choice) == numbers(*found)


@pytest.mark.parametrize("arguments", [{}, {"x-max-priority": 5}])
def test_pages_follow_one_another(
    arguments: dict[str, Any], api: Client, channel: BlockingChannel, unique: str
) -> None:
    queue = filled(channel, unique, 10, **arguments)
    expected = payloads(api, queue)
    pages, after = [], ""
    while True:
        seen = ask(api, queue, "peek", count=3, after=after)
        pages.append([message["payload"] for message in seen["messages"]])
        if seen["next"] is None:
            break
        after = seen["next"]
    assert list(map(len, pages)) == [3, 3, 3, 1]
    assert [payload for page in pages for payload in page] == expected


def test_a_page_goes_on_where_the_one_before_ended_whatever_has_left(
    api: Client, channel: BlockingChannel, unique: str
) -> None:
    queue = filled(channel, unique, 10)
    after = ask(api, queue, "peek", count=5)["next"]
    for _ in range(3):
        channel.basic_get(queue, auto_ack=True)
    assert payloads(api, queue, after=after) == numbers(5, 6, 7, 8, 9)


@pytest.mark.parametrize(
    "body",
    [
        {"count": 0},
        {"count": 1001},
        {"count": "1"},
        {"skip": -1},
        {"positions": 5},
        {"positions": ["a"]},
        {"positions": [-1]},
        {"positions": [True]},
        {"headers": 5},
        {"headers": "x"},
        {"has_headers": "x"},
        {"properties": {"unheard-of": 1}},
        {"body_matches": "("},
        {"body_contains": 5},
        {"after": "x"},
        {"after": 5},
        {"body_bytes_max": 1 << 30},
        {"encoding": "zz"},
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(body: dict[str, Any], api: Client, unique: str) -> None:
    api.put(f"/queues/%2F/{unique}")
    answer = api.post(f"/menura/queues/%2F/{unique}/peek", body)
    assert answer.status == 400, answer.body
    assert answer.json["error"] == "bad_request"


# -- moving --------------------------------------------------------------------------------------------------


def test_messages_move_to_a_queue(api: Client, channel: BlockingChannel, unique: str) -> None:
    queue, other = filled(channel, unique, 10), filled(channel, f"{unique}-2", 0)
    moved = ask(api, queue, "move", to_queue=other, has_headers=["third"])
    assert moved == {"examined": 10, "found": 4, "done": 4, "unrouted": 0, "refused": 0}
    assert payloads(api, other) == numbers(0, 3, 6, 9)
    assert payloads(api, queue) == numbers(1, 2, 4, 5, 7, 8)


def test_messages_move_to_an_exchange(api: Client, channel: BlockingChannel, unique: str) -> None:
    queue, other = filled(channel, unique, 3), filled(channel, f"{unique}-2", 0)
    channel.queue_bind(other, "amq.topic", "moved." + unique)
    assert ask(api, queue, "move", to_exchange="amq.topic")["unrouted"] == 3
    assert payloads(api, queue) == numbers(0, 1, 2)
    assert ask(api, queue, "move", to_exchange="amq.topic", new_routing_key="moved." + unique)["done"] == 3
    (first, *_) = ask(api, other, "peek")["messages"]
    assert (first["exchange"], first["routing_key"]) == ("amq.topic", "moved." + unique)


def test_copied_messages_stay_as_well(api: Client, channel: BlockingChannel, unique: str) -> None:
    queue, other = filled(channel, unique, 3), filled(channel, f"{unique}-2", 0)
    assert ask(api, queue, "copy", to_queue=other, count=2)["done"] == 2
    assert (payloads(api, queue), payloads(api, other)) == (numbers(0, 1, 2), numbers(0, 1))


def test_what_there_is_no_room_for_stays(api: Client, channel: BlockingChannel, unique: str) -> None:
    queue = filled(channel, unique, 5)
    other = filled(channel, f"{unique}-2", 0, **{"x-max-length": 2, "x-overflow": "reject-publish"})
    moved = ask(api, queue, "move", to_queue=other)
    assert (moved["done"], moved["refused"]) == (2, 3)
    assert (payloads(api, queue), payloads(api, other)) == (numbers(2, 3, 4), numbers(0, 1))


def test_dead_letters_are_replayed(api: Client, channel: BlockingChannel, unique: str) -> None:
    letters = filled(channel, f"{unique}-dead", 0)
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": letters}
    queue = filled(channel, unique, 3, **arguments)
    for _ in range(3):
        channel.basic_reject(channel.basic_get(queue)[0].delivery_tag, requeue=False)
    channel.queue_declare(queue, passive=True)
    dead = ask(api, letters, "peek")["messages"]
    assert [message["deaths"][0]["queue"] for message in dead] == [queue] * 3
    assert (dead[0]["deaths"][0]["reason"], dead[0]["deaths"][0]["count"]) == ("rejected", 1)
    assert ask(api, letters, "replay", body_contains="1")["done"] == 1
    assert (payloads(api, letters), payloads(api, queue)) == (numbers(0, 2), numbers(1))


def test_messages_are_deleted(api: Client, channel: BlockingChannel, unique: str) -> None:
    queue = filled(channel, unique, 10)
    assert ask(api, queue, "delete", positions=[1, 2])["done"] == 2
    assert payloads(api, queue, count=2) == numbers(0, 3)
    assert ask(api, queue, "delete")["done"] == 8
    assert payloads(api, queue) == []


def test_moved_messages_reach_consumers(api: Client, channel: BlockingChannel, unique: str) -> None:
    queue, other = filled(channel, unique, 3), filled(channel, f"{unique}-2", 0)
    got: list[bytes] = []
    channel.basic_consume(other, lambda _c, _m, _p, body: got.append(body), auto_ack=True)
    ask(api, queue, "move", to_queue=other)
    while len(got) < 3:
        channel.connection.process_data_events(time_limit=20)
    assert got == [b"number 0", b"number 1", b"number 2"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"to_queue": "a", "to_exchange": "b"}, 400),
        ({"to_queue": "nowhere"}, 404),
        ({"to_exchange": "nowhere"}, 404),
        ({"to_queue": 5}, 400),
        ({"to_exchange": "amq.topic", "new_routing_key": "k" * 256}, 400),
    ],
)
def test_a_destination_that_is_none_is_refused(
    body: dict[str, Any], status: int, api: Client, channel: BlockingChannel, unique: str
) -> None:
    queue = filled(channel, unique, 1)
    assert api.post(f"/menura/queues/%2F/{queue}/move", body).status == status
    assert payloads(api, queue) == numbers(0)


def test_a_queue_of_ten_thousand_is_moved_in_steps(api: Client, api_broker: menura.Broker, unique: str) -> None:
    """Others are answered while it lasts."""
    channel = pika.BlockingConnection(pika.URLParameters(api_broker.amqp_url)).channel()
    queue, other = filled(channel, unique, 10_000), filled(channel, f"{unique}-2", 0)
    channel.queue_declare(queue, passive=True)
    assert ask(api, queue, "move", to_queue=other, skip=10)["done"] == 9_990
    assert api.get(f"/queues/%2F/{other}?columns=messages").json == {"messages": 9_990}
    assert payloads(api, other, count=2) == numbers(10, 11)
    channel.connection.close()


# -- rights --------------------------------------------------------------------------------------------------


@pytest.fixture
def user(api: Client, unique: str) -> Client:
    """May read all, but write to nothing but amq.topic, there to keys that begin with a."""
    api.put(f"/users/{unique}", {"password": "secret", "tags": "management"})
    api.put(f"/permissions/%2F/{unique}", {"configure": "", "write": "^amq.topic$", "read": ".*"})
    api.put(f"/topic-permissions/%2F/{unique}", {"exchange": "amq.topic", "write": "^a", "read": ""})
    return api.as_user(unique, "secret")


def test_moving_takes_the_right_to_write(user: Client, api: Client, channel: BlockingChannel, unique: str) -> None:
    queue, other = filled(channel, unique, 1), filled(channel, f"{unique}-2", 0)
    for key in ("a." + unique, "b." + unique):
        channel.queue_bind(other, "amq.topic", key)
    path = f"/menura/queues/%2F/{queue}/copy"
    assert user.post(path, {"to_queue": other}).status == 401
    assert user.post(path, {"to_exchange": "amq.direct"}).status == 401
    sent = {"to_exchange": "amq.topic", "new_routing_key": "a." + unique}
    assert user.post(path, sent).json["done"] == 1
    assert user.post(path, {**sent, "new_routing_key": "b." + unique}).json["unrouted"] == 1
    assert payloads(api, other) == numbers(0)


def test_replaying_takes_the_right_to_write_where_they_died(
    user: Client, api: Client, channel: BlockingChannel, unique: str
) -> None:
    """Anybody can write a history into a message that names another's queue."""
    letters, target = filled(channel, unique, 0), filled(channel, f"{unique}-2", 0)
    death = {"queue": target, "exchange": "", "routing-keys": [target], "reason": "rejected", "count": 1}
    channel.basic_publish("", letters, b"forged", pika.BasicProperties(headers={"x-death": [death]}))
    assert user.post(f"/menura/queues/%2F/{letters}/replay", {}).json["unrouted"] == 1
    assert payloads(api, target) == []
    assert api.post(f"/menura/queues/%2F/{letters}/replay", {}).json["done"] == 1
    assert payloads(api, target) == ["forged"]


def test_looking_takes_the_right_to_read(api: Client, channel: BlockingChannel, unique: str) -> None:
    queue = filled(channel, unique, 1)
    channel.queue_declare(f"{unique}-mine", exclusive=True)
    api.put(f"/users/{unique}", {"password": "secret", "tags": "monitoring"})
    api.put(f"/permissions/%2F/{unique}", {"configure": "", "write": "", "read": "-mine$"})
    stranger = api.as_user(unique, "secret")
    for verb in ("peek", "move", "copy", "replay", "delete"):
        assert stranger.post(f"/menura/queues/%2F/{queue}/{verb}", {"to_queue": queue}).status == 401
    assert stranger.post(f"/menura/queues/%2F/{unique}-mine/peek", {}).status == 400
    assert api.post(f"/menura/queues/%2F/{unique}-mine/peek", {}).status == 200
    assert api.post("/menura/queues/%2F/nowhere/peek", {}).status == 404
    assert api.post("/menura/queues/nowhere/q/peek", {}).status == 404


@pytest.mark.parametrize("history", [5, "x", [], [5], [{}], [{"queue": 5, "time": "x", "count": None}]])
def test_histories_that_are_none_harm_nothing(history: Any, api: Client, channel: BlockingChannel, unique: str) -> None:
    queue = filled(channel, unique, 0)
    channel.basic_publish("", queue, b"m", pika.BasicProperties(headers={"x-death": history}))
    (message,) = ask(api, queue, "peek")["messages"]
    assert isinstance(message["deaths"], list)
    assert ask(api, queue, "replay")["done"] == 0
    assert json.dumps(api.get(f"/menura/queues/%2F/{queue}/why").json)


# -- the disk ------------------------------------------------------------------------------------------------


def test_what_moves_waits_while_the_disk_is_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are answered meanwhile, and it goes on when the disk has caught up."""
    with menura.Broker(listen=["http://127.0.0.1:0"], data=str(tmp_path / "data")) as broker:
        api = Client(http_port(broker))
        for name in ("from", "to"):
            assert api.put(f"/queues/%2F/{name}", {"durable": True}).status == 201
        message = {"routing_key": "from", "payload": "m", "payload_encoding": "string", "properties": {}}
        assert api.post("/exchanges/%2F/amq.default/publish", message).json == {"routed": True}
        looked = threading.Event()

        class Behind:
            """In the place of whether the disk is behind, until it is said that it is not."""

            now = True

            def __get__(self, keeper: Any, kind: Any) -> bool:
                looked.set()
                return self.now

            def __set__(self, keeper: Any, value: bool) -> None: ...

        behind = Behind()
        monkeypatch.setattr(Keeper, "behind", behind, raising=False)
        with ThreadPoolExecutor(1) as pool:
            moved = pool.submit(ask, api, "from", "move", to_queue="to")
            assert looked.wait(20)
            assert api.get("/queues/%2F/to?columns=messages").json == {"messages": 0}
            assert not moved.done()
            behind.now = False
            assert moved.result(20)["done"] == 1
        monkeypatch.undo()
        assert payloads(api, "to") == ["m"]
