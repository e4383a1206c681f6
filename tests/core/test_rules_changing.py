"""Rules of queues whose settings change, that page, restart, or have somebody ready to take what comes."""

from __future__ import annotations

import pytest
from tests.core.kept import Kept, live
from tests.core.test_rules import Nobody, a_node, bodies, declare, message, pass_time, publish

from menura.core import fields
from menura.core.consumer import Consumer
from menura.core.node import Node
from menura.core.ports import Stored
from menura.core.routing import Route
from menura.core.run import Run
from menura.core.vhost import VHost
from menura.store.memory import MemoryJournal


def set_policy(vhost: VHost, **definition: object) -> None:
    encoded = {key.replace("_", "-"): value for key, value in definition.items()}
    vhost.policies.set("p", {"pattern": "^q$", "definition": encoded, "priority": 0})


@pytest.fixture
def paging(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that can be is in the journal alone once something waits."""
    monkeypatch.setattr("menura.core.backlog.RESIDENT_BYTES_MAX", 0)


def publish_kept(vhost: VHost, *found: str, **properties: object) -> None:
    publish(vhost, "q", *found, delivery_mode=2, **properties)  # type: ignore[arg-type]


def timers(node: Node) -> int:
    return len([entry for _, _, entry in node.agenda._entries if entry.work is not None])


# -- lengths ----------------------------------------------------------------------------------------------------------


def test_bytes_are_counted_exactly_after_a_restart() -> None:
    kept = live()
    declare(kept.vhost, "q", durable=True, max_length_bytes=6)
    publish_kept(kept.vhost, "aa", "bb", "cc", headers={"padding": "x" * 100})
    vhost = kept.next_life().vhost
    publish_kept(vhost, "dd")
    assert bodies(vhost.queues["q"]) == ["bb", "cc", "dd"]
    publish_kept(vhost, "eee", "fff")
    assert bodies(vhost.queues["q"]) == ["eee", "fff"]


def test_bytes_limited_by_a_policy_count_what_is_in_the_journal(paging: None) -> None:
    kept = live()
    queue = declare(kept.vhost, "q", durable=True)
    publish_kept(kept.vhost, "aa")
    publish_kept(kept.vhost, "bb", "cc")
    assert not [place for place in queue.places if isinstance(place.waiting, Run)]
    set_policy(kept.vhost, max_length_bytes=4)
    assert queue.ready_count == 2
    publish_kept(kept.vhost, "dd")
    assert bodies(queue) == ["cc", "dd"]


def test_what_goes_to_a_consumer_at_once_does_not_count_as_waiting() -> None:
    vhost = a_node().vhosts["/"]
    queue = declare(vhost, "q", max_length_bytes=4, max_priority=1)
    queue.subscribe(Consumer("c", queue, Nobody(), prefetch=2))
    contents = [message("aa", priority=1), message("bb", priority=1), message("cc"), message("dd")]
    route = Route("", "q")
    vhost.publish(route, Run(route, contents, sum(map(len, contents)), len(contents[0]), False))
    assert bodies(queue) == ["cc", "dd"]
    publish(vhost, "q", "ee", "ff")
    assert bodies(queue) == ["ee", "ff"]


@pytest.mark.parametrize("overflow", ["drop-head", "reject-publish"])
@pytest.mark.parametrize("limit", [{"max_length": 3}, {"max_length_bytes": 3}])
def test_what_consumers_have_room_for_is_neither_dropped_nor_refused(overflow: str, limit: dict[str, int]) -> None:
    vhost = a_node().vhosts["/"]
    queue = declare(vhost, "q", overflow=overflow, **limit)
    for tag in "ab":
        queue.subscribe(Consumer(tag, queue, Nobody(), prefetch=4))
    refused = publish(vhost, "q", *"0123456789ABC")
    assert (queue.ready_count, queue.unsettled_count) == (3, 8)
    assert refused == (2 if overflow == "reject-publish" else 0)
    assert bodies(queue) == [*("89A" if refused else "ABC")]


def test_a_queue_for_no_messages_refuses_even_what_somebody_could_take() -> None:
    vhost = a_node().vhosts["/"]
    queue = declare(vhost, "q", max_length=0, overflow="reject-publish")
    queue.subscribe(Consumer("c", queue, Nobody()))
    assert publish(vhost, "q", "1", "2") == 2
    assert queue.unsettled_count == 0


def test_what_comes_back_to_a_full_queue_is_not_handed_out_again_to_make_room() -> None:
    vhost = a_node().vhosts["/"]
    queue = declare(vhost, "q", max_length=1)
    consumer = Consumer("c", queue, Nobody(), prefetch=10)
    publish(vhost, "q", "1")
    taken = queue.take(1)
    assert taken is not None
    publish(vhost, "q", "2")
    queue.subscribe(consumer)
    queue.requeue(*taken[:2])
    assert (queue.ready_count, consumer.unsettled) == (1, 0)


# -- times ------------------------------------------------------------------------------------------------------------


def test_a_shorter_time_finds_its_messages_behind_those_that_came_back() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    queue = declare(vhost, "q", message_ttl=10_000)
    publish(vhost, "q", "old")
    old = queue.take(1)
    set_policy(vhost, message_ttl=50)
    publish(vhost, "q", "new")
    new = queue.take(1)
    assert old is not None
    assert new is not None
    queue.requeue(*old[:2])
    queue.requeue(*new[:2])
    pass_time(node, 0.1)
    assert bodies(queue) == ["old"]


def test_what_came_before_there_was_a_time_to_live_stays(paging: None) -> None:
    kept = live()
    pass_time(kept.node, 1000)
    queue = declare(kept.vhost, "q", durable=True)
    publish_kept(kept.vhost, "1", "2", "3")
    set_policy(kept.vhost, message_ttl=50)
    publish_kept(kept.vhost, "4")
    pass_time(kept.node, 0.1)
    taken = queue.take(3)
    assert taken is not None
    queue.requeue(*taken[:2])
    assert bodies(queue) == ["1", "2", "3"]


def test_a_lease_that_a_policy_shortens_ends_sooner_and_one_it_takes_away_does_not_end() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    queue = declare(vhost, "q")
    set_policy(vhost, expires=3_600_000)
    set_policy(vhost, expires=1000)
    vhost.policies.clear("p")
    pass_time(node, 5)
    assert queue.alive
    set_policy(vhost, expires=1000)
    pass_time(node, 0.9)
    assert queue.alive
    pass_time(node, 0.2)
    assert not queue.alive
    assert timers(node) == 0


def test_so_many_messages_are_due_at_once_that_others_get_a_turn() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    queue = declare(vhost, "q", message_ttl=100)
    for _ in range(50):
        publish(vhost, "q", *["message"] * 100)
    turns = 0
    pass_time(node, 0.2)
    while queue.ready_count:
        before = queue.ready_count
        assert node.agenda.next_due == node.agenda.now, "it goes on in the next turn"
        pass_time(node, 0)
        assert before - queue.ready_count < 2000
        turns += 1
    assert turns > 1
    assert timers(node) == 0


def test_a_queue_of_replies_leaves_no_timer_behind() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    vhost.add_reply_queue("amq.replies.1")
    publish(vhost, "amq.replies.1", "1", deadline_ms=node.agenda.wall_ms + 1000)
    assert timers(node) == 1
    vhost.remove_reply_queue("amq.replies.1")
    assert (timers(node), vhost.memory.used_bytes) == (0, 0)


def test_a_virtual_host_that_is_deleted_leaves_no_timers_behind() -> None:
    node = a_node()
    vhost = node.add_vhost("other")
    vhost.declare_exchange("x", "x-delayed-message", arguments={"x-delayed-type": fields.encode_value("fanout")})
    declare(vhost, "q", message_ttl=1000, expires=5000)
    publish(vhost, "q", "1")
    content = message("2", headers={"x-delay": 100})
    route = Route("x", "")
    vhost.publish(route, Run(route, [content], len(content), len(content), False))
    assert timers(node) == 3
    node.delete_vhost("other")
    assert (timers(node), node.memory.used_bytes) == (0, 0)


def test_a_message_begins_to_age_when_its_delay_is_over() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    vhost.declare_exchange("x", "x-delayed-message", arguments={"x-delayed-type": fields.encode_value("fanout")})
    queue = declare(vhost, "q")
    vhost.bind("x", queue, "", {})
    content = message("1", headers={"x-delay": 1000}, expiration="500")
    route = Route("x", "")
    run = Run(route, [content], len(content), len(content), False, deadline_ms=node.agenda.wall_ms + 500)
    vhost.publish(route, run)
    pass_time(node, 1.1)
    assert queue.ready_count == 1
    pass_time(node, 0.4)
    assert queue.ready_count == 1
    pass_time(node, 0.2)
    assert queue.ready_count == 0


class Broken(Nobody):
    def deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> None:
        raise RuntimeError("broken")


def test_a_delayed_message_that_breaks_its_subscriber_is_held_no_longer() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    vhost.declare_exchange("x", "x-delayed-message", arguments={"x-delayed-type": fields.encode_value("fanout")})
    queue = declare(vhost, "q")
    vhost.bind("x", queue, "", {})
    queue.subscribe(Consumer("c", queue, Broken(), prefetch=1))
    content = message("1", headers={"x-delay": 1000})
    route = Route("x", "")
    vhost.publish(route, Run(route, [content], len(content), len(content), False))
    with pytest.raises(RuntimeError, match="broken"):
        pass_time(node, 1.1)
    assert vhost.queues["amq.delayed.x"].ready_count == 0
    assert queue.unsettled_count == 1
    held = vhost.memory.used_bytes
    assert held <= len(content) + 41 + 600


# -- journals with less or other things in them than they should have ---------------------------------------------


class Forgetful(MemoryJournal):
    """Loses what was at some positions."""

    lost: range = range(0)

    def read(self, queue: int, first: int, last: int) -> list[Stored]:
        return [
            stored._replace(first=stored.first + at, contents=[content])
            for stored in super().read(queue, first, last)
            for at, content in enumerate(stored.contents)
            if stored.first + at not in self.lost
        ]


def a_life_on_a_forgetful_disk(**arguments: object) -> tuple[Kept, Forgetful]:
    journal = Forgetful()
    kept = live(journal=journal)
    declare(kept.vhost, "q", durable=True, **arguments)
    publish_kept(kept.vhost, *"123456")
    return kept, journal


@pytest.mark.parametrize("arguments", [{}, {"max_priority": 3}, {"max_length": 10}, {"message_ttl": 10**6}])
@pytest.mark.parametrize("lost", [range(6), range(3), range(1, 3), range(4, 6)])
def test_what_the_disk_has_lost_is_counted_as_gone(arguments: dict[str, int], lost: range) -> None:
    kept, journal = a_life_on_a_forgetful_disk(**arguments)
    journal.lost = lost
    kept = live(kept.catalog, journal)
    left = [body for at, body in enumerate("123456") if at not in lost]
    queue = kept.vhost.queues["q"]
    assert bodies(queue) == left
    assert (queue.ready_count, queue.ready_bytes, kept.node.memory.used_bytes) == (0, 0, 0)


@pytest.mark.parametrize(
    "arguments", [{"max_length": 6}, {"max_length_bytes": 6}, {"max_length": 6, "max_priority": 1}]
)
@pytest.mark.parametrize("lost", [range(6), range(3), range(4, 6)])
def test_room_is_made_where_the_disk_has_lost_what_was_in_the_way(arguments: dict[str, int], lost: range) -> None:
    kept, journal = a_life_on_a_forgetful_disk(**arguments)
    journal.lost = lost
    kept = live(kept.catalog, journal)
    queue = kept.vhost.queues["q"]
    publish_kept(kept.vhost, *"789")
    assert len(bodies(queue)) <= 6
    publish_kept(kept.vhost, *"ABCDEFG")
    assert bodies(queue) == [*"BCDEFG"]
    assert kept.node.memory.used_bytes == 0


@pytest.mark.parametrize("expiration", ["soon", "", "-5", "1.5", "9" * 255])
def test_a_time_to_live_that_is_none_does_not_hinder_a_start(expiration: str) -> None:
    kept = live()
    declare(kept.vhost, "q", durable=True, max_priority=3)
    publish_kept(kept.vhost, "1", expiration=expiration)
    again = kept.next_life()
    pass_time(again.node, 1)
    assert bodies(again.vhost.queues["q"]) == ["1"]
