"""Exchanges that hold messages back until their time has come."""

from __future__ import annotations

import tracemalloc

import pytest
from tests.core.kept import Kept, live
from tests.core.test_rules import a_node, bodies, declare, message, pass_time

from menura.core import fields, properties
from menura.core.content import properties_of
from menura.core.delays import DELAY_MS_MAX
from menura.core.errors import PreconditionFailed
from menura.core.memory import MESSAGE_OVERHEAD_BYTES, RUN_OVERHEAD_BYTES, SINGLE_OVERHEAD_BYTES
from menura.core.node import Node
from menura.core.ports import Published, Settled
from menura.core.queue import Queue
from menura.core.routing import Route
from menura.core.run import Run
from menura.core.vhost import VHost
from menura.store.memory import MemoryJournal


def declare_delayed(vhost: VHost, kind: str = "direct", *, durable: bool = False) -> None:
    vhost.declare_exchange(
        "x", "x-delayed-message", durable=durable, arguments={"x-delayed-type": fields.encode_value(kind)}
    )


def publish(vhost: VHost, key: str, body: str, delay: object = None, mode: int = 1) -> bool:
    """Whether somebody took it."""
    headers = {} if delay is None else {"x-delay": delay}
    content = message(body, headers=headers, delivery_mode=mode)
    route = Route("x", key)
    return not vhost.publish(route, Run(route, [content], len(content), len(content), mode == 2))


def a_delayed_topic() -> tuple[Node, VHost]:
    node = a_node()
    vhost = node.vhosts["/"]
    declare_delayed(vhost, "topic")
    vhost.bind("x", declare(vhost, "q"), "a.*", {})
    return node, vhost


def test_messages_are_routed_after_their_delay_in_the_order_of_their_times() -> None:
    node, vhost = a_delayed_topic()
    for body, delay in (("late", 2000), ("soon", 500), ("now", None), ("also now", 0), ("not held", -5)):
        assert publish(vhost, "a.b", body, delay)
    assert bodies(vhost.queues["q"]) == ["now", "also now", "not held"]
    pass_time(node, 0.49)
    assert bodies(vhost.queues["q"]) == []
    pass_time(node, 0.02)
    assert bodies(vhost.queues["q"]) == ["soon"]
    pass_time(node, 2)
    assert bodies(vhost.queues["q"]) == ["late"]
    assert vhost.memory.used_bytes == 0


def test_the_bindings_count_of_the_time_at_which_a_message_is_routed() -> None:
    node, vhost = a_delayed_topic()
    assert publish(vhost, "b.c", "1", 100), "nobody knows yet whether somebody will want it"
    vhost.bind("x", vhost.queues["q"], "b.*", {})
    pass_time(node, 0.2)
    assert bodies(vhost.queues["q"]) == ["1"]


def test_a_message_says_how_long_it_was_held() -> None:
    node, vhost = a_delayed_topic()
    publish(vhost, "a.b", "1", 100)
    pass_time(node, 0.2)
    taken = vhost.queues["q"].take(1)
    assert taken is not None
    raw = properties.headers_raw(properties_of(taken[1].contents[0]))
    assert raw is not None
    assert fields.decode_table(raw)[0] == {"x-delay": -100}


@pytest.mark.parametrize("delay", ["100", 100.0])
def test_other_numbers_are_understood(delay: object) -> None:
    node, vhost = a_delayed_topic()
    publish(vhost, "a.b", "1", delay)
    assert vhost.queues["q"].ready_count == 0
    pass_time(node, 0.2)
    assert bodies(vhost.queues["q"]) == ["1"]


@pytest.mark.parametrize("delay", ["soon", True, [1], {}, "-1", "1" * 400, float("nan"), float("inf")])
def test_what_is_no_delay_does_not_hold_a_message(delay: object) -> None:
    _, vhost = a_delayed_topic()
    publish(vhost, "a.b", "1", delay)
    assert bodies(vhost.queues["q"]) == ["1"]


def test_a_delay_has_an_end() -> None:
    node, vhost = a_delayed_topic()
    publish(vhost, "a.b", "1", 1 << 62)
    pass_time(node, DELAY_MS_MAX / 1000 + 1)
    assert bodies(vhost.queues["q"]) == ["1"]


def test_what_is_held_can_be_dropped() -> None:
    node, vhost = a_delayed_topic()
    publish(vhost, "a.b", "1", 100)
    assert vhost.queues["amq.delayed.x"].purge() == 1
    pass_time(node, 1)
    assert bodies(vhost.queues["q"]) == []


def test_what_is_held_goes_with_the_exchange() -> None:
    node, vhost = a_delayed_topic()
    publish(vhost, "a.b", "1", 100)
    vhost.delete_exchange("x")
    assert "amq.delayed.x" not in vhost.queues
    pass_time(node, 1)
    assert vhost.memory.used_bytes == 0


@pytest.mark.parametrize("kind", [None, "nonsense", "x-delayed-message"])
def test_the_inner_kind_has_to_be_one(kind: str | None) -> None:
    arguments = {} if kind is None else {"x-delayed-type": fields.encode_value(kind)}
    with pytest.raises(PreconditionFailed, match="'x-delayed-type' must be an existing exchange type"):
        a_node().vhosts["/"].declare_exchange("x", "x-delayed-message", arguments=arguments)


def test_a_restart_holds_nothing_up_and_lets_nothing_out_early() -> None:
    kept = live()
    pass_time(kept.node, 1000)
    declare_delayed(kept.vhost, durable=True)
    kept.vhost.bind("x", declare(kept.vhost, "q", durable=True), "k", {})
    for number, delay in enumerate((60_000, 500, 30_000)):
        publish(kept.vhost, "k", str(number), delay, mode=2)
    publish(kept.vhost, "k", "transient", 30_000, mode=1)
    again = kept.next_life()
    pass_time(again.node, 1001)
    queue = again.vhost.queues["q"]
    assert bodies(queue) == ["1"]
    pass_time(again.node, 30)
    assert bodies(queue) == ["2"]
    third = again.next_life()
    pass_time(third.node, 1032)
    assert third.vhost.queues["q"].ready_count == 0
    assert third.vhost.queues["amq.delayed.x"].ready_count == 1
    pass_time(third.node, 30)
    assert bodies(third.vhost.queues["q"]) == ["0"]
    assert third.node.memory.used_bytes == 0


def test_what_is_durable_and_held_does_not_stay_in_memory() -> None:
    kept = live()
    declare_delayed(kept.vhost, durable=True)
    for _ in range(100):
        publish(kept.vhost, "k", "b" * 1000, 60_000, mode=2)
    queue = kept.vhost.queues["amq.delayed.x"]
    assert queue.ready_count == 100
    assert not [place for place in queue.places if isinstance(place.waiting, Run)]


def hold(kept: Kept, count: int) -> Queue:
    """So many durable messages that are held, one by one."""
    declare_delayed(kept.vhost, durable=True)
    kept.vhost.bind("x", kept.vhost.declare_queue("q", durable=True), "k", {})
    for number in range(count):
        publish(kept.vhost, "k", f"{number}", 60_000 + number % 100, mode=2)
    return kept.vhost.queues["amq.delayed.x"]


class Forgetful(MemoryJournal):
    """Keeps nothing, so that what is held is the queue's."""

    def append(self, *parts: Published | Settled) -> int:
        return self.appended


def test_a_message_that_is_held_is_charged_with_what_it_takes() -> None:
    kept = live(journal=Forgetful())
    hold(kept, 100)
    before = kept.node.memory.used_bytes
    tracemalloc.start()
    try:
        hold(kept, 5000)
        taken_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    charged_bytes = kept.node.memory.used_bytes - before
    assert charged_bytes == 5000 * SINGLE_OVERHEAD_BYTES
    assert 0.6 * charged_bytes < taken_bytes < 1.1 * charged_bytes


def test_the_account_follows_what_is_held_wherever_it_goes() -> None:
    kept = live()
    queue = hold(kept, 10)
    memory = kept.node.memory
    assert memory.used_bytes == 10 * SINGLE_OVERHEAD_BYTES
    position, run, _ = queue.take(1) or (0, None, False)
    assert run is not None
    assert memory.used_bytes == 9 * SINGLE_OVERHEAD_BYTES + run.size_bytes + MESSAGE_OVERHEAD_BYTES
    queue.requeue(position, run)
    assert memory.used_bytes == (
        9 * SINGLE_OVERHEAD_BYTES + run.size_bytes + MESSAGE_OVERHEAD_BYTES + RUN_OVERHEAD_BYTES
    )
    assert queue.purge() == 10
    assert memory.used_bytes == 0


def test_the_account_is_the_same_after_a_restart_and_empty_when_all_have_been_sent_on() -> None:
    kept = live()
    hold(kept, 10)
    again = kept.next_life()
    assert again.node.memory.used_bytes == 10 * SINGLE_OVERHEAD_BYTES
    pass_time(again.node, 61)
    assert not again.vhost.queues["amq.delayed.x"].ready_count
    assert bodies(again.vhost.queues["q"]) == [f"{number}" for number in range(10)]
    assert again.node.memory.used_bytes == 0
