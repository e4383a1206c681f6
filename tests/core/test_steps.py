"""Policies and virtual hosts change in steps: what holds between them, and what holds after the last one."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from tests.core.domain import a_vhost, operations, publish
from tests.core.kept import Kept, by_key, durable_part, fold, live, messages_in
from tests.seeds import first_seed

from menura.core import fields
from menura.core.errors import NotAllowed, NotFound, Refusal
from menura.core.peers import Peer
from menura.core.presence import Connected
from menura.core.queue import Queue
from menura.core.settings import PLAIN, QueueSettings
from menura.core.steps import Steps, finish
from menura.core.vhost import VHost
from menura.store.memory import MemoryCatalog

SEEDS = range(first_seed(), first_seed() + 60)
CHANGES = 60
# After so many steps: all of a deletion, and more.
CUTS = range(1, 12)


def value(pattern: str = "^q", limit: int = 5, priority: int = 0, **definition: Any) -> dict[str, Any]:
    return {"pattern": pattern, "definition": {"max-length": limit, **definition}, "priority": priority}


def settings(queue: Queue) -> QueueSettings:
    return queue.rules.settings if queue.rules is not None else PLAIN


def limits(vhost: VHost) -> list[int | None]:
    return [settings(queue).length_max for queue in vhost.queues.values()]


def with_queues(count: int = 10) -> VHost:
    vhost = a_vhost()
    for number in range(count):
        vhost.declare_queue(f"q{number}")
    return vhost


def some(steps: Steps, count: int) -> Steps:
    for _ in range(count):
        next(steps)
    return steps


# -- policies ----------------------------------------------------------------------------------------------------


def test_a_policy_is_set_with_the_first_step_and_followed_by_all_with_the_last_one() -> None:
    vhost = with_queues()
    steps = some(vhost.policies.set_in_steps("p", value()), 1)
    assert "p" in vhost.policies.by_name["policy"]
    assert limits(vhost) == [None] * 10
    some(steps, 5)
    assert limits(vhost) == [5] * 5 + [None] * 5
    finish(steps)
    assert limits(vhost) == [5] * 10


def test_what_is_refused_is_refused_before_the_first_step_is_over() -> None:
    policies = with_queues().policies
    for steps in (policies.set_in_steps("p", {}), policies.clear_in_steps("p")):
        with pytest.raises(Refusal):
            next(steps)
    assert not policies.by_name["policy"]


def test_a_step_takes_as_long_with_many_queues_as_with_few() -> None:
    def most(count: int) -> int:
        vhost = with_queues(count)
        changes = [vhost.policies.set_in_steps("p", value()), vhost.policies.clear_in_steps("p")]
        return max(operations(lambda steps=steps: next(steps, None)) for steps in changes for _ in range(count + 30))

    assert most(300) <= most(10)


def test_queues_that_come_and_go_between_the_steps_of_a_policy() -> None:
    vhost = with_queues()
    steps = some(vhost.policies.set_in_steps("p", value()), 3)
    vhost.declare_queue("q10")
    gone = vhost.queues["q9"]
    vhost.delete_queue(gone)
    vhost.delete_queue(vhost.queues["q8"])
    quorum = {"x-queue-type": fields.encode_value("quorum")}
    vhost.declare_queue("q8", durable=True, arguments=quorum)
    finish(steps)
    assert limits(vhost) == [5] * 10
    assert settings(gone) == PLAIN


def test_a_policy_that_is_cleared_while_it_is_being_set_holds_for_nothing() -> None:
    vhost = with_queues()
    setting = some(vhost.policies.set_in_steps("p", value()), 6)
    clearing = some(vhost.policies.clear_in_steps("p"), 4)
    finish(setting)
    finish(clearing)
    assert limits(vhost) == [None] * 10
    with pytest.raises(NotFound):
        vhost.policies.clear("p")


def test_a_policy_that_is_set_again_while_it_is_being_set_is_followed_by_all_before_the_second_is_answered() -> None:
    vhost = with_queues()
    first = some(vhost.policies.set_in_steps("p", value()), 3)
    finish(vhost.policies.set_in_steps("p", value()))
    assert limits(vhost) == [5] * 10
    finish(first)
    assert len(list(vhost.policies.set_in_steps("p", value()))) == 0, "there is nothing to do"


def test_work_that_was_given_up_does_not_count_as_under_way() -> None:
    vhost = with_queues()
    some(vhost.policies.set_in_steps("p", value()), 3).close()
    finish(vhost.policies.set_in_steps("o", value(limit=3), operator=True))
    assert limits(vhost) == [3] * 10
    assert len(list(vhost.policies.set_in_steps("p", value()))) == 0


def test_operator_policies_go_in_steps_as_parameters_as_well() -> None:
    kept = live()
    for number in range(5):
        kept.vhost.declare_queue(f"q{number}")
    setting = kept.node.parameters.set_in_steps("operator_policy", "o", value(limit=2), "/")
    some(setting, 3)
    assert limits(kept.vhost) == [2, 2, None, None, None]
    finish(setting)
    assert limits(kept.vhost) == [2] * 5
    finish(kept.node.parameters.clear_in_steps("operator_policy", "o", "/"))
    assert limits(kept.vhost) == [None] * 5


class Interleaved:
    """Changes of policies begun, carried on and ended in any order, with queues and exchanges that come and go."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.vhost = a_vhost()
        self.work: list[Steps] = []

    def live(self) -> None:
        for _ in range(CHANGES):
            self.random.choice((self.begin, self.begin, self.declare, self.declare, self.delete, self.go_on))()
            if not self.work:
                self.check()
        while self.work:
            self.go_on()
        self.check()

    def begin(self) -> None:
        policies, name = self.vhost.policies, self.random.choice("ab")
        operator = self.random.random() < 0.3
        if self.random.random() < 0.3:
            steps = policies.clear_in_steps(name, operator=operator)
        else:
            pattern, limit = self.random.choice(("^q", "1", "[135]$", "")), self.random.randint(1, 3)
            more = {} if operator else {"alternate-exchange": self.random.choice(("x1", "x2"))}
            steps = policies.set_in_steps(name, value(pattern, limit, self.random.randint(0, 2), **more))
        try:
            next(steps, None)
        except NotFound:
            return
        self.work.append(steps)

    def go_on(self) -> None:
        if self.work:
            steps = self.random.choice(self.work)
            for _ in range(self.random.randint(1, 12)):
                if next(steps, self) is self:
                    self.work.remove(steps)
                    return

    def declare(self) -> None:
        name, kind = f"q{self.random.randint(0, 9)}", self.random.choice(("classic", "quorum"))
        if name not in self.vhost.queues:
            arguments = {"x-queue-type": fields.encode_value(kind)}
            self.vhost.declare_queue(name, durable=True, arguments=arguments)
        self.vhost.declare_exchange(f"x{self.random.randint(0, 5)}", "fanout")

    def delete(self) -> None:
        if self.vhost.queues:
            self.vhost.delete_queue(self.random.choice(list(self.vhost.queues.values())))
        self.vhost.delete_exchange(f"x{self.random.randint(0, 5)}")

    def check(self) -> None:
        """The same as if all had been declared after the last change."""
        fresh = a_vhost()
        for component, policies in self.vhost.policies.by_name.items():
            for name, policy in policies.items():
                fresh.policies.set(name, policy.value, operator=component == "operator_policy")
        for queue in self.vhost.queues.values():
            same = fresh.declare_queue(queue.name, durable=True, arguments=queue.arguments)
            assert settings(queue) == settings(same), queue.name
        for exchange in self.vhost.exchanges.values():
            if exchange.name.startswith("x"):
                assert exchange.alternate == fresh.declare_exchange(exchange.name, "fanout").alternate


@pytest.mark.parametrize("seed", SEEDS)
def test_policies_that_change_while_others_are_applied_come_to_what_holds_at_the_end(seed: int) -> None:
    Interleaved(seed).live()


# -- virtual hosts -----------------------------------------------------------------------------------------------


def full(kept: Kept, name: str = "v") -> VHost:
    """A virtual host with durable and other queues, bindings and messages."""
    vhost = kept.node.add_vhost(name)
    vhost.declare_exchange("x", "topic", durable=True)
    for number in range(5):
        queue = vhost.declare_queue(f"q{number}", durable=number % 3 < 2)
        vhost.bind("x", queue, "#", {})
        publish(vhost, "x", "k", range(number + 1), persistent=True)
    kept.flush()
    return vhost


def test_a_virtual_host_is_gone_for_all_with_the_first_step_and_its_queues_with_the_last_one() -> None:
    kept = live()
    vhost = full(kept)
    queues = list(vhost.queues.values())
    kept.node.users.add("ann", "secret", b"salt", frozenset())
    kept.node.users.permit("ann", "v")
    steps = some(kept.node.delete_vhost_in_steps("v"), 1)
    assert "v" not in kept.node.vhosts
    assert not kept.node.users.get("ann").permissions
    with pytest.raises(NotAllowed):
        kept.node.delete_vhost("v")
    assert all(queue.alive for queue in queues)
    some(steps, 3)
    assert [queue.alive for queue in queues].count(False) == 2
    finish(steps)
    assert not any(queue.alive for queue in queues)
    assert kept.node.memory.used_bytes == 0


def test_clients_are_sent_away_before_the_queues_end() -> None:
    kept = live()
    vhost = full(kept)
    told: list[str] = []
    for number in range(3):
        kept.node.presence.arrive(Connected("AMQP", Peer(f"127.0.0.1:{number}"), "guest", "v", end=told.append))
    steps = some(kept.node.delete_vhost_in_steps("v"), 1)
    while len(told) < 3:
        assert all(queue.alive for queue in vhost.queues.values())
        next(steps)
    assert told == ["vhost 'v' is deleted"] * 3
    finish(steps)


def test_nothing_is_declared_any_more_where_a_virtual_host_ends() -> None:
    kept = live()
    vhost = full(kept)
    steps = some(kept.node.delete_vhost_in_steps("v"), 2)
    for declare in (
        lambda: vhost.declare_queue("new", durable=True),
        lambda: vhost.declare_queue("q0", durable=True),
        lambda: vhost.declare_exchange("y", "fanout", durable=True),
    ):
        with pytest.raises(NotAllowed, match="vhost v not found"):
            declare()
    finish(steps)


def test_a_virtual_host_that_was_deleted_before_the_first_step_of_a_policy_keeps_nothing_of_it() -> None:
    kept = live()
    policies = full(kept).policies
    policies.set("old", value())
    changes = [policies.set_in_steps("new", value()), policies.clear_in_steps("old")]
    kept.node.delete_vhost("v")
    kept.node.add_vhost("v").policies.set("old", value())
    before = len(kept.catalog.changes)
    for steps in changes:
        with pytest.raises(NotAllowed, match="vhost v not found"):
            finish(steps)
    assert len(kept.catalog.changes) == before


def test_the_end_of_a_virtual_host_is_one_change_of_the_catalog() -> None:
    kept = live()
    vhost = full(kept)
    vhost.declare_queue("ranked", durable=True, arguments={"x-max-priority": fields.encode_value(3)})
    vhost.declare_exchange("auto", "fanout", durable=True, auto_delete=True)
    vhost.bind("auto", vhost.queues["q0"], "", {})
    before = len(kept.catalog.changes)
    kept.node.delete_vhost("v")
    assert len(kept.catalog.changes) == before + 1


def test_a_step_of_a_deletion_takes_as_long_with_many_queues_as_with_few() -> None:
    def most(count: int) -> int:
        kept = live()
        vhost = kept.node.add_vhost("v")
        for number in range(count):
            vhost.bind("amq.topic", vhost.declare_queue(f"q{number}", durable=True), f"k.{number}", {})
        steps = kept.node.delete_vhost_in_steps("v")
        return max(operations(lambda: next(steps, None)) for _ in range(count + 10))

    assert most(200) <= most(20) * 1.1


def test_what_was_counted_never_falls_while_a_virtual_host_ends() -> None:
    kept = live()
    vhost = full(kept)
    vhost.queues["q1"].take(1)
    node = kept.node
    before, sent = node.counts, node.sent()
    for _ in node.delete_vhost_in_steps("v"):
        assert (node.counts, node.sent()) == (before, sent)
        assert len(node.registers) == 3
    assert (node.counts, node.sent()) == (before, sent)
    assert len(node.registers) == 2


def test_a_virtual_host_of_the_same_name_begins_when_the_other_has_ended() -> None:
    kept = live()
    vhost = full(kept)
    steps = some(kept.node.delete_vhost_in_steps("v"), 3)
    assert vhost.queues
    again = kept.node.add_vhost("v")
    assert not vhost.queues
    again.declare_queue("q0", durable=True)
    publish(again, "", "q0", [7], persistent=True)
    finish(steps)
    kept.flush()
    assert by_key(fold(kept.catalog.changes)) == by_key(durable_part(kept.node))
    life = kept.next_life()
    queue = life.node.vhosts["v"].queues["q0"]
    assert messages_in(kept.journal, queue.id) == {0: 7}


@pytest.mark.parametrize("count", CUTS)
def test_a_crash_while_a_virtual_host_ends_finds_nothing_of_it(count: int) -> None:
    kept = live()
    full(kept)
    other = full(kept, "w")
    steps = kept.node.delete_vhost_in_steps("v")
    for _ in range(count):
        next(steps, None)
    kept.flush()
    life = kept.next_life()
    assert set(life.node.vhosts) == {"/", "w"}
    assert set(kept.journal.queues()) == {queue.id for queue in other.queues.values() if queue.id}
    life.node.add_vhost("v").declare_queue("q0", durable=True)


@pytest.mark.parametrize("count", CUTS)
def test_a_crash_before_the_end_of_a_virtual_host_is_on_the_disk_finds_all_of_it(count: int) -> None:
    kept = live()
    full(kept)
    at = len(kept.catalog.changes)
    steps = kept.node.delete_vhost_in_steps("v")
    for _ in range(count):
        next(steps, None)
    kept.journal.flush()
    catalog = MemoryCatalog()
    catalog.changes = kept.catalog.changes[:at]
    queues = live(catalog, kept.journal).node.vhosts["v"].queues
    assert {name: queue.ready_count for name, queue in queues.items()} == {"q0": 15, "q1": 14, "q3": 9, "q4": 5}


@pytest.mark.parametrize("seed", SEEDS)
def test_virtual_hosts_deleted_and_made_again_in_any_order_leave_what_is_declared(seed: int) -> None:
    random, kept = Random(seed), live()
    node, work = kept.node, list[Steps]()
    for _ in range(CHANGES):
        name, what = random.choice("vw"), random.randrange(6)
        if what == 0 and name in node.vhosts:
            work.append(node.delete_vhost_in_steps(name))
            next(work[-1])
        elif what == 1:
            node.add_vhost(name)
        elif what < 4 and name in node.vhosts:
            vhost, number = node.vhosts[name], random.randint(0, 5)
            queue = vhost.declare_queue(f"q{number}", durable=number < 4)
            vhost.bind("amq.fanout", queue, "", {})
            publish(vhost, "amq.fanout", "", [1, 2], persistent=True)
        elif work:
            steps = random.choice(work)
            for _ in range(random.randint(1, 5)):
                next(steps, None)
        if random.random() < 0.2:
            kept.flush()
    for steps in work:
        finish(steps)
    kept.flush()
    assert node.keeper is not None
    node.keeper.weigh()  # the turn is over
    assert by_key(fold(kept.catalog.changes)) == by_key(durable_part(node))
    queues = [queue for vhost in node.vhosts.values() for queue in vhost.queues.values()]
    assert Counter(kept.journal.queues()) == Counter(queue.id for queue in queues if queue.id)
    alive = {queue.id: queue.ready_count for queue in queues if queue.id}
    assert {id: len(messages_in(kept.journal, id)) for id in kept.journal.queues()} == alive
    for name in list(node.vhosts):
        node.delete_vhost(name)
    assert node.memory.used_bytes == 0
