"""What goes into the catalog when something durable is made, changed or removed, and what comes back from it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.core.domain import Receiver, consume, publish, take_all
from tests.core.kept import Kept, by_key, durable_part, fold, live
from tests.store.workers import at_once, open_at_once

from menura.core import fields
from menura.core.definitions import (
    BindingDefinition,
    Definition,
    Definitions,
    ExchangeDefinition,
    PermissionDefinition,
    QueueDefinition,
    TopicPermissionDefinition,
    UserDefinition,
    VHostDefinition,
)
from menura.core.errors import Refusal
from menura.core.exchange import Exchange
from menura.core.node import Node
from menura.core.passwords import hash_password
from menura.core.queue import Queue
from menura.core.settings import PLAIN, QueueSettings
from menura.core.vhost import VHost
from menura.store.catalog import Catalog

Changes = list[tuple[bool, Definition]]
ARGUMENTS = {"x-max-length": fields.encode_value(5)}


@pytest.fixture
def kept() -> Kept:
    kept = live()
    kept.vhost.declare_exchange("x", "topic", durable=True)
    kept.vhost.declare_queue("q", durable=True)
    return kept


def changes(kept: Kept, do: Callable[[], object]) -> Changes:
    """What `do` changes in the catalog."""
    before = len(kept.catalog.changes)
    do()
    return kept.catalog.changes[before:]


def exchange(name: str, kind: str = "direct", *more: Any, vhost: str = "/") -> ExchangeDefinition:
    return ExchangeDefinition(vhost, name, kind, *more)


def binding(source: str, what: str, destination: str, key: str = "", **arguments: bytes) -> BindingDefinition:
    return BindingDefinition("/", source, what, destination, key, arguments)


# -- what is put and what is dropped -------------------------------------------------------------------------


def test_a_new_node_defines_its_virtual_host_once() -> None:
    kept = live()
    first = VHostDefinition("/", "Default virtual host")
    assert kept.catalog.changes == [(True, first)]
    assert kept.next_life().catalog.changes == [(True, first)]


def test_a_node_without_its_first_virtual_host_does_not_make_it_again() -> None:
    kept = live()
    kept.node.add_vhost("v")
    kept.node.delete_vhost("/")
    assert set(kept.next_life().node.vhosts) == {"v"}


def test_virtual_hosts(kept: Kept) -> None:
    assert changes(kept, lambda: kept.node.add_vhost("v")) == [(True, VHostDefinition("v"))]
    assert changes(kept, lambda: kept.node.add_vhost("v")) == []
    described = VHostDefinition("v", "orders", frozenset(("a",)), "quorum", True)

    def describe(**more: Any) -> Callable[[], None]:
        return lambda: kept.node.describe_vhost("v", **more)

    everything = describe(description="orders", tags=["a"], default_queue_type="quorum", protected=True)
    assert changes(kept, everything) == [(True, described)]
    assert changes(kept, describe(description="orders")) == []
    assert changes(kept, describe(protected=False)) == [(True, described._replace(protected=False))]
    assert changes(kept, lambda: kept.node.delete_vhost("v")) == [(False, VHostDefinition("v"))]


def test_durable_exchanges(kept: Kept) -> None:
    def declare() -> None:
        kept.vhost.declare_exchange(
            "y", "headers", durable=True, auto_delete=True, internal=True, arguments={"a": b"S\x00\x00\x00\x00"}
        )

    expected = exchange("y", "headers", True, True, {"a": b"S\x00\x00\x00\x00"})
    assert changes(kept, declare) == [(True, expected)]
    assert changes(kept, declare) == []
    assert changes(kept, lambda: kept.vhost.delete_exchange("y")) == [(False, expected)]
    assert changes(kept, lambda: kept.vhost.delete_exchange("y")) == []


def test_durable_queues(kept: Kept) -> None:
    def declare() -> Queue:
        return kept.vhost.declare_queue("r", durable=True, auto_delete=True, arguments=ARGUMENTS)

    expected = QueueDefinition("/", "r", 2, True, ARGUMENTS)
    assert changes(kept, declare) == [(True, expected)]
    assert changes(kept, declare) == []
    assert changes(kept, lambda: kept.vhost.delete_queue(declare())) == [(False, expected)]
    assert changes(kept, declare) == [(True, expected._replace(id=3))]


def test_an_auto_delete_queue_that_goes_with_its_last_consumer(kept: Kept) -> None:
    queue = kept.vhost.declare_queue("r", durable=True, auto_delete=True)
    consumer = consume(queue)
    assert changes(kept, lambda: queue.unsubscribe(consumer)) == [(False, QueueDefinition("/", "r", 2, True))]


@pytest.mark.parametrize("durable", [True, False])
def test_what_does_not_outlive_its_connection_or_the_process_is_not_defined(kept: Kept, durable: bool) -> None:
    def work() -> None:
        owner = Receiver()
        mine = kept.vhost.declare_queue("mine", durable=durable, exclusive=True, owner=owner)
        kept.vhost.bind("x", mine, "k", {})
        kept.vhost.bind("amq.topic", mine, "k", {})
        kept.vhost.unbind("x", mine, "k", {})
        kept.vhost.remove_queue(mine)
        transient = kept.vhost.declare_exchange("t", "fanout")
        queue = kept.vhost.declare_queue("u")
        for source, destination in (("t", kept.vhost.queues["q"]), ("x", transient), ("t", queue), ("x", queue)):
            kept.vhost.bind(source, destination, "", {})
        kept.vhost.unbind("t", queue, "", {})
        kept.vhost.remove_queue(queue)
        kept.vhost.delete_exchange("t")
        kept.vhost.remove_reply_queue(kept.vhost.add_reply_queue("reply").name)

    assert changes(kept, work) == []


def test_bindings_of_what_is_durable(kept: Kept) -> None:
    queue, target = kept.vhost.queues["q"], kept.vhost.exchanges["amq.fanout"]
    one, two = binding("x", "queue", "q", "k", a=b"t\x01"), binding("x", "exchange", "amq.fanout", "#")
    for expected, destination in ((one, queue), (two, target)):
        arguments = dict(expected.arguments)

        def bind(destination: Any = destination, key: str = expected.key, arguments: Any = arguments) -> None:
            kept.vhost.bind("x", destination, key, arguments)

        def unbind(destination: Any = destination, key: str = expected.key, arguments: Any = arguments) -> None:
            kept.vhost.unbind("x", destination, key, arguments)

        assert changes(kept, bind) == [(True, expected)]
        assert changes(kept, bind) == []
        assert changes(kept, unbind) == [(False, expected)]
        assert changes(kept, unbind) == []


def test_bindings_of_predeclared_exchanges(kept: Kept) -> None:
    expected = binding("amq.topic", "queue", "q", "k")
    queue = kept.vhost.queues["q"]
    assert changes(kept, lambda: kept.vhost.bind("amq.topic", queue, "k", {})) == [(True, expected)]


def test_a_queue_takes_its_bindings_along(kept: Kept) -> None:
    kept.vhost.bind("x", kept.vhost.queues["q"], "k", {})
    kept.vhost.remove_queue(kept.vhost.queues["q"])
    found = fold(kept.catalog.changes)
    assert (found.queues, found.bindings) == ((), ())


def test_auto_delete_exchanges_go_with_their_last_binding_one_after_another(kept: Kept) -> None:
    """q is bound to b, b to a."""
    for name in ("a", "b"):
        kept.vhost.declare_exchange(name, "fanout", durable=True, auto_delete=True)
    queue = kept.vhost.queues["q"]
    kept.vhost.bind("a", kept.vhost.exchanges["b"], "", {})
    kept.vhost.bind("b", queue, "", {})
    found = changes(kept, lambda: kept.vhost.unbind("b", queue, "", {}))
    assert set(map(str, found)) == {
        str((False, definition))
        for definition in (
            binding("b", "queue", "q"),
            exchange("b", "fanout", True),
            binding("a", "exchange", "b"),
            exchange("a", "fanout", True),
        )
    }


def test_an_auto_delete_exchange_goes_with_a_transient_queue(kept: Kept) -> None:
    kept.vhost.declare_exchange("a", "fanout", durable=True, auto_delete=True)
    queue = kept.vhost.declare_queue("t")
    kept.vhost.bind("a", queue, "", {})
    assert changes(kept, lambda: kept.vhost.remove_queue(queue)) == [(False, exchange("a", "fanout", True))]


def test_a_virtual_host_takes_everything_along(kept: Kept) -> None:
    kept.node.add_user("ann", "secret")
    before = by_key(durable_part(kept.node))
    vhost = kept.node.add_vhost("v")
    kept.node.users.permit("ann", "v")
    kept.node.users.permit_topics("ann", "v", "x", "a", "b")
    vhost.declare_exchange("x", "fanout", durable=True)
    queue = vhost.declare_queue("q", durable=True)
    vhost.bind("x", queue, "", {})
    publish(vhost, "x", "", [1], persistent=True)
    kept.node.delete_vhost("v")
    assert by_key(fold(kept.catalog.changes)) == before == by_key(durable_part(kept.node))
    kept.flush()
    assert kept.journal.queues() == []


def test_users_and_what_they_may_do(kept: Kept) -> None:
    node, users = kept.node, kept.node.users
    [(put, user)] = changes(kept, lambda: node.add_user("ann", "secret", frozenset({"monitoring"})))
    assert (put, user) == (True, UserDefinition("ann", users.get("ann").password_hash, frozenset({"monitoring"})))
    assert changes(kept, lambda: users.permit("ann", "/", "^a", "", "b")) == [
        (True, PermissionDefinition("ann", "/", "^a", "", "b"))
    ]
    assert changes(kept, lambda: users.permit_topics("ann", "/", "x", "^w", "^r")) == [
        (True, TopicPermissionDefinition("ann", "/", "x", "^w", "^r"))
    ]
    assert changes(kept, lambda: users.forbid_topics("ann", "/")) == [
        (False, TopicPermissionDefinition("ann", "/", "x"))
    ]
    hashed = hash_password("other", b"salt")
    assert changes(kept, lambda: users.set_password_hash("ann", hashed)) == [
        (True, UserDefinition("ann", hashed, frozenset({"monitoring"})))
    ]
    assert changes(kept, lambda: users.set_tags("ann", ())) == [(True, UserDefinition("ann", hashed))]
    assert changes(kept, lambda: users.forbid("ann", "/")) == [(False, PermissionDefinition("ann", "/"))]
    assert changes(kept, lambda: node.remove_user("ann")) == [(False, UserDefinition("ann"))]
    assert by_key(fold(kept.catalog.changes)) == by_key(durable_part(node))


@pytest.mark.parametrize(
    "refused",
    [
        lambda node: node.users.permit("nobody", "/"),
        lambda node: node.users.forbid("nobody", "/"),
        lambda node: node.users.remove("nobody"),
        lambda node: node.users.permit_topics("nobody", "/", "x", "", ""),
        lambda node: node.add_user("", "secret"),
        lambda node: node.delete_vhost("nowhere"),
        lambda node: node.vhosts["/"].declare_exchange("x", "fanout", durable=True),
        lambda node: node.vhosts["/"].declare_exchange("y", "no such type", durable=True),
        lambda node: node.vhosts["/"].declare_queue("q", durable=False),
        lambda node: node.vhosts["/"].declare_queue("amq.q", durable=True),
        lambda node: node.vhosts["/"].declare_queue("r", durable=True, arguments={"x-max-length": b"t\x01"}),
        lambda node: node.vhosts["/"].delete_exchange("amq.topic"),
        lambda node: node.vhosts["/"].bind("no", node.vhosts["/"].queues["q"], "", {}),
        lambda node: node.vhosts["/"].bind("", node.vhosts["/"].queues["q"], "", {}),
    ],
)
def test_what_is_refused_changes_nothing(kept: Kept, refused: Callable[[Node], None]) -> None:
    def work() -> None:
        with pytest.raises(Refusal):
            refused(kept.node)

    kept.node.add_user("ann", "secret")
    assert changes(kept, work) == []


@pytest.mark.parametrize(("write", "read"), [("[", ""), ("", "(")])
def test_an_expression_that_does_not_compile_changes_nothing(kept: Kept, write: str, read: str) -> None:
    kept.node.add_user("ann", "secret")

    def work() -> None:
        with pytest.raises(Refusal):
            kept.node.users.permit_topics("ann", "/", "x", write, read)
        with pytest.raises(Refusal):
            kept.node.users.permit("ann", "/", "", write, read)

    assert changes(kept, work) == []
    assert kept.node.users.get("ann").permissions == {}


# -- what comes back -----------------------------------------------------------------------------------------


def test_what_comes_back_works_as_before(kept: Kept) -> None:
    vhost = kept.vhost
    vhost.declare_exchange("h", "headers", durable=True, arguments={"alternate-exchange": fields.encode_value("x")})
    vhost.bind("h", vhost.queues["q"], "", {"n": fields.encode_value(1)})
    single = vhost.declare_queue("s", durable=True, arguments={"x-single-active-consumer": fields.encode_value(True)})
    vhost.bind("x", single, "a.#", {})
    kept.node.add_user("ann", "secret", frozenset({"administrator"}))
    kept.node.users.permit("ann", "/", "^q$", "", "r+")
    kept.flush()
    again = kept.next_life()
    assert again.node.users.authenticate("ann", "secret").tags == {"administrator"}
    assert again.node.users.get("ann").permissions["/"].configure.search("q")
    assert again.vhost.queues["s"].consumers.single
    publish(again.vhost, "h", "a.b", [1], persistent=True)
    assert take_all(again.vhost.queues["s"]) == [1], "by way of the alternate exchange"
    before = len(again.catalog.changes)
    again.vhost.declare_exchange("x", "topic", durable=True)
    again.vhost.declare_queue("q", durable=True)
    again.vhost.bind("x", again.vhost.queues["s"], "a.#", {})
    assert len(again.catalog.changes) == before
    again.vhost.remove_queue(again.vhost.queues["s"])
    assert by_key(fold(again.catalog.changes)) == by_key(durable_part(again.node))


def test_what_is_transient_does_not_come_back(kept: Kept) -> None:
    kept.vhost.declare_exchange("t", "fanout")
    kept.vhost.bind("t", kept.vhost.queues["q"], "", {})
    kept.vhost.declare_queue("u")
    again = kept.next_life().vhost
    assert set(again.queues) == {"q"}
    assert set(again.exchanges) == {*live().vhost.exchanges, "x"}
    assert again.bindings == {}


def test_a_node_that_is_not_kept_needs_no_catalog() -> None:
    node = Node(bytes)
    queue = node.vhosts["/"].declare_queue("q", durable=True)
    node.vhosts["/"].bind("amq.fanout", queue, "", {})
    publish(node.vhosts["/"], "amq.fanout", "", [1], persistent=True)
    assert (queue.id, queue.definition, take_all(queue)) == (0, None, [1])
    node.vhosts["/"].remove_queue(queue)
    node.delete_vhost("/")


NAMES = st.sampled_from(["a", "b", "c"])
VHOSTS = st.sampled_from(["/", "v"])
KEYS = st.sampled_from(["", "k"])
TABLES = st.sampled_from([{}, {"n": fields.encode_value(1)}])
PATTERNS = st.sampled_from(["", ".*", "^a"])


def all_settings(node: Node) -> dict[tuple[str, str], QueueSettings]:
    """How each queue behaves that outlives the node."""
    return {
        (vhost.name, queue.name): queue.rules.settings if queue.rules is not None else PLAIN
        for vhost in node.vhosts.values()
        for queue in vhost.queues.values()
        if queue.durable
    }


class CatalogAsTheTruth(RuleBasedStateMachine):
    """Whatever is declared, bound, permitted and removed: what the catalog has is all that is durable."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = live()
        self.owner = Receiver()

    def vhost(self, name: str) -> VHost:
        return self.kept.node.add_vhost(name)

    @rule(
        vhost=VHOSTS,
        name=NAMES,
        kind=st.sampled_from(["fanout", "headers", "x-random", "x-recent-history"]),
        flags=st.tuples(*[st.booleans()] * 2),
    )
    def declare_exchange(self, vhost: str, name: str, kind: str, flags: tuple[bool, bool]) -> None:
        durable, auto_delete = flags
        with suppress(Refusal):
            self.vhost(vhost).declare_exchange(name, kind, durable=durable, auto_delete=auto_delete)

    @rule(vhost=VHOSTS, name=NAMES, flags=st.tuples(*[st.booleans()] * 3), arguments=TABLES)
    def declare_queue(self, vhost: str, name: str, flags: tuple[bool, bool, bool], arguments: Any) -> None:
        durable, auto_delete, exclusive = flags
        with suppress(Refusal):
            self.vhost(vhost).declare_queue(
                name,
                durable=durable,
                auto_delete=auto_delete,
                exclusive=exclusive,
                owner=self.owner,
                arguments=arguments,
            )

    def ends(self, data: st.DataObject, vhost: VHost) -> tuple[str, Exchange | Queue]:
        source = data.draw(st.sampled_from([name for name in vhost.exchanges if name and "trace" not in name]))
        destinations = [*vhost.queues.values(), *(each for name, each in vhost.exchanges.items() if name)]
        return source, data.draw(st.sampled_from(destinations))

    @rule(data=st.data(), vhost=VHOSTS, key=KEYS, arguments=TABLES, bind=st.sampled_from([True, True, False]))
    def bind_or_unbind(self, data: st.DataObject, vhost: str, key: str, arguments: Any, bind: bool) -> None:
        found = self.vhost(vhost)
        source, destination = self.ends(data, found)
        (found.bind if bind else found.unbind)(source, destination, key, arguments)

    @rule(vhost=VHOSTS, name=NAMES)
    def delete_exchange(self, vhost: str, name: str) -> None:
        self.vhost(vhost).delete_exchange(name)

    @rule(vhost=VHOSTS, name=NAMES)
    def delete_queue(self, vhost: str, name: str) -> None:
        queue = self.vhost(vhost).queues.get(name)
        if queue is not None:
            self.vhost(vhost).remove_queue(queue)

    @rule(vhost=VHOSTS, name=NAMES)
    def consume_and_stop(self, vhost: str, name: str) -> None:
        queue = self.vhost(vhost).queues.get(name)
        if queue is not None:
            queue.unsubscribe(consume(queue))

    @rule()
    def delete_vhost(self) -> None:
        with suppress(Refusal):
            self.kept.node.delete_vhost("v")

    @rule(name=NAMES, vhost=VHOSTS, pattern=PATTERNS, what=st.integers(0, 5))
    def change_users(self, name: str, vhost: str, pattern: str, what: int) -> None:
        self.vhost(vhost)
        users = self.kept.node.users
        with suppress(Refusal):
            if what < 2:
                self.kept.node.add_user(name, pattern)
            elif what == 2:
                users.permit(name, vhost, pattern, ".*", pattern)
            elif what == 3:
                users.forbid(name, vhost)
            elif what == 4:
                users.permit_topics(name, vhost, "a", pattern, ".*")
            else:
                users.remove(name)

    @rule(vhost=VHOSTS, name=NAMES, pattern=PATTERNS, operator=st.booleans(), limit=st.integers(0, 3))
    def change_policies(self, vhost: str, name: str, pattern: str, operator: bool, limit: int) -> None:
        policies = self.vhost(vhost).policies
        value = {"pattern": pattern, "definition": {"max-length": limit}, "priority": limit, "apply-to": "all"}
        with suppress(Refusal):
            if limit:
                policies.set(name, value, operator=operator)
            else:
                policies.clear(name, operator=operator)

    @rule(vhost=VHOSTS, name=NAMES, what=st.integers(0, 6), limit=st.integers(2, 4))
    def change_parameters(self, vhost: str, name: str, what: int, limit: int) -> None:
        self.vhost(vhost)
        node = self.kept.node
        with suppress(Refusal):
            if what == 0:
                node.parameters.set("vhost-limits", "limits", {"max-queues": limit}, vhost)
            elif what == 1:
                node.parameters.clear("vhost-limits", "limits", vhost)
            elif what == 2:
                node.parameters.set_global(name, {"limit": limit})
            elif what == 3:
                node.parameters.clear_global(name)
            elif what == 4:
                node.parameters.set_user_limits(name, {"max-channels": limit})
            elif what == 5:
                node.parameters.clear_user_limits(name)
            else:
                node.describe_vhost(vhost, tags=[name], protected=limit == 3)

    @rule()
    def restart(self) -> None:
        self.kept = self.kept.next_life()

    @invariant()
    def all_that_is_durable_is_defined(self) -> None:
        expected: Definitions = durable_part(self.kept.node)
        assert by_key(fold(self.kept.catalog.changes)) == by_key(expected)
        before = len(self.kept.catalog.changes)
        again = self.kept.next_life().node
        assert by_key(durable_part(again)) == by_key(expected)
        assert len(self.kept.catalog.changes) == before, "a start changes nothing"
        assert all_settings(again) == all_settings(self.kept.node)

    def teardown(self) -> None:
        """The catalog that brokers use has the same."""
        with TemporaryDirectory() as folder:
            catalog = open_at_once(Path(folder) / "catalog")
            for kept, definition in self.kept.catalog.changes:
                (catalog.put if kept else catalog.delete)(definition)
            catalog.close()
            catalog = Catalog(Path(folder) / "catalog", run_in_worker=at_once, call_back=at_once, sync=False)
            found = catalog.open()
            catalog.close()
        assert by_key(found) == by_key(durable_part(self.kept.node))


TestCatalogAsTheTruth: Any = CatalogAsTheTruth.TestCase
TestCatalogAsTheTruth.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
