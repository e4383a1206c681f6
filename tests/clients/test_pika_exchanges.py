"""Exchanges of every kind, as pika's BlockingConnection declares, binds, chains and deletes them."""

from __future__ import annotations

from collections.abc import Iterator

import pika
import pika.exceptions
import pytest
from pika.adapters.blocking_connection import BlockingChannel


@pytest.fixture
def channel(amqp_url: str) -> Iterator[BlockingChannel]:
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel


@pytest.fixture
def queue(channel: BlockingChannel) -> str:
    return channel.queue_declare("", exclusive=True).method.queue


def take_all(channel: BlockingChannel, queue: str) -> list[bytes]:
    """Everything ready in the queue, taken with basic.get."""
    found = []
    while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
        found.append(got[2])
    return found


@pytest.mark.parametrize(
    ("kind", "key", "arrives"),
    [
        ("direct", "a.b", ["direct"]),
        ("fanout", "a.b", ["direct", "star", "hash", "other"]),
        ("topic", "a.b", ["direct", "star", "hash"]),
        ("topic", "a.b.c", ["hash"]),
    ],
)
def test_each_kind_of_exchange_routes_by_its_rule(
    channel: BlockingChannel, name: str, kind: str, key: str, arrives: list[str]
) -> None:
    channel.exchange_declare(name, kind, auto_delete=True)
    keys = {"direct": "a.b", "star": "*.b", "hash": "a.#", "other": "x"}
    queues = {label: channel.queue_declare("", exclusive=True).method.queue for label in keys}
    for label, pattern in keys.items():
        channel.queue_bind(queues[label], name, pattern)
    channel.basic_publish(name, key, b"m", mandatory=True)
    assert [label for label in keys if take_all(channel, queues[label])] == arrives


def test_a_headers_exchange_matches_all_or_any(channel: BlockingChannel, name: str) -> None:
    channel.exchange_declare(name, "headers", auto_delete=True)
    both, either = (channel.queue_declare("", exclusive=True).method.queue for _ in range(2))
    channel.queue_bind(both, name, arguments={"x-match": "all", "a": 1, "b": 2})
    channel.queue_bind(either, name, arguments={"x-match": "any", "a": 1, "b": 2})
    for headers in ({"a": 1}, {"a": 1, "b": 2}, {"c": 3}):
        channel.basic_publish(name, "", str(headers).encode(), pika.BasicProperties(headers=headers))
    assert take_all(channel, both) == [b"{'a': 1, 'b': 2}"]
    assert take_all(channel, either) == [b"{'a': 1}", b"{'a': 1, 'b': 2}"]


def test_exchanges_can_be_chained_and_unchained(channel: BlockingChannel, queue: str, name: str) -> None:
    source, sink = f"{name}-source", f"{name}-sink"
    channel.exchange_declare(source, "topic")
    channel.exchange_declare(sink, "fanout")
    channel.exchange_bind(sink, source, "logs.*")
    channel.queue_bind(queue, sink)
    channel.basic_publish(source, "logs.mail", b"through both")
    channel.exchange_unbind(sink, source, "logs.*")
    channel.basic_publish(source, "logs.mail", b"no way any more")
    assert take_all(channel, queue) == [b"through both"]
    channel.exchange_delete(source)
    channel.exchange_delete(sink)


def test_an_alternate_exchange_takes_what_finds_no_queue(channel: BlockingChannel, queue: str, name: str) -> None:
    rest = f"{name}-rest"
    channel.exchange_declare(rest, "fanout", auto_delete=True)
    channel.exchange_declare(name, "direct", auto_delete=True, arguments={"alternate-exchange": rest})
    channel.queue_bind(queue, rest)
    channel.basic_publish(name, "no such key", b"caught", mandatory=True)
    assert take_all(channel, queue) == [b"caught"]
    channel.exchange_delete(name)


def test_an_auto_delete_exchange_goes_with_its_last_binding(channel: BlockingChannel, queue: str, name: str) -> None:
    channel.exchange_declare(name, "fanout", auto_delete=True)
    channel.exchange_declare(name, passive=True)
    channel.queue_bind(queue, name)
    channel.queue_unbind(queue, name)
    with pytest.raises(pika.exceptions.ChannelClosedByBroker, match=f"NOT_FOUND - no exchange '{name}' in vhost"):
        channel.exchange_declare(name, passive=True)
