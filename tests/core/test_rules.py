"""What a queue with rules does with its messages."""

from __future__ import annotations

import pytest
from tests.core.kept import live

from menura.core import content as packed
from menura.core import fields
from menura.core.consumer import Consumer
from menura.core.node import Node
from menura.core.properties import Properties
from menura.core.queue import Queue
from menura.core.routing import Route
from menura.core.run import Run
from menura.core.vhost import VHost


def a_node() -> Node:
    node = Node(lambda count: bytes(count))
    node.agenda.tick(1000.0)
    return node


def declare(vhost: VHost, name: str, *, durable: bool = False, **arguments: object) -> Queue:
    encoded = {f"x-{key.replace('_', '-')}": fields.encode_value(value) for key, value in arguments.items()}
    return vhost.declare_queue(name, durable=durable, arguments=encoded)


def message(body: str, **properties: object) -> bytes:
    return packed.pack(Properties(**properties).encode(), body.encode())  # type: ignore[arg-type]


def publish(vhost: VHost, queue: str, *bodies: str, deadline_ms: int = 0, **properties: object) -> int:
    """How many found no room."""
    contents = [message(body, **properties) for body in bodies]
    size = sum(map(len, contents))
    route = Route("", queue)
    persistent = properties.get("delivery_mode") == 2
    vhost.publish(route, Run(route, contents, size, max(map(len, contents)), persistent, deadline_ms=deadline_ms))
    vhost.dispatch()
    return vhost.take_refused()


def text_of(content: bytes) -> str:
    return packed.body_of(content).decode()


def bodies(queue: Queue) -> list[str]:
    """Takes everything that waits, in order."""
    found = []
    while (taken := queue.take(1)) is not None:
        position, run, _ = taken
        found.append(text_of(run.contents[0]))
        queue.settle(position, run)
    return found


def pass_time(node: Node, seconds: float) -> None:
    node.agenda.tick(node.agenda.now + seconds)


# -- time -------------------------------------------------------------------------------------------------------------


def test_messages_leave_when_their_time_is_over_and_not_before() -> None:
    node = a_node()
    queue = declare(node.vhosts["/"], "q", message_ttl=1000)
    publish(node.vhosts["/"], "q", "1")
    pass_time(node, 0.9)
    publish(node.vhosts["/"], "q", "2")
    assert queue.ready_count == 2
    pass_time(node, 0.15)
    assert queue.ready_count == 1
    assert bodies(queue) == ["2"]


def test_a_message_leaves_from_behind_others_that_stay() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    queue = declare(vhost, "q")
    publish(vhost, "q", "1", "2")
    publish(vhost, "q", "3", deadline_ms=node.agenda.wall_ms + 100)
    publish(vhost, "q", "4")
    pass_time(node, 0.09)
    assert queue.ready_count == 4
    pass_time(node, 0.02)
    assert bodies(queue) == ["1", "2", "4"]
    assert vhost.memory.used_bytes == 0


def test_a_shorter_time_set_later_counts_for_what_comes_then() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    queue = declare(vhost, "q", message_ttl=10_000)
    publish(vhost, "q", "old")
    vhost.policies.set("p", {"pattern": "q", "definition": {"message-ttl": 50}, "priority": 0})
    publish(vhost, "q", "new")
    pass_time(node, 0.1)
    assert bodies(queue) == ["old"]


def test_a_message_in_somebodys_hands_expires_when_it_comes_back() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    queue = declare(vhost, "q", message_ttl=100)
    publish(vhost, "q", "1")
    taken = queue.take(1)
    assert taken is not None
    pass_time(node, 5)
    assert queue.unsettled_count == 1
    queue.requeue(*taken[:2])
    assert (queue.ready_count, queue.unsettled_count) == (0, 0)
    assert vhost.memory.used_bytes == 0


def test_one_timer_serves_a_queue_however_many_messages_wait() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    declare(vhost, "q")
    for number in range(1000):
        publish(vhost, "q", str(number), deadline_ms=node.agenda.wall_ms + 10_000 - number)
    assert len([1 for _, _, entry in node.agenda._entries if entry.work is not None]) == 1


# -- room -------------------------------------------------------------------------------------------------------------


def test_the_oldest_make_room() -> None:
    node = a_node()
    queue = declare(node.vhosts["/"], "q", max_length=3)
    assert publish(node.vhosts["/"], "q", *"12345") == 0
    assert bodies(queue) == ["3", "4", "5"]


def test_only_bodies_count_for_a_limit_of_bytes() -> None:
    node = a_node()
    queue = declare(node.vhosts["/"], "q", max_length_bytes=5)
    publish(node.vhosts["/"], "q", "aa", "bb", "c", content_type="text/plain")
    assert queue.ready_count == 3
    taken = queue.take(1)
    assert taken is not None
    publish(node.vhosts["/"], "q", "dd")
    assert queue.ready_count == 3
    queue.requeue(*taken[:2])
    assert bodies(queue) == ["bb", "c", "dd"], "what came back was the oldest"


def test_a_full_queue_refuses_the_end_of_a_run_and_other_queues_take_it_all() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    small = declare(vhost, "small", max_length=2, overflow="reject-publish")
    large = declare(vhost, "large")
    for queue in (small, large):
        vhost.bind("amq.fanout", queue, "", {})
    route = Route("amq.fanout", "")
    contents = [message(str(number)) for number in range(5)]
    vhost.publish(route, Run(route, contents, sum(map(len, contents)), len(contents[0]), False))
    assert vhost.take_refused() == 3
    assert vhost.take_refused() == 0
    assert bodies(small) == ["0", "1"]
    assert bodies(large) == ["0", "1", "2", "3", "4"]
    assert vhost.memory.used_bytes == 0


def test_a_dead_letter_that_finds_no_room_is_nobodys_refusal() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    declare(vhost, "full", max_length=0, overflow="reject-publish")
    declare(vhost, "q", max_length=1, dead_letter_exchange="", dead_letter_routing_key="full")
    assert publish(vhost, "q", "1", "2") == 0
    assert vhost.memory.used_bytes == vhost.queues["q"].ready_bytes + 41 + 600


# -- rank -------------------------------------------------------------------------------------------------------------


def test_higher_ranks_go_first_and_what_comes_back_goes_to_its_place() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    queue = declare(vhost, "q", max_priority=5)
    for body, priority in (("a", 1), ("b", 9), ("c", 5), ("d", None), ("e", 1)):
        publish(vhost, "q", body, priority=priority)
    first = queue.take(1)
    second = queue.take(1)
    assert first is not None
    assert second is not None
    queue.requeue(*second[:2])
    queue.requeue(*first[:2])
    assert bodies(queue) == ["b", "c", "a", "e", "d"]
    assert vhost.memory.used_bytes == 0


def test_a_mixed_run_is_put_in_order() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    queue = declare(vhost, "q", max_priority=5)
    contents = [message(str(number), priority=number % 3) for number in range(9)]
    route = Route("", "q")
    vhost.publish(route, Run(route, contents, sum(map(len, contents)), len(contents[0]), False))
    assert bodies(queue) == ["2", "5", "8", "1", "4", "7", "0", "3", "6"]


# -- restarts ---------------------------------------------------------------------------------------------------------


def test_persistent_messages_behind_a_backlog_wait_together_by_rank_and_leave_in_order_after_a_restart() -> None:
    kept = live()
    queue = declare(kept.vhost, "q", durable=True, max_priority=5)
    publish(kept.vhost, "q", "first", delivery_mode=2)
    contents = [message(str(number), priority=number % 3, delivery_mode=2) for number in range(30)]
    route = Route("", "q")
    kept.vhost.publish(route, Run.of(route, contents, True))
    kept.flush()
    expected = [str(number) for rank in (2, 1, 0) for number in range(30) if number % 3 == rank]
    expected.insert(20, "first")
    assert len(list(queue.places)) == 4, "not one by one"
    assert [number for _, run in queue.read_all() for number in map(text_of, run.contents)] == expected
    again = kept.next_life().vhost.queues["q"]
    assert len(list(again.places)) <= 4
    assert bodies(again) == expected
    assert again.vhost.memory.used_bytes == 0


def test_a_run_for_several_queues_is_written_down_as_it_came() -> None:
    kept = live()
    plain, ranked = declare(kept.vhost, "plain", durable=True), declare(kept.vhost, "q", durable=True, max_priority=5)
    for queue in (plain, ranked):
        kept.vhost.bind("amq.fanout", queue, "", {})
    for priorities in ((0,), (1, 2, 3)):
        contents = [message(str(priority), priority=priority, delivery_mode=2) for priority in priorities]
        route = Route("amq.fanout", "")
        kept.vhost.publish(route, Run.of(route, contents, True))
    again = kept.next_life().vhost.queues
    assert bodies(again["plain"]) == ["0", "1", "2", "3"]
    assert bodies(again["q"]) == ["3", "2", "1", "0"]


@pytest.mark.parametrize("resident_bytes_max", [1 << 30, 0])
def test_ranks_and_times_are_known_again_after_a_restart(
    resident_bytes_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("menura.core.backlog.RESIDENT_BYTES_MAX", resident_bytes_max)
    kept = live()
    pass_time(kept.node, 1000)
    vhost = kept.node.vhosts["/"]
    declare(vhost, "ranks", durable=True, max_priority=5)
    declare(vhost, "times", durable=True)
    for body, priority in (("a", 1), ("b", 4), ("c", None)):
        publish(vhost, "ranks", body, priority=priority, delivery_mode=2)
    now_ms = kept.node.agenda.wall_ms
    publish(vhost, "times", "stays", delivery_mode=2)
    publish(vhost, "times", "goes", delivery_mode=2, expiration="500", deadline_ms=now_ms + 500)
    publish(vhost, "times", "waits", delivery_mode=2, expiration="5000", deadline_ms=now_ms + 5000)
    again = kept.next_life()
    vhost = again.node.vhosts["/"]
    pass_time(again.node, 1001)
    assert bodies(vhost.queues["ranks"]) == ["b", "a", "c"]
    assert vhost.queues["times"].ready_count == 2
    pass_time(again.node, 5)
    assert bodies(vhost.queues["times"]) == ["stays"]


# -- leases -----------------------------------------------------------------------------------------------------------


class Nobody:
    writable = True

    def deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> None: ...

    def cancelled(self, consumer: Consumer) -> None: ...


def test_an_unused_queue_goes_and_one_with_a_consumer_stays() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    queue = declare(vhost, "q", expires=1000)
    pass_time(node, 0.9)
    assert queue.get() is None
    pass_time(node, 0.9)
    assert queue.alive
    consumer = Consumer("c", queue, Nobody())
    queue.subscribe(consumer)
    pass_time(node, 10)
    assert queue.alive
    queue.unsubscribe(consumer)
    pass_time(node, 0.9)
    assert queue.alive
    pass_time(node, 0.2)
    assert not queue.alive


# -- deaths -----------------------------------------------------------------------------------------------------------


def test_a_dead_letter_that_must_not_be_lost_waits_until_there_is_a_queue_for_it() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    queue = declare(
        vhost,
        "q",
        durable=True,
        queue_type="quorum",
        message_ttl=100,
        overflow="reject-publish",
        dead_letter_strategy="at-least-once",
        dead_letter_exchange="",
        dead_letter_routing_key="grave",
    )
    publish(vhost, "q", "1")
    publish(vhost, "q", "2")
    taken = queue.take(1)
    assert taken is not None
    queue.reject(*taken[:2])
    pass_time(node, 0.2)
    assert (queue.ready_count, queue.unsettled_count) == (0, 2)
    grave = declare(vhost, "grave")
    pass_time(node, 1.1)
    assert (queue.ready_count, queue.unsettled_count) == (0, 0)
    assert sorted(bodies(grave)) == ["1", "2"]
    assert vhost.memory.used_bytes == 0


def test_what_waits_for_a_grave_goes_with_its_queue() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    queue = declare(
        vhost,
        "q",
        durable=True,
        queue_type="quorum",
        overflow="reject-publish",
        dead_letter_strategy="at-least-once",
        dead_letter_exchange="nowhere",
    )
    publish(vhost, "q", "1")
    taken = queue.take(1)
    assert taken is not None
    queue.reject(*taken[:2])
    vhost.remove_queue(queue)
    pass_time(node, 5)
    assert vhost.memory.used_bytes == 0


def test_a_message_that_comes_back_waits_longer_each_time_and_is_a_dead_letter_in_the_end() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    grave = declare(vhost, "grave")
    queue = declare(
        vhost,
        "q",
        durable=True,
        queue_type="quorum",
        delivery_limit=3,
        delayed_retry_type="failed",
        delayed_retry_min=100,
        delayed_retry_max=250,
        dead_letter_exchange="",
        dead_letter_routing_key="grave",
    )
    publish(vhost, "q", "1")
    waited = []
    while not grave.ready_count:
        taken = queue.take(1)
        assert taken is not None
        queue.requeue(*taken[:2], failed=True)
        begin = node.agenda.now
        while not queue.ready_count and not grave.ready_count:
            pass_time(node, 0.01)
        waited.append(round(node.agenda.now - begin, 2))
    assert waited == pytest.approx([0.1, 0.2, 0.25, 0.0], abs=0.011)
    assert (queue.ready_count, queue.unsettled_count) == (0, 0)
