"""Bindings: each once, gone without a trace, in step with what a plain set of them says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.core.domain import a_vhost, operations, publish, take_all

from menura.core import fields
from menura.core.errors import AccessRefused, NotFound, PreconditionFailed
from menura.core.exchange import Exchange
from menura.core.fields import FieldError
from menura.core.queue import Queue
from menura.core.vhost import VHost

KINDS = {"d": "direct", "f": "fanout", "t": "topic", "h": "headers"}
QUEUES = ["q", "r"]
SOURCES = st.sampled_from(sorted(KINDS))
ENDS = st.sampled_from([*QUEUES, *sorted(KINDS)])
KEYS = st.sampled_from(["", "a", "#"])
ARGUMENTS = st.sampled_from([{}, {"n": fields.encode_value(1)}, {"n": fields.encode_value(2)}])


class BindingsAsASet(RuleBasedStateMachine):
    """Exchanges of all kinds, some auto-delete, and queues, that come and go with their bindings."""

    def __init__(self) -> None:
        super().__init__()
        self.vhost = a_vhost()
        self.bound: set[tuple[str, str, str, frozenset[tuple[str, bytes]]]] = set()
        self.auto_delete: set[str] = set()

    def end(self, name: str) -> Exchange | Queue | None:
        return self.vhost.queues.get(name) or self.vhost.exchanges.get(name)

    @rule(name=SOURCES, auto_delete=st.booleans())
    def declare_exchange(self, name: str, auto_delete: bool) -> None:
        if name not in self.vhost.exchanges:
            self.vhost.declare_exchange(name, KINDS[name], auto_delete=auto_delete)
            if auto_delete:
                self.auto_delete.add(name)

    @rule(name=st.sampled_from(QUEUES))
    def declare_queue(self, name: str) -> None:
        self.vhost.declare_queue(name)

    @rule(source=SOURCES, end=ENDS, key=KEYS, arguments=ARGUMENTS)
    def bind(self, source: str, end: str, key: str, arguments: dict[str, bytes]) -> None:
        destination = self.end(end)
        if destination is None:
            return
        if source not in self.vhost.exchanges:
            with pytest.raises(NotFound):
                self.vhost.bind(source, destination, key, arguments)
            return
        self.vhost.bind(source, destination, key, arguments)
        self.bound.add((source, end, key, frozenset(arguments.items())))

    @rule(source=SOURCES, end=ENDS, key=KEYS, arguments=ARGUMENTS)
    def unbind(self, source: str, end: str, key: str, arguments: dict[str, bytes]) -> None:
        destination = self.end(end)
        if destination is not None:
            self.vhost.unbind(source, destination, key, arguments)
            self.drop({(source, end, key, frozenset(arguments.items()))})

    @rule(name=st.sampled_from(QUEUES))
    def delete_queue(self, name: str) -> None:
        if name in self.vhost.queues:
            self.vhost.remove_queue(self.vhost.queues[name])
            self.drop({each for each in self.bound if each[1] == name})

    @rule(name=SOURCES)
    def delete_exchange(self, name: str) -> None:
        self.vhost.delete_exchange(name)
        self.auto_delete.discard(name)
        self.drop({each for each in self.bound if name in each[:2]})

    def drop(self, gone: set[tuple[str, str, str, frozenset[tuple[str, bytes]]]]) -> None:
        """Bindings go, and with the last one of an auto-delete exchange those that end there."""
        gone &= self.bound
        while gone:
            self.bound -= gone
            left = {source for source, *_ in self.bound}
            dead = {source for source, *_ in gone if source in self.auto_delete and source not in left}
            self.auto_delete -= dead
            gone = {each for each in self.bound if each[1] in dead}
            for name in dead:
                assert name not in self.vhost.exchanges

    @invariant()
    def both_ends_know_exactly_these(self) -> None:
        known = {
            (each.source.name, each.destination.name, each.key, frozenset(each.arguments.items()))
            for each in self.vhost.bindings.values()
        }
        assert known == self.bound
        assert len(self.vhost.bindings) == len(self.bound)
        for name, exchange in self.vhost.exchanges.items():
            assert len(exchange.bindings) == len([each for each in self.bound if each[0] == name])
            assert len(exchange.incoming) == len([each for each in self.bound if each[1] == name])
        for name, queue in self.vhost.queues.items():
            assert {each.source.name for each in queue.bindings} == {each[0] for each in self.bound if each[1] == name}
            assert len(queue.bindings) == len([each for each in self.bound if each[1] == name])

    @invariant()
    def fanout_routes_by_exactly_these(self) -> None:
        if "f" in self.vhost.exchanges:
            destinations = {each.name for each in self.vhost.exchange("f").match("", {})}
            assert destinations == {each[1] for each in self.bound if each[0] == "f"}


TestBindingsAsASet: Any = BindingsAsASet.TestCase
TestBindingsAsASet.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


@pytest.fixture
def vhost() -> VHost:
    return a_vhost()


def test_binding_twice_delivers_once_and_unbinds_once(vhost: VHost) -> None:
    queue = vhost.declare_queue("q")
    for _ in range(2):
        vhost.bind("amq.direct", queue, "k", {})
    publish(vhost, "amq.direct", "k", [1])
    vhost.unbind("amq.direct", queue, "k", {})
    assert publish(vhost, "amq.direct", "k", [2]) == [2]
    assert take_all(queue) == [1]


def test_bindings_that_differ_in_arguments_are_two(vhost: VHost) -> None:
    queue = vhost.declare_queue("q")
    vhost.bind("amq.direct", queue, "k", {})
    vhost.bind("amq.direct", queue, "k", {"note": fields.encode_value("a")})
    vhost.unbind("amq.direct", queue, "k", {})
    publish(vhost, "amq.direct", "k", [1])
    assert take_all(queue) == [1]


def test_unbinding_what_is_not_bound_changes_nothing(vhost: VHost) -> None:
    queue = vhost.declare_queue("q")
    vhost.bind("amq.direct", queue, "k", {})
    vhost.unbind("amq.direct", queue, "other", {})
    vhost.unbind("missing", queue, "k", {})
    vhost.unbind("amq.direct", vhost.declare_queue("r"), "k", {})
    assert len(vhost.bindings) == 1


def test_a_refused_binding_leaves_no_trace(vhost: VHost) -> None:
    queue = vhost.declare_queue("q")
    before = vhost.version
    with pytest.raises(PreconditionFailed):
        vhost.bind("amq.headers", queue, "", {"x-match": fields.encode_value("some")})
    assert (vhost.bindings, queue.bindings, vhost.version) == ({}, {}, before)


def test_a_binding_whose_arguments_cannot_be_decoded_leaves_no_trace(vhost: VHost) -> None:
    queue = vhost.declare_queue("q")
    with pytest.raises((FieldError, PreconditionFailed)):
        vhost.bind("amq.headers", queue, "", {"a": b"F\0\0\0\3\x01a"})
    vhost.remove_queue(queue)
    assert vhost.bindings == {}


def test_nothing_can_be_bound_to_or_unbound_from_the_default_exchange(vhost: VHost) -> None:
    queue = vhost.declare_queue("q")
    with pytest.raises(AccessRefused):
        vhost.bind("", queue, "k", {})


def test_deleting_an_exchange_costs_the_same_however_many_other_bindings_there_are() -> None:
    def cost(count: int) -> int:
        vhost = a_vhost()
        queue = vhost.declare_queue("q")
        for n in range(count):
            vhost.bind("amq.direct", queue, str(n), {})
        vhost.declare_exchange("x", "fanout")
        return operations(lambda: vhost.delete_exchange("x"))

    assert cost(1000) < 2 * cost(10)
