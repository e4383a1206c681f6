"""Dead letters and what they meet on their way. What clients read in them is compared with RabbitMQ's elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.kept import Kept, live, notes
from tests.core.test_rules import a_node, bodies, declare, message, pass_time, publish

from menura.core import content as packed
from menura.core import fields, properties
from menura.core.consumer import Consumer
from menura.core.ports import Published, Settled
from menura.core.queue import Queue
from menura.core.routing import Route
from menura.core.run import Run
from menura.core.vhost import VHost

TO_DEAD = {"dead_letter_exchange": "", "dead_letter_routing_key": "dead"}


def publish_to_all(vhost: VHost, *found: str) -> None:
    contents = [message(body, delivery_mode=2) for body in found]
    route = Route("amq.fanout", "")
    vhost.publish(route, Run(route, contents, sum(map(len, contents)), max(map(len, contents)), True))


def deaths_in(queue: Queue) -> list[Any]:
    taken = queue.take(1)
    assert taken is not None
    raw = properties.headers_raw(packed.properties_of(taken[1].contents[0]))
    assert raw is not None
    queue.settle(*taken[:2])
    deaths: Any = fields.decode_table(raw)[0]["x-death"]
    return [(death["queue"], death["reason"], death["count"]) for death in deaths]


def a_full_queue_beside_its_dead() -> Kept:
    kept = live()
    for queue in (
        declare(kept.vhost, "full", durable=True, max_length=1, **TO_DEAD),
        declare(kept.vhost, "dead", durable=True),
    ):
        kept.vhost.bind("amq.fanout", queue, "", {})
    return kept


def test_a_queue_that_gets_a_message_and_a_letter_in_one_publish_keeps_both_in_their_places() -> None:
    kept = a_full_queue_beside_its_dead()
    for body in "123":
        publish_to_all(kept.vhost, body)
    again = kept.next_life()
    assert [body.encode() for body in bodies(again.vhost.queues["dead"])] == [b"1", b"2", b"1", b"3", b"2"]
    assert bodies(again.vhost.queues["full"]) == ["3"]


def test_what_a_refused_message_pushes_out_elsewhere_moves_in_one_step() -> None:
    kept = live()
    vhost = kept.vhost
    declare(vhost, "full", durable=True, max_length=0, overflow="reject-publish-dlx", **TO_DEAD)
    declare(vhost, "dead", durable=True, max_length=1, dead_letter_exchange="", dead_letter_routing_key="very dead")
    declare(vhost, "very dead", durable=True)
    publish(vhost, "full", "1", delivery_mode=2)
    before = len(notes(kept))
    publish(vhost, "full", "2", delivery_mode=2)
    left, came = vhost.queues["dead"].id, vhost.queues["very dead"].id
    both = [
        group
        for group in notes(kept)[before:]
        if isinstance(group, tuple)
        and any(isinstance(part, Settled) and part.queue == left for part in group)
        and any(isinstance(part, Published) and part.queues[0][0] == came for part in group)
    ]
    assert len(both) == 1
    assert bodies(vhost.queues["very dead"]) == ["1"]


@pytest.mark.parametrize(("count", "expected"), [(5, 6), ((1 << 63) - 1, 1), (-7, 1), ("many", 1), (None, 1)])
def test_a_history_written_by_a_client_does_not_break_a_death(count: object, expected: int) -> None:
    vhost = a_node().vhosts["/"]
    queue = declare(vhost, "q", **TO_DEAD)
    dead = declare(vhost, "dead")
    publish(vhost, "q", "1", headers={"x-death": [{"queue": "q", "reason": "rejected", "count": count}]})
    taken = queue.take(1)
    assert taken is not None
    queue.reject(*taken[:2])
    assert deaths_in(dead) == [("q", "rejected", expected)]


@pytest.mark.parametrize("junk", ["junk", 5, [1, "x"], [{}], [{"queue": 5, "reason": None}], {"count": 1}])
def test_junk_in_the_place_of_a_history_is_none(junk: object) -> None:
    vhost = a_node().vhosts["/"]
    queue = declare(vhost, "q", **TO_DEAD)
    dead = declare(vhost, "dead")
    publish(vhost, "q", "1", headers={"x-death": junk})
    taken = queue.take(1)
    assert taken is not None
    queue.reject(*taken[:2])
    taken = dead.take(1)
    assert taken is not None
    assert vhost.memory.used_bytes == taken[1].size_bytes + 41


class Broken:
    """A subscriber that fails."""

    writable = True

    def deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> None:
        raise RuntimeError("broken")

    def cancelled(self, consumer: Consumer) -> None: ...


def test_a_letter_that_breaks_its_subscriber_is_gone_from_where_it_died_and_the_others_go_on() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    queue = declare(vhost, "q", message_ttl=10, **TO_DEAD)
    dead = declare(vhost, "dead")
    dead.subscribe(Consumer("c", dead, Broken(), prefetch=1))
    publish(vhost, "q", "1")
    pass_time(node, 0.001)
    with pytest.raises(RuntimeError, match="broken"):
        pass_time(node, 0.1)
    publish(vhost, "q", "2")
    pass_time(node, 0.1)
    assert (queue.ready_count, queue.unsettled_count) == (0, 0)
    assert (dead.ready_count, dead.unsettled_count) == (1, 1)


def test_letters_that_must_find_a_queue_go_one_by_one() -> None:
    """Some find room and others do not; each is in one place all the while."""
    node = a_node()
    vhost = node.vhosts["/"]
    queue = declare(
        vhost,
        "q",
        durable=True,
        queue_type="quorum",
        overflow="reject-publish",
        dead_letter_strategy="at-least-once",
        **TO_DEAD,
    )
    dead = declare(vhost, "dead", max_length=2, overflow="reject-publish")
    publish(vhost, "q", *"1234")
    taken = queue.take(4)
    assert taken is not None
    queue.reject(*taken[:2])
    assert (dead.ready_count, queue.unsettled_count) == (2, 2)
    assert bodies(dead) == ["1", "2"]
    pass_time(node, 1.5)
    assert queue.unsettled_count == 0
    assert bodies(dead) == ["3", "4"]
    assert vhost.memory.used_bytes == 0


def test_a_cycle_of_full_queues_ends() -> None:
    vhost = a_node().vhosts["/"]
    names = [str(number) for number in range(12)]
    for name, next in zip(names, [*names[1:], names[0]], strict=True):
        declare(vhost, name, max_length=1, dead_letter_exchange="", dead_letter_routing_key=next)
    for number in range(30):
        publish(vhost, "0", f"message {number}")
    assert [queue.ready_count for queue in vhost.queues.values()] == [1] * 12
    assert bodies(vhost.queues["0"]) == ["message 29"]
    assert bodies(vhost.queues["11"]) == ["message 18"]


class Deleting:
    """A subscriber with whose first delivery another queue is deleted."""

    writable = True

    def __init__(self, doomed: Queue) -> None:
        self._doomed = doomed

    def deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> None:
        consumer.queue.settle(position, run)
        self._doomed.vhost.remove_queue(self._doomed)

    def cancelled(self, consumer: Consumer) -> None: ...


@pytest.mark.parametrize("durable", [False, True])
def test_a_queue_that_is_deleted_while_its_messages_expire_leaves_nothing_behind(durable: bool) -> None:
    kept = live()
    pass_time(kept.node, 1)
    queue = declare(kept.vhost, "q", durable=durable, message_ttl=100, **TO_DEAD)
    dead = declare(kept.vhost, "dead", durable=durable)
    dead.subscribe(Consumer("c", dead, Deleting(queue)))
    for body in "123":
        publish(kept.vhost, "q", body, delivery_mode=2)
        pass_time(kept.node, 0.02)
    assert queue.take(1) is not None
    pass_time(kept.node, 1)
    assert not queue.alive
    assert (queue.ready_count, dead.ready_count, dead.unsettled_count) == (0, 0, 0)
    assert not [entry for _, _, entry in kept.node.agenda._entries if entry.work is not None]
    kept.flush()
    assert kept.journal.queues() in ([], [dead.id])


def test_letters_that_the_exchange_cannot_route_go_to_its_alternate() -> None:
    vhost = a_node().vhosts["/"]
    vhost.declare_exchange("x", "direct", arguments={"alternate-exchange": fields.encode_value("amq.fanout")})
    queue = declare(vhost, "q", dead_letter_exchange="x")
    dead = declare(vhost, "dead")
    vhost.bind("amq.fanout", dead, "", {})
    publish(vhost, "q", "1")
    taken = queue.take(1)
    assert taken is not None
    queue.reject(*taken[:2])
    assert deaths_in(dead) == [("q", "rejected", 1)]
