"""From an exchange and a key to queues: graphs of exchanges, alternate exchanges, remembered answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.domain import a_vhost, publish, run_of, take_all

from menura.core import fields
from menura.core.content import pack
from menura.core.exchange import Asked, Exchange
from menura.core.properties import Properties
from menura.core.routing import HEADER_ANSWERS_MAX, Route, walk
from menura.core.vhost import VHost

EXCHANGES = ["e0", "e1", "e2", "e3"]
QUEUES = ["q0", "q1", "q2"]
EDGES = st.tuples(st.sampled_from(EXCHANGES), st.sampled_from(EXCHANGES + QUEUES), st.sampled_from(["a", "b"]))


def with_headers(body: bytes, **headers: Any) -> bytes:
    return pack(Properties(headers=headers).encode() if headers else b"\0\0", body)


def names(vhost: VHost, exchange: str, *keys: str, **headers: Any) -> list[str]:
    found = walk(vhost.exchanges, vhost.exchange(exchange), Asked(keys, headers, b"\0\0"))
    return sorted(queue.name for queue in found.queues)


def resolved(vhost: VHost, route: Route) -> Route:
    route.resolve(vhost.exchanges, vhost.exchange(route.exchange), vhost.version)
    return route


@given(st.lists(EDGES, max_size=12), st.dictionaries(st.sampled_from(EXCHANGES), st.sampled_from(EXCHANGES)))
def test_every_queue_that_can_be_reached_is_reached_once_and_cycles_end(
    edges: list[tuple[str, str, str]], alternates: dict[str, str]
) -> None:
    vhost = a_vhost()
    for name in EXCHANGES:
        alternate = alternates.get(name)
        arguments = {"alternate-exchange": fields.encode_value(alternate)} if alternate else {}
        vhost.declare_exchange(name, "direct", arguments=arguments)
    for name in QUEUES:
        vhost.declare_queue(name)
    for source, destination, key in edges:
        target = vhost.exchange(destination) if destination in EXCHANGES else vhost.queues[destination]
        vhost.bind(source, target, key, {})

    def reached(exchange: str, key: str, seen: set[str]) -> set[str]:
        seen.add(exchange)
        following = {destination for source, destination, bound in edges if (source, bound) == (exchange, key)}
        if not following and exchange in alternates:
            following = {alternates[exchange]}
        found = following - set(EXCHANGES)
        for each in sorted(following & set(EXCHANGES)):
            if each not in seen:
                found |= reached(each, key, seen)
        return found

    for key in ("a", "b"):
        assert names(vhost, "e0", key) == sorted(reached("e0", key, set()))


def test_a_message_arrives_once_however_many_bindings_match() -> None:
    vhost = a_vhost()
    queue = vhost.declare_queue("q")
    for pattern in ("#", "a.*", "a.b"):
        vhost.bind("amq.topic", queue, pattern, {})
    vhost.bind("amq.topic", vhost.exchange("amq.fanout"), "#", {})
    vhost.bind("amq.fanout", queue, "", {})
    publish(vhost, "amq.topic", "a.b", [1])
    assert take_all(queue) == [1]


def test_further_keys_reach_further_queues() -> None:
    vhost = a_vhost()
    for name in QUEUES:
        vhost.declare_queue(name)
    route = resolved(vhost, Route("", "q0", ("q2", "nowhere", "q0")))
    assert sorted(queue.name for queue in route.queues) == ["q0", "q2"]


@pytest.fixture
def alternates() -> VHost:
    """Exchange `main` of kind direct, whose alternate is `spare` (fanout), which leads to queue `rest`."""
    vhost = a_vhost()
    vhost.declare_exchange("main", "direct", arguments={"alternate-exchange": fields.encode_value("spare")})
    vhost.declare_exchange("spare", "fanout")
    vhost.bind("spare", vhost.declare_queue("rest"), "", {})
    vhost.bind("main", vhost.declare_queue("known"), "k", {})
    return vhost


def test_the_alternate_exchange_gets_only_what_found_no_destination(alternates: VHost) -> None:
    assert names(alternates, "main", "k") == ["known"]
    assert names(alternates, "main", "other") == ["rest"]


def test_an_exchange_as_destination_keeps_the_alternate_out_even_if_it_leads_nowhere(alternates: VHost) -> None:
    alternates.declare_exchange("dead-end", "fanout")
    alternates.bind("main", alternates.exchange("dead-end"), "dead", {})
    assert names(alternates, "main", "dead") == []


def test_a_missing_alternate_exchange_is_no_destination(alternates: VHost) -> None:
    alternates.delete_exchange("spare")
    assert publish(alternates, "main", "other", [1, 2]) == [1, 2]


def test_alternates_that_point_at_each_other_end() -> None:
    vhost = a_vhost()
    for name, other in (("a", "b"), ("b", "a")):
        vhost.declare_exchange(name, "fanout", arguments={"alternate-exchange": fields.encode_value(other)})
    assert names(vhost, "a", "k") == []


def test_an_alternate_exchange_by_headers_is_asked_message_by_message(alternates: VHost) -> None:
    arguments = {"alternate-exchange": fields.encode_value("amq.headers")}
    alternates.declare_exchange("first", "direct", arguments=arguments)
    alternates.bind("amq.headers", alternates.queues["rest"], "", {"n": fields.encode_value(1)})
    route = Route("first", "k")
    contents = [with_headers(b"a", n=1), with_headers(b"b", n=2), with_headers(b"c")]
    assert alternates.publish(route, run_of(route, contents)) == contents[1:]
    assert alternates.queues["rest"].ready_count == 1


def test_the_alternate_of_a_headers_exchange_gets_what_no_headers_matched(alternates: VHost) -> None:
    arguments = {"alternate-exchange": fields.encode_value("spare")}
    alternates.declare_exchange("h", "headers", arguments=arguments)
    alternates.bind("h", alternates.queues["known"], "", {"n": fields.encode_value(1)})
    route = Route("h", "")
    assert alternates.publish(route, run_of(route, [with_headers(b"a", n=1), with_headers(b"b", n=2)])) == []
    assert [alternates.queues[name].ready_count for name in ("known", "rest")] == [1, 1]


# Remembering


def test_a_route_remembers_its_queues_until_the_topology_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    vhost = a_vhost()
    queue = vhost.declare_queue("q")
    route = Route("amq.fanout", "")
    searched = []
    resolve = Route.resolve

    def counting(self: Route, exchanges: Any, start: Exchange, version: int) -> None:
        searched.append(version)
        resolve(self, exchanges, start, version)

    monkeypatch.setattr(Route, "resolve", counting)
    for _ in range(3):
        assert vhost.publish(route, run_of(route, [b"x" * 22]))
    vhost.bind("amq.fanout", queue, "", {})
    for _ in range(3):
        assert not vhost.publish(route, run_of(route, [b"x" * 22]))
    vhost.unbind("amq.fanout", queue, "", {})
    assert vhost.publish(route, run_of(route, [b"x" * 22]))
    assert len(searched) == 3
    assert queue.ready_count == 3


CHANGES = {
    "declare a queue": lambda vhost: vhost.declare_queue("new"),
    "delete a queue": lambda vhost: vhost.remove_queue(vhost.queues["q"]),
    "declare an exchange": lambda vhost: vhost.declare_exchange("new", "fanout"),
    "delete an exchange": lambda vhost: vhost.delete_exchange("x"),
    "bind": lambda vhost: vhost.bind("x", vhost.queues["q"], "new", {}),
    "unbind": lambda vhost: vhost.unbind("x", vhost.queues["q"], "k", {}),
    "add a reply queue": lambda vhost: vhost.add_reply_queue("reply"),
    "remove a reply queue": lambda vhost: vhost.remove_reply_queue("old"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_the_topology_moves_the_version(change: str) -> None:
    vhost = a_vhost()
    vhost.declare_exchange("x", "direct")
    vhost.bind("x", vhost.declare_queue("q"), "k", {})
    vhost.add_reply_queue("old")
    before = vhost.version
    CHANGES[change](vhost)
    assert vhost.version > before


def test_what_changes_nothing_does_not_move_the_version() -> None:
    vhost = a_vhost()
    vhost.declare_exchange("x", "direct")
    vhost.bind("x", vhost.declare_queue("q"), "k", {})
    before = vhost.version
    vhost.declare_queue("q")
    vhost.declare_exchange("x", "direct")
    vhost.bind("x", vhost.queues["q"], "k", {})
    vhost.unbind("x", vhost.queues["q"], "other", {})
    vhost.delete_exchange("missing")
    vhost.remove_reply_queue("missing")
    publish(vhost, "x", "k", [1])
    assert vhost.version == before


# By headers


def test_a_route_is_special_only_where_a_headers_exchange_is_on_the_way() -> None:
    vhost = a_vhost()
    assert not resolved(vhost, Route("amq.fanout", "")).special
    assert resolved(vhost, Route("amq.headers", "")).special
    vhost.bind("amq.fanout", vhost.exchange("amq.headers"), "", {})
    assert resolved(vhost, Route("amq.fanout", "")).special
    assert not resolved(vhost, Route("amq.direct", "")).special


def test_answers_by_headers_are_remembered_by_the_encoded_headers_within_a_limit() -> None:
    vhost = a_vhost()
    queue = vhost.declare_queue("q")
    vhost.bind("amq.headers", queue, "", {"n": fields.encode_value(7)})
    route = resolved(vhost, Route("amq.headers", ""))
    start = vhost.exchange("amq.headers")
    for n in range(3 * HEADER_ANSWERS_MAX):
        found = route.find(vhost.exchanges, start, with_headers(b"body", n=n % 2000)).queues
        assert found == ([queue] if n % 2000 == 7 else [])
        assert len(route.answers) <= HEADER_ANSWERS_MAX
    again = route.find(vhost.exchanges, start, with_headers(b"another body", n=1))
    assert route.find(vhost.exchanges, start, with_headers(b"x", n=1)) is again


def test_answers_by_headers_are_forgotten_when_the_topology_moves() -> None:
    vhost = a_vhost()
    queue = vhost.declare_queue("q")
    route = Route("amq.headers", "")
    content = with_headers(b"body", n=1)
    assert vhost.publish(route, run_of(route, [content])) == [content]
    vhost.bind("amq.headers", queue, "", {"n": fields.encode_value(1)})
    assert vhost.publish(route, run_of(route, [content])) == []


def test_the_order_of_a_run_survives_routing_by_headers() -> None:
    vhost = a_vhost()
    even, every = vhost.declare_queue("even"), vhost.declare_queue("every")
    vhost.bind("amq.headers", even, "", {"even": fields.encode_value(True)})
    vhost.bind("amq.headers", every, "", {})
    route = Route("amq.headers", "")
    contents = [with_headers(b"%d" % n, even=n % 2 == 0) for n in range(20)]
    vhost.publish(route, run_of(route, contents))
    for queue, wanted in ((even, contents[::2]), (every, contents)):
        held = []
        while queue.ready_count:
            held += queue.take(100)[1].contents
        assert held == wanted


def test_the_address_of_a_route_is_both_names_behind_their_lengths() -> None:
    assert Route("ab", "ü").address == b"\x02ab\x02\xc3\xbc"
