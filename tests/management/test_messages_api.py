"""Messages put in and taken out over HTTP, with a client of AMQP on the other side."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika.adapters.blocking_connection import BlockingChannel
from tests.management.conftest import http_port
from tests.management.http_client import Answer, Client
from tests.management.http_peer import Desk, HttpPeer, request

import menura
from menura.core.content import body_of, pack
from menura.core.routing import Route
from menura.core.run import Run
from menura.core.steps import finish
from menura.management import publishing
from menura.management.http.messages import HttpError, run
from menura.management.views.message import written

PROPERTIES = {
    "content_type": "text/x",
    "content_encoding": "utf-8",
    "headers": {"a": 1, "b": "x", "c": [1, {"d": True}], "f": None, "g": -(1 << 40)},
    "delivery_mode": 2,
    "priority": 3,
    "correlation_id": "c",
    "reply_to": "r",
    "expiration": "600000",
    "message_id": "m",
    "timestamp": 1700000000,
    "type": "ty",
    "user_id": "guest",
    "app_id": "a",
    "cluster_id": "cl",
}


@pytest.fixture
def channel(api_broker: menura.Broker) -> Iterator[BlockingChannel]:
    connection = pika.BlockingConnection(pika.URLParameters(api_broker.amqp_url))
    yield connection.channel()
    connection.close()


@pytest.fixture
def queue(api: Client, unique: str) -> str:
    assert api.put(f"/queues/%2F/{unique}").status == 201
    return unique


def publish(api: Client, key: str, payload: str = "hi", *, exchange: str = "amq.default", **said: Any) -> Answer:
    message = {"routing_key": key, "payload": payload, "payload_encoding": "string", "properties": {}, **said}
    return api.post(f"/exchanges/%2F/{exchange}/publish", message)


def get(api: Client, queue: str, mode: str = "ack_requeue_true", count: Any = 100, **said: Any) -> Any:
    answer = api.post(f"/queues/%2F/{queue}/get", {"count": count, "ackmode": mode, "encoding": "auto", **said})
    assert answer.status == 200, answer.body
    return answer.json


# -- in ------------------------------------------------------------------------------------------------------


def test_a_message_arrives_with_all_its_properties(api: Client, channel: BlockingChannel, queue: str) -> None:
    assert publish(api, queue, properties=PROPERTIES).json == {"routed": True}
    method, properties, body = channel.basic_get(queue, auto_ack=True)
    assert body == b"hi"
    assert (method.exchange, method.routing_key) == ("", queue)
    assert {name: getattr(properties, name) for name in PROPERTIES} == PROPERTIES


def test_octets_come_in_base64(api: Client, channel: BlockingChannel, queue: str) -> None:
    body = bytes(range(256))
    assert publish(api, queue, base64.b64encode(body).decode(), payload_encoding="base64").json == {"routed": True}
    assert channel.basic_get(queue, auto_ack=True)[2] == body


def test_it_is_told_whether_a_queue_took_it(api: Client, queue: str, unique: str) -> None:
    assert publish(api, "nowhere-" + unique).json == {"routed": False}
    api.put(f"/queues/%2F/full-{unique}", {"arguments": {"x-max-length": 1, "x-overflow": "reject-publish"}})
    assert publish(api, f"full-{unique}").json == {"routed": True}
    assert publish(api, f"full-{unique}").json == {"routed": False}


def test_further_keys_in_headers_are_followed(api: Client, channel: BlockingChannel, queue: str, unique: str) -> None:
    for name in ("cc", "bcc"):
        api.put(f"/queues/%2F/{name}-{unique}")
    publish(api, queue, properties={"headers": {"CC": [f"cc-{unique}"], "BCC": [f"bcc-{unique}"]}})
    for name in (queue, f"cc-{unique}", f"bcc-{unique}"):
        _, properties, body = channel.basic_get(name, auto_ack=True)
        assert body == b"hi"
        assert properties.headers == {"CC": [f"cc-{unique}"]}


def test_a_message_expires(api: Client, queue: str) -> None:
    publish(api, queue, properties={"expiration": "0"})
    assert get(api, queue) == []


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"payload": 5}, "payload_not_string"),
        ({"payload_encoding": "x"}, ["unsupported_encoding", "x"]),
        ({"payload": "a", "payload_encoding": "base64"}, ["not_base64", "a"]),
        ({"payload": None, "properties": None}, "[{key_missing,properties},{key_missing,payload}]"),
        ({"routing_key": 5}, "routing_key must be a string, not 5"),
        ({"routing_key": "k" * 256}, "routing key is longer than 255 bytes"),
        ({"properties": 5}, "properties must be an object, not 5"),
        ({"properties": {"headers": 5}}, "headers must be an object, not 5"),
        ({"properties": {"headers": {"a": 1 << 70}}}, "headers: integer beyond signed 64 bits"),
        ({"properties": {"delivery_mode": "2"}}, ["not_int", "delivery_mode"]),
        ({"properties": {"timestamp": True}}, ["not_int", "timestamp"]),
        ({"properties": {"priority": 256}}, "priority must be 0 or more, up to 255"),
        ({"properties": {"expiration": 5}}, ["not_string", "expiration"]),
        ({"properties": {"message_id": "x" * 256}}, "message_id: message_id of 256 octets, at most 255 fit"),
        (
            {"properties": {"delivery_mode": 9}},
            "406 PRECONDITION_FAILED - invalid message: {delivery_mode_unknown,9}",
        ),
        ({"properties": {"expiration": "x"}}, "406 PRECONDITION_FAILED - invalid expiration 'x': no_integer"),
        (
            {"properties": {"user_id": "other"}},
            "406 PRECONDITION_FAILED - user_id property set to 'other' but authenticated user was 'guest'",
        ),
        (
            {"properties": {"headers": {"CC": "x"}}},
            '406 PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,"CC",longstr}',
        ),
    ],
)
def test_what_is_no_message_is_refused(said: dict[str, Any], reason: Any, api: Client, queue: str) -> None:
    answer = publish(api, queue, **said)
    assert (answer.status, answer.json["reason"]) == (400, reason)
    assert get(api, queue) == []


def test_exchanges_refuse_as_they_refuse_clients(api: Client, unique: str) -> None:
    answer = publish(api, "k", exchange=unique)
    assert (answer.status, answer.json["reason"]) == (400, f"404 NOT_FOUND - no exchange '{unique}' in vhost '/'")
    assert publish(api, "k", exchange="amq.rabbitmq.trace").status == 401
    api.put(f"/users/{unique}", {"password": "secret", "tags": "management"})
    api.put(f"/permissions/%2F/{unique}", {"configure": "", "write": "^amq.topic$", "read": ""})
    api.put(f"/topic-permissions/%2F/{unique}", {"exchange": "amq.topic", "write": "^a", "read": ""})
    user = api.as_user(unique, "secret")
    assert publish(user, "a", exchange="amq.topic").status == 200
    assert publish(user, "b", exchange="amq.topic").status == 401
    assert publish(user, "a", exchange="amq.topic", properties={"headers": {"CC": ["b"]}}).status == 401
    assert publish(user, "a", exchange="amq.direct").status == 401


def test_while_memory_is_short_nothing_is_published(api: Client, api_broker: menura.Broker, queue: str) -> None:
    alarms = api_broker.node.alarms
    api_broker._call(lambda: alarms.force("memory"))
    try:
        answer = publish(api, queue)
        assert (answer.status, answer.json["reason"]) == (503, "publishers are blocked: low on memory")
    finally:
        api_broker._call(lambda: alarms.release("memory", False))
    assert publish(api, queue).json == {"routed": True}


def test_what_was_answered_is_on_the_disk(tmp_path: Path) -> None:
    settings: Any = {"listen": ["http://127.0.0.1:0"], "data": str(tmp_path / "data")}
    with menura.Broker(**settings) as broker:
        api = Client(http_port(broker))
        assert api.put("/queues/%2F/kept", {"durable": True}).status == 201
        assert publish(api, "kept", properties={"delivery_mode": 2}).json == {"routed": True}
        keeper = broker.node.keeper
        assert keeper is not None
        assert broker._call(lambda: keeper.fulfilled(keeper.promise()))
    with menura.Broker(**settings) as broker:
        assert [message["payload"] for message in get(Client(http_port(broker)), "kept")] == ["hi"]


# -- out -----------------------------------------------------------------------------------------------------


def test_messages_are_put_back_to_their_places(api: Client, channel: BlockingChannel, queue: str) -> None:
    for number in range(30):
        channel.basic_publish("", queue, b"%d" % number)
    found = get(api, queue, count=25)
    assert [message["payload"] for message in found] == [str(number) for number in range(25)]
    assert [message["message_count"] for message in found] == [29 - number for number in range(25)]
    assert not any(message["redelivered"] for message in found)
    again = get(api, queue)
    assert [message["payload"] for message in again] == [str(number) for number in range(30)]
    assert [message["redelivered"] for message in again] == [True] * 25 + [False] * 5


def test_messages_are_taken_for_good(api: Client, channel: BlockingChannel, queue: str, unique: str) -> None:
    api.put(
        f"/queues/%2F/dying-{unique}",
        {"arguments": {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}},
    )
    for number in range(3):
        publish(api, f"dying-{unique}", str(number))
    assert [message["payload"] for message in get(api, f"dying-{unique}", "ack_requeue_false", 1)] == ["0"]
    assert [message["payload"] for message in get(api, f"dying-{unique}", "reject_requeue_false", 1)] == ["1"]
    assert [message["payload"] for message in get(api, f"dying-{unique}", "ack_requeue_false")] == ["2"]
    assert get(api, f"dying-{unique}") == []
    (letter,) = get(api, queue)
    assert letter["payload"] == "1"
    assert letter["properties"]["headers"]["x-death"][0]["reason"] == "rejected"
    counts = api.get(f"/queues/%2F/dying-{unique}").json["message_stats"]
    assert (counts["get_no_ack"], counts["get"], counts["get_empty"]) == (2, 1, 2)


@pytest.mark.parametrize("mode", ["ack_requeue_true", "reject_requeue_true"])
def test_what_was_put_back_counts_as_delivered(mode: str, api: Client, unique: str) -> None:
    """As of any client; to look without that there is peek."""
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": 2}
    api.put(f"/queues/%2F/{unique}", {"durable": True, "arguments": arguments})
    publish(api, unique)
    for _ in range(3):
        assert len(api.post(f"/menura/queues/%2F/{unique}/peek").json["messages"]) == 1
        assert len(get(api, unique, mode)) == 1
    assert get(api, unique) == []


def test_payloads_are_cut_and_encoded_as_asked(api: Client, queue: str) -> None:
    publish(api, queue, "häh")
    (whole,) = get(api, queue)
    assert (whole["payload"], whole["payload_encoding"], whole["payload_bytes"]) == ("häh", "string", 4)
    (cut,) = get(api, queue, truncate=2)
    assert (cut["payload"], cut["payload_bytes"]) == ("h", 4)
    (encoded,) = get(api, queue, encoding="base64", truncate="3")
    assert (encoded["payload"], encoded["payload_encoding"]) == (base64.b64encode("hä".encode()).decode(), "base64")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"count": "x"}, ["not_integer", "x"]),
        ({"truncate": "x"}, ["not_integer", "x"]),
        ({"encoding": "zz"}, "Unsupported encoding. Please use auto or base64."),
        ({"ackmode": None}, "[{key_missing,ackmode}]"),
        (
            {"ackmode": "zz"},
            "ackmode must be one of ack_requeue_true, reject_requeue_true, ack_requeue_false, reject_requeue_false",
        ),
    ],
)
def test_what_is_no_question_is_refused(said: dict[str, Any], reason: Any, api: Client, queue: str) -> None:
    publish(api, queue)
    asked = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto", **said}
    answer = api.post(f"/queues/%2F/{queue}/get", asked)
    assert (answer.status, answer.json["reason"]) == (400, reason)
    assert len(get(api, queue)) == 1


def test_a_count_below_zero_is_all_and_zero_none(api: Client, queue: str) -> None:
    for _ in range(3):
        publish(api, queue)
    assert len(get(api, queue, count=-1)) == 3
    assert get(api, queue, count=0) == []
    assert len(get(api, queue, count="2")) == 2


def test_a_queue_of_a_connection_is_not_read(api: Client, channel: BlockingChannel, unique: str) -> None:
    channel.queue_declare(unique, exclusive=True)
    answer = api.post(f"/queues/%2F/{unique}/get", {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"})
    assert answer.status == 400
    assert answer.json["reason"].startswith("405 RESOURCE_LOCKED - cannot obtain exclusive access")


@given(st.binary(max_size=40) | st.text(max_size=20).map(str.encode), st.integers(0, 40), st.integers(1, 5))
def test_a_payload_can_be_read_back(body: bytes, cut: int, piece: int) -> None:
    """All of what a payload says is the beginning of the body, short by no more than a character."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("menura.management.views.message._PIECE_BYTES", 3 * piece)
        shown, encoded = (
            json.loads(_written(body[:cut], cut < len(body), encoding)) for encoding in ("auto", "base64")
        )
    assert shown["a"] == 1
    back = shown["payload"].encode() if shown["payload_encoding"] == "string" else base64.b64decode(shown["payload"])
    assert body.startswith(back)
    assert len(body[:cut]) - len(back) < 4
    assert base64.b64decode(encoded["payload"]) == body[:cut]


def _written(body: bytes, cut: bool, encoding: str) -> bytes:
    out = bytearray()
    finish(written(out, {"a": 1}, body, cut, encoding))
    return bytes(out)


def test_a_payload_that_is_too_large_stays_unless_less_of_it_is_wanted(
    api: Client, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("menura.management.api.messages.BYTES_MAX", 5000)
    for payload in ("small", "x" * 5001):
        publish(api, queue, payload=payload)
    asked = {"count": 2, "ackmode": "ack_requeue_false", "encoding": "auto"}
    assert [found["payload"] for found in api.post(f"/queues/%2F/{queue}/get", asked).json] == ["small"]
    refused = api.post(f"/queues/%2F/{queue}/get", asked)
    assert refused.status == 400
    assert refused.json["reason"] == "a payload of 5001 octets is too large to be given: truncate it to 5000"
    (cut,) = api.post(f"/queues/%2F/{queue}/get", {**asked, "truncate": 5000}).json
    assert (len(cut["payload"]), cut["payload_bytes"], cut["redelivered"]) == (5000, 5001, True)
    assert api.post(f"/queues/%2F/{queue}/get", asked).json == []


def test_others_are_served_while_many_messages_are_put_back_to_their_places() -> None:
    desk = Desk()
    vhost = desk.broker.node.vhosts["/"]
    queue = vhost.declare_queue("q")
    route = Route("", "q")
    for number in range(3000):
        content = pack(b"\0\0", b"%d" % number)
        vhost.publish(route, Run(route, [content], len(content), len(content), False))
    peer, counts = HttpPeer(desk), set()
    asked = {"count": 3000, "ackmode": "ack_requeue_true", "encoding": "auto"}
    peer.session.receive(request("POST", "/api/queues/%2F/q/get", json.dumps(asked).encode()))
    while not (said := peer.session.flush()):
        assert desk.busy()
        desk.turns.popleft()()
        counts.add(queue.ready_count)
        assert queue.ready_count + queue.unsettled_count == 3000
    peer.said += said
    (told,) = peer.finish().answers("POST")
    assert [int(found["payload"]) for found in json.loads(told.body)] == list(range(3000))
    assert len(counts) > 5
    assert [int(body_of(queue.take(1)[1].contents[0])) for _ in range(3000)] == list(range(3000))


@given(st.binary(max_size=60).map(lambda body: base64.b64encode(body).decode()) | st.text("AB=+/ \n", max_size=40))
def test_a_payload_in_base64_is_the_same_in_pieces(payload: str) -> None:
    given = {"payload": payload, "payload_encoding": "base64"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("menura.management.publishing._PIECE_CHARACTERS", 8)
        try:
            found = run(publishing.body_of(given))
        except HttpError:
            found = None
    try:
        whole = base64.b64decode(payload, validate=True)
    except ValueError:
        whole = None
    assert found == whole


def test_others_are_served_while_a_large_message_is_published() -> None:
    desk = Desk()
    queue = desk.broker.node.vhosts["/"].declare_queue("q")
    body = bytes(range(256)) * 20_000
    said = {"routing_key": "q", "properties": {}, "payload_encoding": "base64"}
    asked = json.dumps({**said, "payload": base64.b64encode(body).decode()}).encode()
    peer = HttpPeer(desk)
    peer.session.receive(request("POST", "/api/exchanges/%2F/amq.default/publish", asked))
    turns = 0
    while not (answer := peer.session.flush()):
        assert desk.busy()
        desk.turns.popleft()()
        turns += 1
    peer.said += answer
    assert [told.body for told in peer.answers("POST")] == [b'{"routed":true}']
    assert body_of(queue.take(1)[1].contents[0]) == body
    assert turns > 5


def test_nothing_is_published_where_the_virtual_host_has_gone_while_a_large_message_was_read() -> None:
    desk = Desk()
    desk.broker.node.add_vhost("v")
    desk.broker.node.users.permit("guest", "v")
    said = {"routing_key": "q", "properties": {}, "payload_encoding": "string", "payload": "x" * 5_000_000}
    peer = HttpPeer(desk)
    peer.session.receive(request("POST", "/api/exchanges/v/amq.default/publish", json.dumps(said).encode()))
    desk.broker.node.delete_vhost("v")
    assert [told.status for told in peer.finish().answers("POST")] == [404]
