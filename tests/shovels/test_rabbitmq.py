"""Shovels between RabbitMQ and a broker of ours, both ways, and RabbitMQ's own shovel to us.

They need a RabbitMQ with its management plugin on this machine's standard ports, and are left out where none answers.
"""

from __future__ import annotations

import base64
import html
import json
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from tests.shovels.conftest import Dig, State
from tests.shovels.queues import PROPERTIES, Queues, eventually

import menura
from menura.core.errors import PreconditionFailed

API = "http://127.0.0.1:15672/api"
LOGIN = "Basic " + base64.b64encode(b"guest:guest").decode()
MESSAGES = 50_000
BODIES = [b"%d" % number for number in range(MESSAGES)]
SECONDS = 100.0
pytestmark = pytest.mark.timeout(240)


def ask(method: str, path: str, value: Any = None) -> Any:
    """The answer of RabbitMQ's API, None for one without a body."""
    request = urllib.request.Request(
        API + path,
        None if value is None else json.dumps(value).encode(),
        {"authorization": LOGIN, "content-type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        body = answer.read()
    return json.loads(body) if body else None


class Rabbit:
    """A virtual host of its own in RabbitMQ."""

    def __init__(self) -> None:
        self.vhost = f"menura-{uuid.uuid4().hex[:8]}"
        self.url = f"amqp://guest:guest@127.0.0.1:5672/{self.vhost}"
        ask("PUT", f"/vhosts/{self.vhost}")
        ask("PUT", f"/permissions/{self.vhost}/guest", {"configure": ".*", "write": ".*", "read": ".*"})

    def remove(self) -> None:
        ask("DELETE", f"/vhosts/{self.vhost}")

    def connections(self, name: str) -> list[str]:
        """Those of this name, by what the API calls them."""
        return [
            connection["name"]
            for connection in ask("GET", f"/vhosts/{self.vhost}/connections")
            if connection.get("user_provided_name") == name
        ]

    def close(self, connection: str) -> None:
        try:
            ask("DELETE", f"/connections/{quote(connection, safe='')}")
        except urllib.error.HTTPError as error:
            if error.code != 404:  # it has gone by itself
                raise


@pytest.fixture(scope="module")
def rabbit() -> Iterator[Rabbit]:
    try:
        product = ask("GET", "/overview").get("product_name")
    except OSError:
        product = None
    if product != "RabbitMQ":
        pytest.skip("no RabbitMQ with its management plugin answers")
    rabbit = Rabbit()
    yield rabbit
    rabbit.remove()


@pytest.fixture
def hutch(rabbit: Rabbit) -> Iterator[Queues]:
    with Queues(rabbit.url) as queues:
        yield queues


def test_a_queue_moves_from_rabbitmq_and_back_with_all_its_messages_had(
    rabbit: Rabbit, hutch: Queues, here: Queues, dig: Dig, state: State
) -> None:
    hutch.declare("from")
    here.declare("to")
    hutch.fill("from", BODIES)
    dig("in", src_uri=rabbit.url, src_queue="from", dest_queue="to", src_delete_after="queue-length")
    here.until("to", MESSAGES, SECONDS)
    state.until("gone", "in")
    hutch.declare("back")
    dig("out", src_uri="amqp://", dest_uri=rabbit.url, src_queue="to", dest_queue="back")
    hutch.until("back", MESSAGES, SECONDS)
    eventually(lambda: state("out").get("pending") == 0, "all are confirmed")
    here.until("to", 0)
    received: list[bytes] = []
    for _, properties, body in hutch.channel.consume("back", auto_ack=True, inactivity_timeout=5):
        assert properties == PROPERTIES
        received.append(body)
        if len(received) == MESSAGES:
            break
    assert received == BODIES


@pytest.mark.parametrize("mode", ["on-confirm", "on-publish", "no-ack"])
@pytest.mark.parametrize("inwards", [True, False])
def test_every_mode_with_exchanges_at_both_ends(
    mode: str, inwards: bool, rabbit: Rabbit, hutch: Queues, here: Queues, dig: Dig, state: State
) -> None:
    source, destination = (hutch, here) if inwards else (here, hutch)
    uris = (rabbit.url, "amqp://") if inwards else ("amqp://", rabbit.url)
    destination.declare("to")
    destination.channel.exchange_declare("copies", "topic", durable=True)
    destination.channel.queue_bind("to", "copies", "#")
    dig(
        src_uri=uris[0],
        dest_uri=uris[1],
        src_exchange="amq.topic",
        src_exchange_key="order.*",
        dest_exchange="copies",
        ack_mode=mode,
        dest_add_forward_headers=True,
    )
    state.until("running")
    for number in range(100):
        source.channel.basic_publish("amq.topic", f"order.{number}", b"%d" % number)
    destination.until("to", 100)
    messages = destination.take("to")
    assert [(method.exchange, method.routing_key) for method, _, _ in messages] == [
        ("copies", f"order.{number}") for number in range(100)
    ]
    assert messages[0][1].headers["x-shovelled"][0]["src-exchange-key"] == "order.*"
    destination.channel.exchange_delete("copies")


@pytest.mark.parametrize("inwards", [True, False])
def test_nothing_is_missing_when_rabbitmq_closes_the_connection_again_and_again(
    inwards: bool, rabbit: Rabbit, hutch: Queues, here: Queues, dig: Dig, state: State
) -> None:
    source, destination = (hutch, here) if inwards else (here, hutch)
    uris = (rabbit.url, "amqp://") if inwards else ("amqp://", rabbit.url)
    source.declare("from")
    destination.declare("to")
    bodies = BODIES[:20_000]
    dig(src_uri=uris[0], dest_uri=uris[1], src_queue="from", dest_queue="to", src_prefetch_count=100)
    state.until("running")
    ended = threading.Event()
    closed: list[str] = []

    def close_all() -> None:
        while not ended.is_set():
            for connection in rabbit.connections("Shovel s"):
                rabbit.close(connection)
                closed.append(connection)

    closing = threading.Thread(target=close_all)
    closing.start()
    try:
        source.fill("from", bodies)
        eventually(lambda: len(set(closed)) >= 2, "it was closed twice")
    finally:
        ended.set()
        closing.join()
    source.until("from", 0, SECONDS)
    eventually(lambda: state().get("pending") == 0, "all are confirmed")
    assert set(destination.bodies("to")) == set(bodies)


def test_the_consumer_ends_with_the_queue_in_rabbitmq(
    rabbit: Rabbit, hutch: Queues, here: Queues, dig: Dig, state: State
) -> None:
    hutch.declare("from")
    dig(src_uri=rabbit.url, src_queue="from", dest_queue="to", reconnect_delay=0)
    here.declared.append("to")
    state.until("running")
    hutch.channel.queue_delete("from")
    assert state.until("terminated")["reason"].startswith("source: the consumer was cancelled")


def test_the_shovel_of_rabbitmq_moves_a_queue_to_us(
    rabbit: Rabbit, near: menura.Broker, hutch: Queues, here: Queues
) -> None:
    try:
        ask("GET", "/shovels")
    except urllib.error.HTTPError:
        pytest.skip("RabbitMQ has no shovel plugin")
    hutch.declare("from")
    here.declare("to")
    hutch.fill("from", BODIES[:5000])
    value = {
        "src-uri": rabbit.url,
        "dest-uri": near.amqp_url.rstrip("/"),
        "src-queue": "from",
        "dest-queue": "to",
        "src-delete-after": "queue-length",
    }
    ask("PUT", f"/parameters/shovel/{rabbit.vhost}/theirs", {"value": value})
    here.until("to", 5000, SECONDS)
    messages = here.take("to")
    assert [body for _, _, body in messages] == BODIES[:5000]
    assert all(properties == PROPERTIES for _, properties, _ in messages)


GOOD = {"src-uri": "amqp://", "dest-uri": "amqp://", "src-queue": "a", "dest-queue": "b"}
WRONG: list[dict[str, Any]] = [
    {},
    {"src-uri": 5},
    {**GOOD, "src-uri": "http://x"},
    {**GOOD, "src-uri": "nonsense"},
    {**GOOD, "src-uri": "amqp://h/a/b"},
    {**GOOD, "src-uri": ["amqp://", 3]},
    {**GOOD, "src-uri": "amqp:///nowhere"},
    {**GOOD, "src-exchange": "x"},
    {**GOOD, "dest-exchange": "x"},
    {**GOOD, "ack-mode": "foo"},
    {**GOOD, "ack-mode": "no-ack", "delete-after": 5},
    {**GOOD, "src-delete-after": -1},
    {**GOOD, "src-delete-after": "foo"},
    {**GOOD, "src-prefetch-count": "x"},
    {**GOOD, "reconnect-delay": "x"},
    {**GOOD, "add-forward-headers": 1},
    {**GOOD, "publish-properties": {"foo": 1}},
    {**GOOD, "publish-properties": {"content_type": 1}},
    {**GOOD, "publish-properties": [1]},
    {**GOOD, "dest-publish-properties": {"delivery_mode": "2"}},
    {**GOOD, "bogus": 1},
    {**GOOD, "src-queue": 7},
    {**GOOD, "dest-queue": 7, "ack-mode": "foo", "bogus": [1]},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_value_is_refused_in_the_same_words(wrong: dict[str, Any], rabbit: Rabbit, near: menura.Broker) -> None:
    try:
        ask("GET", "/shovels")
    except urllib.error.HTTPError:
        pytest.skip("RabbitMQ has no shovel plugin")
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask("PUT", f"/parameters/shovel/{rabbit.vhost}/s", {"value": wrong})
    with refused.value as answer:
        theirs = html.unescape(json.loads(answer.read())["reason"])
    with pytest.raises(PreconditionFailed) as ours:
        near._call(lambda: near.node.parameters.set("shovel", "s", wrong, "/", user="guest"))
    assert str(ours.value) == theirs
