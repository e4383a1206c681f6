"""Copies of what is published and delivered: which there are, when they are published, and what they cost nobody."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.domain import Receiver, consume, numbered, numbers_of, publish
from tests.core.kept import Kept, live

from menura.core import fields, properties
from menura.core.content import pack, properties_of
from menura.core.peers import Peer
from menura.core.presence import Connected
from menura.core.properties import Properties
from menura.core.routing import Route
from menura.core.run import Run
from menura.core.tracing import EXCHANGE, Watched
from menura.core.vhost import VHost

CLIENT = Connected("talk", Peer("127.0.0.1:1"), "guest", "/")


class Known(Receiver):
    who = (CLIENT, 7)


@pytest.fixture
def kept() -> Kept:
    kept = live()
    kept.node.trace("/")
    kept.vhost.declare_queue("copies")
    kept.vhost.bind(EXCHANGE, kept.vhost.queues["copies"], "#", {})
    return kept


def say(vhost: VHost, route: Route, run: Run) -> None:
    """What a session does for its client."""
    if vhost.tracer is not None:
        vhost.tracer.published(CLIENT, 7, run)
    vhost.publish(route, run)


def copies(vhost: VHost) -> list[tuple[str, dict[str, Any], list[int]]]:
    """Key, headers and numbers of what is in the queue of copies, which is emptied."""
    vhost.dispatch()
    found = []
    queue = vhost.queues["copies"]
    while queue.ready_count:
        position, run, _ = queue.take(1)
        queue.settle(position, run)
        raw = properties.headers_raw(properties_of(run.contents[0])) or b""
        found.append((run.route.key, fields.decode_table(raw)[0], numbers_of(run)))
    return found


def test_a_message_is_copied_when_it_is_published_and_when_it_is_delivered(kept: Kept) -> None:
    vhost = kept.vhost
    vhost.declare_queue("q")
    consume(vhost.queues["q"], Known())
    route = Route("", "q", ("other",))
    say(vhost, route, numbered(route, [1]))
    place = {"node": "menura@localhost", "vhost": "/", "connection": "127.0.0.1:1", "channel": 7, "user": "guest"}
    what: dict[str, Any] = {"exchange_name": "", "routing_keys": ["q", "other"], "properties": {}}
    assert copies(vhost) == [
        ("publish.", {**what, **place, "routed_queues": ["q"]}, [1]),
        ("deliver.q", {**what, **place, "redelivered": 0}, [1]),
    ]


def test_properties_are_a_table_with_numbers_of_32_bits(kept: Kept) -> None:
    block = Properties(content_type="t", headers={"n": 1}, priority=3, timestamp=5, app_id="a").encode()
    content = pack(block, bytes(8))
    route = Route("", "nowhere")
    say(kept.vhost, route, Run(route, [content], len(content), len(content), False))
    [(_, headers, _)] = copies(kept.vhost)
    assert headers["properties"] == {
        "content_type": "t", "headers": {"n": 1}, "priority": 3, "timestamp": 5, "app_id": "a",
    }  # fmt: skip
    assert headers["routed_queues"] == []


def test_consumers_that_were_there_before_and_that_come_later_are_traced_until_it_ends() -> None:
    kept = live()
    vhost = kept.vhost
    queue = vhost.declare_queue("q")
    vhost.bind(EXCHANGE, vhost.declare_queue("copies"), "deliver.#", {})
    before = consume(queue, Known(), prefetch=1)
    kept.node.trace("/")
    later = consume(queue, Known(), prefetch=1)
    publish(vhost, "", "q", [1, 2])
    assert sorted(number for _, _, numbers in copies(vhost) for number in numbers) == [1, 2]
    kept.node.untrace("/")
    kept.node.untrace("/")
    assert not any(isinstance(each.subscriber, Watched) for each in (before, later))
    for consumer in (before, later):
        consumer.subscriber.deliveries[0].settle()  # type: ignore[attr-defined]
    publish(vhost, "", "q", [3, 4])
    vhost.dispatch()
    assert vhost.tracer is None
    assert copies(vhost) == []


def test_a_consumer_of_copies_gets_no_copies_of_them(kept: Kept) -> None:
    receiver = Known()
    consume(kept.vhost.queues["copies"], receiver)
    route = Route("", "nowhere")
    say(kept.vhost, route, numbered(route, [1]))
    kept.vhost.dispatch()
    kept.vhost.dispatch()
    assert receiver.numbers() == [1]


def test_a_subscriber_is_as_before_to_its_queue(kept: Kept) -> None:
    queue = kept.vhost.declare_queue("q")
    receiver = Known()
    consumer = consume(queue, receiver)
    receiver.writable = False
    assert consumer.room() == 0
    kept.vhost.remove_queue(queue)
    assert receiver.gone == [consumer]


def test_a_copy_for_a_queue_that_is_about_to_get_the_message_itself_waits_for_that(kept: Kept) -> None:
    vhost = kept.vhost
    for name in ("q", "both"):
        vhost.bind("amq.fanout", vhost.declare_queue(name, durable=True), "", {})
    vhost.bind(EXCHANGE, vhost.queues["both"], "#", {})
    consume(vhost.queues["q"], Known())
    route = Route("amq.fanout", "")
    say(vhost, route, numbered(route, [1], persistent=True))
    vhost.dispatch()
    say(vhost, route, numbered(route, [2], persistent=True))
    vhost.dispatch()
    both = vhost.queues["both"]
    waiting = {
        place.position + at: number for place in both.places for at, number in enumerate(numbers_of(place.waiting))
    }
    assert list(waiting.values()) == [1, 1, 1, 2, 2, 2]
    assert kept.messages(both) == {position: waiting[position] for position in (0, 3)}


def test_a_full_queue_of_copies_refuses_nobodys_message(kept: Kept) -> None:
    vhost = kept.vhost
    limits = {"x-max-length": fields.encode_value(1), "x-overflow": fields.encode_value("reject-publish")}
    vhost.bind(EXCHANGE, vhost.declare_queue("full", arguments=limits), "#", {})
    route = Route("", "copies")
    for number in range(3):
        say(vhost, route, numbered(route, [number]))
        vhost.dispatch()
    assert vhost.take_refused() == 0
    assert vhost.queues["full"].ready_count == 1


def test_what_is_published_to_nothing_there_is_has_no_copy(kept: Kept) -> None:
    assert kept.vhost.tracer is not None
    kept.vhost.tracer.published(CLIENT, 1, numbered(Route("missing", "k"), [1]))
    assert copies(kept.vhost) == []


def test_a_long_name_of_a_queue_is_cut_to_fit_a_key(kept: Kept) -> None:
    name = "q" * 254 + "\u00fc"
    queue = kept.vhost.queues["copies"]
    kept.vhost.declare_queue(name[:-2] + "\u00fc")
    consume(kept.vhost.queues[name[:-2] + "\u00fc"], Known())
    publish(kept.vhost, "", name[:-2] + "\u00fc", [1])
    kept.vhost.dispatch()
    [place] = queue.places
    assert len(place.waiting.route.key.encode()) <= 255
