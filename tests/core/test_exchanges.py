"""Each kind of exchange as an index of bindings: what was added is found, what was removed is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.domain import a_vhost, operations

from menura.core import fields
from menura.core.errors import PreconditionFailed
from menura.core.exchange import Binding, Exchange, binding_identity
from menura.core.exchanges import KINDS
from menura.core.exchanges.consistent_hash import ConsistentHashExchange
from menura.core.exchanges.direct import DefaultExchange, DirectExchange
from menura.core.exchanges.fanout import FanoutExchange
from menura.core.exchanges.headers import HeadersExchange
from menura.core.exchanges.topic import TopicExchange
from menura.core.queue import Queue

NAMES = ["q", "r"]
KEYS = ["", "a", "a.b", "*", "#"]


def queues() -> dict[str, Queue]:
    vhost = a_vhost()
    return {name: Queue(vhost, name) for name in NAMES}


def found(exchange: Exchange, key: str, headers: Mapping[str, Any] | None = None) -> set[str]:
    return {destination.name for destination in exchange.match(key, headers or {})}


def test_the_kinds_are_those_that_clients_can_declare() -> None:
    hashing = {"x-consistent-hash", "x-modulus-hash"}
    others = {"x-random", "x-local-random", "x-recent-history", "x-delayed-message"}
    assert set(KINDS) == {"direct", "fanout", "topic", "headers"} | hashing | others


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(KEYS)), max_size=10), st.data())
@pytest.mark.parametrize("kind", [DirectExchange, FanoutExchange])
def test_what_is_removed_is_gone_and_the_rest_stays(
    kind: type[Exchange], bound: list[tuple[str, str]], data: st.DataObject
) -> None:
    exchange, destinations = kind("x"), queues()
    bindings = [Binding(exchange, destinations[name], key, {"n": b"b%c" % n}) for n, (name, key) in enumerate(bound)]
    for binding in bindings:
        exchange.add(binding)
    left = Counter(bound)
    for index in data.draw(st.permutations(range(len(bound)))):
        exchange.remove(bindings[index])
        left[bound[index]] -= 1
        for key in KEYS:
            wanted = {name for (name, bound_by), n in left.items() if n and (kind is FanoutExchange or bound_by == key)}
            assert found(exchange, key) == wanted
    assert exchange_is_empty(exchange)


def exchange_is_empty(exchange: Exchange) -> bool:
    if isinstance(exchange, DirectExchange):
        return not exchange._by_key
    assert isinstance(exchange, FanoutExchange)
    return not exchange._all.counts


def test_a_topic_exchange_matches_patterns() -> None:
    exchange, destinations = TopicExchange("x"), queues()
    exchange.add(Binding(exchange, destinations["q"], "a.*", {}))
    exchange.add(Binding(exchange, destinations["r"], "#", {}))
    assert found(exchange, "a.b") == {"q", "r"}
    exchange.remove(Binding(exchange, destinations["r"], "#", {}))
    assert found(exchange, "a.b") == {"q"}
    assert found(exchange, "b") == set()


def test_a_headers_exchange_ignores_the_key_and_asks_the_headers() -> None:
    exchange, destinations = HeadersExchange("x"), queues()
    one = Binding(exchange, destinations["q"], "k", {"a": fields.encode_value(1)})
    two = Binding(exchange, destinations["q"], "k", {"a": fields.encode_value(2)})
    exchange.add(one)
    exchange.add(two)
    assert [found(exchange, "other", {"a": n}) for n in (1, 2, 3)] == [{"q"}, {"q"}, set()]
    exchange.remove(one)
    assert [found(exchange, "k", {"a": n}) for n in (1, 2)] == [set(), {"q"}]
    exchange.remove(two)
    assert found(exchange, "k", {"a": 2}) == set()


def test_only_a_headers_exchange_checks_the_arguments_of_bindings() -> None:
    wrong, queue = {"x-match": fields.encode_value("some")}, queues()["q"]
    for kind in KINDS.values():
        if kind is not HeadersExchange:
            kind("x").check(queue, "1" if kind is ConsistentHashExchange else "", wrong)
    with pytest.raises(PreconditionFailed):
        HeadersExchange("x").check(queue, "", wrong)


def test_the_default_exchange_leads_to_the_queue_of_that_name_and_to_reply_queues() -> None:
    destinations = queues()
    exchange = DefaultExchange({"q": destinations["q"]}, {"r": destinations["r"]})
    assert [found(exchange, key) for key in ("q", "r", "s", "")] == [{"q"}, {"r"}, set(), set()]


def test_bindings_are_told_apart_by_both_ends_key_and_arguments() -> None:
    destinations = queues()
    source, other, namesake = DirectExchange("x"), DirectExchange("y"), DirectExchange("q")
    identities = {
        binding_identity(source, destinations["q"], "k", {}),
        binding_identity(other, destinations["q"], "k", {}),
        binding_identity(source, destinations["r"], "k", {}),
        binding_identity(source, namesake, "k", {}),
        binding_identity(source, destinations["q"], "l", {}),
        binding_identity(source, destinations["q"], "k", {"a": b"b\x01"}),
        binding_identity(source, destinations["q"], "k", {"a": b"b\x02"}),
    }
    assert len(identities) == 7
    assert binding_identity(source, destinations["q"], "k", {"a": b"V", "b": b"V"}) == binding_identity(
        source, destinations["q"], "k", {"b": b"V", "a": b"V"}
    )


def test_a_direct_match_costs_the_same_however_many_other_keys_are_bound() -> None:
    costs = []
    for count in (1, 1000):
        exchange, destinations = DirectExchange("x"), queues()
        for n in range(count):
            exchange.add(Binding(exchange, destinations["q"], f"k{n}", {}))
        costs.append(operations(lambda exchange=exchange: exchange.match("k0", {})))  # type: ignore[misc]
    assert costs[1] <= costs[0] + 20, "a collection may fall into one of them"
