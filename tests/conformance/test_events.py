"""What happens to queues, exchanges, bindings, consumers, channels and connections is told by amq.rabbitmq.event.

The broker may have other clients: only what is told of a virtual host of our own is looked at, and of that the headers
that every broker knows.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from pamqp.commands import Basic, Connection, Exchange, Queue
from tests.conformance.administration import Administration
from tests.conformance.conftest import Connect
from tests.conformance.wire import ANSWER_SECONDS_MAX, Client

EVENT = "amq.rabbitmq.event"
Told = tuple[str, dict[str, Any], dict[str, Any]]


class Listener:
    """Hears of one virtual host."""

    def __init__(self, client: Client, vhost: str) -> None:
        self._client = client
        self._vhost = vhost
        queue = f"events-{vhost}"
        client.queue(queue)
        for what in ("queue", "exchange", "binding", "consumer", "channel", "connection", "policy", "permission"):
            client.bind(queue, EVENT, f"{what}.*")
        client.consume(queue, "w", no_ack=True)

    def next(self, about: str = "vhost") -> Told:
        """Key, headers and properties of the next event that has to do with the virtual host."""
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while time.monotonic() < deadline:
            _, method, head, payload = self._client.method()
            assert isinstance(method, Basic.Deliver)
            assert payload == b""
            if head.properties.headers.get(about) == self._vhost:
                properties = {name: value for name, value in head.properties if value is not None}
                return method.routing_key, properties.pop("headers"), properties
        raise TimeoutError

    def expect(self, *expected: tuple[str, dict[str, Any]]) -> None:
        """These come next, with at least these headers."""
        got = []
        for _, headers in expected:
            key, found, _ = self.next()
            got.append((key, {name: found.get(name) for name in headers}))
        assert got == list(expected)


@pytest.fixture
def v(administration: Administration) -> str:
    vhost = f"told-{uuid.uuid4().hex[:8]}"
    administration.add_vhost(vhost)
    return vhost


@pytest.fixture
def heard(connect: Connect, v: str, administration: Administration) -> Listener:
    listener = Listener(connect().login().open_channel(), v)
    administration.permit("guest", v, ".*", ".*", ".*")
    listener.expect(("permission.created", {"user": "guest", "configure": ".*", "write": ".*", "read": ".*"}))
    return listener


@pytest.fixture
def open_in(amqp_url: str, connect: Connect) -> Callable[[str], Client]:
    parts = urlsplit(amqp_url)
    return lambda vhost: connect(f"amqp://{parts.netloc}/{vhost}").login()


def test_what_a_client_does_is_told_in_order(heard: Listener, v: str, open_in: Callable[[str], Client]) -> None:
    c = open_in(v)
    heard.expect(
        (
            "connection.created",
            {"user": "guest", "type": "network", "ssl": False, "user_who_performed_action": "guest"},
        )
    )
    c.open_channel()
    heard.expect(("channel.created", {"number": 1, "user": "guest"}))
    c.exchange("x", "topic", **{"alternate-exchange": "y"})
    c.send(Queue.Declare(queue="q", durable=True, arguments={"x-max-length": 3}))
    c.expect("1 Queue.DeclareOk(...")
    c.bind("q", "x", "k", {"a": 1})
    c.consume("q", "tag")
    heard.expect(
        (
            "exchange.created",
            {
                "name": "x",
                "type": "topic",
                "durable": False,
                "auto_delete": False,
                "internal": False,
                "arguments": ['{<<"alternate-exchange">>,longstr,<<"y">>}'],
                "user_who_performed_action": "guest",
            },
        ),
        (
            "queue.created",
            {
                "name": "q",
                "durable": True,
                "auto_delete": False,
                "exclusive": False,
                "arguments": ['{<<"x-max-length">>,byte,3}'],
                "user_who_performed_action": "guest",
            },
        ),
        (
            "binding.created",
            {
                "source_name": "x",
                "source_kind": "exchange",
                "destination_name": "q",
                "destination_kind": "queue",
                "routing_key": "k",
                "arguments": ['{<<"a">>,byte,1}'],
            },
        ),
        (
            "consumer.created",
            {"consumer_tag": "tag", "queue": "q", "exclusive": False, "ack_required": True, "prefetch_count": 0},
        ),
    )
    c.ask(Basic.Cancel(consumer_tag="tag"), "1 Basic.CancelOk(consumer_tag='tag')")
    heard.expect(("consumer.deleted", {"consumer_tag": "tag", "queue": "q"}))
    c.ask(Queue.Unbind(queue="q", exchange="x", routing_key="k", arguments={"a": 1}), "1 Queue.UnbindOk()")
    heard.expect(("binding.deleted", {"source_name": "x", "destination_name": "q", "routing_key": "k"}))
    c.ask(Queue.Delete(queue="q"), "1 Queue.DeleteOk(message_count=0)")
    c.ask(Exchange.Delete(exchange="x"), "1 Exchange.DeleteOk()")
    heard.expect(("queue.deleted", {"name": "q"}), ("exchange.deleted", {"name": "x"}))


def test_bindings_go_with_their_queue_and_before_it(heard: Listener, v: str, open_in: Callable[[str], Client]) -> None:
    c = open_in(v).open_channel()
    heard.expect(("connection.created", {}), ("channel.created", {}))
    c.queue("q")
    c.bind("q", "amq.direct", "k")
    heard.expect(("queue.created", {"exclusive": True}), ("binding.created", {"routing_key": "k"}))
    c.send(Connection.Close(200, "", 0, 0), channel=0)
    heard.expect(("binding.deleted", {"routing_key": "k"}), ("queue.deleted", {"name": "q"}))


def test_policies_are_told_of(heard: Listener, v: str, administration: Administration) -> None:
    assert administration.set_policy(v, "p", "^x", {"max-length": 5}, priority=2) == ""
    assert administration.clear_policy(v, "p") == ""
    definition = {"pattern": "^x", "definition": {"max-length": 5}, "priority": 2, "apply-to": "all"}
    heard.expect(("policy.set", {"name": "p", **definition}), ("policy.cleared", {"name": "p"}))


def test_events_are_persistent_and_have_a_time(heard: Listener, v: str, open_in: Callable[[str], Client]) -> None:
    open_in(v)
    _, headers, properties = heard.next()
    assert properties["delivery_mode"] == 2
    assert abs(properties["timestamp"].timestamp() - headers["timestamp_in_ms"] / 1000) <= 1
    assert abs(headers["timestamp_in_ms"] / 1000 - time.time()) < 60
