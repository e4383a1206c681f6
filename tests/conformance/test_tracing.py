"""The firehose: what is published and delivered in a virtual host comes out of amq.rabbitmq.trace as well."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from pamqp.commands import Basic, Queue
from tests.conformance.administration import Administration
from tests.conformance.conftest import Connect
from tests.conformance.wire import Client

TRACE = "amq.rabbitmq.trace"
# The node and the connection have other names with every broker.
PLACE = "'node': '...', {}'vhost': 'v', 'connection': '127.0.0.1:...', 'channel': 1, 'user': 'guest'"


@pytest.fixture(scope="module")
def traced(amqp_url: str, administration: Administration) -> Iterator[str]:
    """The URL of a virtual host that is traced."""
    vhost = f"traced-{uuid.uuid4().hex[:8]}"
    parts = urlsplit(amqp_url)
    administration.add_vhost(vhost)
    administration.permit("guest", vhost, ".*", ".*", ".*")
    administration.trace_on(vhost)
    yield f"amqp://{parts.netloc}/{vhost}"
    administration.trace_off(vhost)


@pytest.fixture
def t(connect: Connect, traced: str) -> Client:
    vhost = traced.rpartition("/")[2]
    return connect(traced, lambda text: text.replace(vhost, "v")).login().open_channel()


@pytest.fixture
def watch(connect: Connect, t: Client, traced: str) -> Client:
    """Gets the copies. What a client does is traced when it has been answered, but for this one."""
    vhost = traced.rpartition("/")[2]
    client = connect(traced, lambda text: text.replace(vhost, "v")).login().open_channel()
    client.queue("copies")
    client.bind("copies", TRACE, "#")
    client.consume("copies", "w", no_ack=True)
    return client


def published(exchange: str, keys: str, tag: int, body: bytes, properties: str = "{}", queues: str = "[]") -> str:
    place = PLACE.format("")
    return (
        f"1 Basic.Deliver(consumer_tag='w', delivery_tag={tag}, redelivered=False, exchange={TRACE!r}, "
        f"routing_key='publish.{exchange}') {{headers={{'exchange_name': '{exchange}', 'routing_keys': {keys}, "
        f"'properties': {properties}, {place}, 'routed_queues': {queues}}}}} {body!r}"
    )


def delivered(
    queue: str, exchange: str, keys: str, tag: int, body: bytes, properties: str = "{}", redelivered: int = 0
) -> str:
    place = PLACE.format(f"'redelivered': {redelivered}, ")
    return (
        f"1 Basic.Deliver(consumer_tag='w', delivery_tag={tag}, redelivered=False, exchange={TRACE!r}, "
        f"routing_key='deliver.{queue}') {{headers={{'exchange_name': '{exchange}', 'routing_keys': {keys}, "
        f"'properties': {properties}, {place}}}}} {body!r}"
    )


def test_a_published_message_is_copied_with_all_that_is_known_of_it(t: Client, watch: Client) -> None:
    t.queue("q")
    t.publish(
        "q",
        b"body",
        content_type="text/plain",
        headers={"a": 1},
        delivery_mode=2,
        priority=3,
        correlation_id="c",
        reply_to="r",
        expiration="60000",
        message_id="m",
        timestamp=datetime.datetime.fromtimestamp(5, datetime.UTC),
        message_type="t",
        user_id="guest",
        app_id="app",
    )
    properties = (
        "{'app_id': 'app', 'user_id': 'guest', 'type': 't', 'timestamp': 5, 'message_id': 'm', 'expiration': '60000', "
        "'reply_to': 'r', 'correlation_id': 'c', 'priority': 3, 'delivery_mode': 2, 'headers': {'a': 1}, "
        "'content_type': 'text/plain'}"
    )
    watch.expect(published("", "['q']", 1, b"body", properties, "['q']"))


def test_a_delivered_message_is_copied_each_time(t: Client, watch: Client) -> None:
    t.queue("q")
    t.publish("q", b"body")
    watch.expect(published("", "['q']", 1, b"body", queues="['q']"))
    t.send(Basic.Get(queue="q"))
    watch.expect(delivered("q", "", "['q']", 2, b"body"))
    t.send(Basic.Reject(1, requeue=True), Basic.Consume(queue="q", consumer_tag="c", no_ack=True))
    watch.expect(delivered("q", "", "['q']", 3, b"body", redelivered=1))
    t.publish("q", b"next")
    watch.expect(
        published("", "['q']", 4, b"next", queues="['q']"),
        delivered("q", "", "['q']", 5, b"next"),
    )


def test_every_key_and_queue_is_named_and_what_nobody_wants_is_copied_as_well(t: Client, watch: Client) -> None:
    t.queue("q")
    t.bind("q", "amq.topic", "a.*")
    t.publish("a.1", b"m", exchange="amq.topic", headers={"CC": ["b.1"], "BCC": ["c.1"]})
    t.publish("b.2", b"n", exchange="amq.topic")
    watch.expect(
        published("amq.topic", "['a.1', 'b.1', 'c.1']", 1, b"m", "{'headers': {'CC': ['b.1']}}", "['q']"),
        published("amq.topic", "['b.2']", 2, b"n"),
    )


def test_the_key_of_a_copy_can_be_asked_for(connect: Connect, t: Client, traced: str) -> None:
    t.queue("q")
    t.queue("gets")
    t.bind("gets", TRACE, "deliver.q")
    t.publish("q", b"m")
    t.send(Basic.Get(queue="q", no_ack=True))
    t.expect("1 Basic.GetOk(...")
    t.ask(Basic.Consume(queue="gets", consumer_tag="w", no_ack=True), "1 Basic.ConsumeOk(consumer_tag='w')")
    t.expect(delivered("q", "", "['q']", 2, b"m"))


def test_nothing_is_copied_any_more_once_it_is_off(
    t: Client, watch: Client, traced: str, administration: Administration
) -> None:
    vhost = traced.rpartition("/")[2]
    t.queue("q")
    t.consume("q", no_ack=True)
    administration.trace_off(vhost)
    try:
        t.publish("q", b"m")
        t.expect("1 Basic.Deliver(...")
        watch.expect_nothing("copies")
    finally:
        administration.trace_on(vhost)
    t.ask(Queue.Purge(queue="q"), "1 Queue.PurgeOk(message_count=0)")
    t.publish("q", b"n")
    watch.expect(published("", "['q']", 1, b"n", queues="['q']"), delivered("q", "", "['q']", 2, b"n"))
