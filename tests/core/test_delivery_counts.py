"""How often messages came back, and what becomes of those that came back too often."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.domain import Receiver, consume
from tests.core.kept import Kept, live
from tests.core.test_rules import a_node, bodies, declare, pass_time, publish

from menura.core.browsing import Peek
from menura.core.content import body_of
from menura.core.delivery_counts import delivery_count
from menura.core.queue import Queue


def come_back(queue: Queue, *, failed: bool = True) -> int:
    """Take the first message and give it back; how often it had come back before."""
    taken = queue.take(1)
    assert taken is not None
    queue.requeue(*taken[:2], failed)
    return delivery_count(taken[1].contents[0])


def test_a_message_that_comes_back_too_often_dies() -> None:
    vhost = a_node().vhosts["/"]
    queue = declare(vhost, "q", durable=True, queue_type="quorum", delivery_limit=2)
    publish(vhost, "q", "1", "2")
    assert [come_back(queue) for _ in range(3)] == [0, 1, 2]
    assert bodies(queue) == ["2"]
    assert vhost.memory.used_bytes == 0


@pytest.mark.parametrize("count", [-5, (1 << 63) - 1, "many", True, None, 1.5])
def test_a_count_from_a_client_that_is_none_counts_as_none(count: object) -> None:
    vhost = a_node().vhosts["/"]
    queue = declare(vhost, "q", durable=True, queue_type="quorum")
    publish(vhost, "q", "1", headers={"x-delivery-count": count})
    come_back(queue)
    assert come_back(queue) in (1, 2)
    assert queue.ready_count == 1


def test_what_waits_for_another_try_goes_with_its_queue() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    queue = declare(vhost, "q", durable=True, queue_type="quorum", delayed_retry_type="all", delayed_retry_min=1000)
    publish(vhost, "q", "1", "2")
    come_back(queue)
    assert (queue.ready_count, queue.unsettled_count) == (1, 1)
    vhost.remove_queue(queue)
    pass_time(node, 5)
    assert (vhost.memory.used_bytes, queue.unsettled_count) == (0, 0)
    assert not [entry for _, _, entry in node.agenda._entries if entry.work is not None]


def test_a_message_that_expires_while_it_waits_for_another_try_is_not_delivered_again() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    queue = declare(
        vhost,
        "q",
        durable=True,
        queue_type="quorum",
        message_ttl=500,
        delayed_retry_type="all",
        delayed_retry_min=1000,
    )
    publish(vhost, "q", "1")
    come_back(queue)
    pass_time(node, 1.1)
    assert (queue.ready_count, queue.unsettled_count, vhost.memory.used_bytes) == (0, 0, 0)


def test_a_policy_that_ends_retries_leaves_those_that_wait_their_time() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    queue = declare(vhost, "q", durable=True, queue_type="quorum")
    definition = {"delayed-retry-type": "all", "delayed-retry-min": 1000}
    vhost.policies.set("p", {"pattern": "q", "definition": definition, "priority": 0})
    publish(vhost, "q", "1", "2")
    come_back(queue)
    vhost.policies.clear("p")
    come_back(queue)
    assert (queue.ready_count, queue.unsettled_count) == (1, 1)
    pass_time(node, 1.1)
    assert bodies(queue) == ["1", "2"]


# -- over restarts -----------------------------------------------------------------------------------------


def a_queue(*messages: str, **settings: Any) -> tuple[Kept, Queue]:
    kept = live(now=1000.0)
    queue = declare(kept.vhost, "q", durable=True, queue_type="quorum", **settings)
    if messages:
        publish(kept.vhost, "q", *messages, delivery_mode=2)
    return kept, queue


def restarted(kept: Kept, seconds: float = 0.0) -> tuple[Kept, Queue]:
    """The next life, some time later."""
    kept = kept.next_life(kept.node.agenda.now + seconds)
    kept.node.agenda.tick(kept.node.agenda.now)
    return kept, kept.vhost.queues["q"]


def counts(queue: Queue) -> dict[str, int]:
    """Take everything, and leave it at that."""
    found = {}
    while (taken := queue.take(10)) is not None:
        found |= {body_of(content).decode(): delivery_count(content) for content in taken[1].contents}
    return found


@pytest.mark.parametrize("settings", [{}, {"max_priority": 3}, {"message_ttl": 1_000_000}])
def test_a_message_is_counted_each_time_it_was_handed_out_whatever_then_became_of_the_broker(
    settings: dict[str, Any],
) -> None:
    kept, queue = a_queue("1", "2", **settings)
    for life in range(4):
        if life % 2:
            assert come_back(queue) == life
        else:
            taken = queue.take(1)
            assert taken is not None
            assert delivery_count(taken[1].contents[0]) == life
        kept, queue = restarted(kept)
    assert counts(queue) == {"1": 4, "2": 0}


def test_a_message_that_a_consumer_had_at_once_is_counted() -> None:
    for settings in ({}, {"max_priority": 3}):
        kept, queue = a_queue(**settings)
        consume(queue, Receiver())
        publish(kept.vhost, "q", "1", "2", delivery_mode=2)
        kept.vhost.dispatch()
        _, queue = restarted(kept)
        assert counts(queue) == {"1": 1, "2": 1}


def test_a_message_of_a_low_rank_is_not_counted_when_others_went_before_it() -> None:
    kept, queue = a_queue("low", max_priority=3)
    publish(kept.vhost, "q", "high", delivery_mode=2, priority=2)
    taken = queue.take(1)
    assert taken is not None
    assert bodies_of(taken[1].contents) == ["high"]
    _, queue = restarted(kept)
    assert counts(queue) == {"high": 1, "low": 0}


def bodies_of(contents: list[bytes]) -> list[str]:
    return [body_of(content).decode() for content in contents]


def test_a_message_that_had_its_last_try_when_the_broker_ended_is_dead_at_the_next_start() -> None:
    settings = {"delivery_limit": 1, "dead_letter_exchange": "", "dead_letter_routing_key": "dead"}
    kept, queue = a_queue("1", "2", "3", **settings)
    declare(kept.vhost, "dead", durable=True)
    come_back(queue)
    assert counts(queue) == {"1": 1, "2": 0, "3": 0}
    kept, queue = restarted(kept)
    assert bodies(kept.vhost.queues["dead"]) == ["1"]
    assert counts(queue) == {"2": 1, "3": 1}
    kept, queue = restarted(kept)
    assert bodies(kept.vhost.queues["dead"]) == ["2", "3"]
    assert (queue.ready_count, queue.unsettled_count, kept.vhost.memory.used_bytes) == (0, 0, 0)


def test_a_limit_of_none_at_all_counts_the_end_of_the_broker() -> None:
    kept, queue = a_queue("1", "2", delivery_limit=0)
    queue.take(1)
    _, queue = restarted(kept)
    assert counts(queue) == {"2": 0}


def test_what_waits_for_another_try_waits_for_the_rest_of_its_time_after_a_restart() -> None:
    kept, queue = a_queue("1", "2", delayed_retry_type="failed", delayed_retry_min=1000)
    come_back(queue)
    kept, queue = restarted(kept, 0.4)
    assert (queue.ready_count, queue.unsettled_count) == (1, 1)
    pass_time(kept.node, 0.5)
    assert queue.ready_count == 1
    pass_time(kept.node, 0.11)
    assert counts(queue) == {"1": 1, "2": 0}


def test_what_was_out_waits_for_another_try_from_the_restart_on() -> None:
    kept, queue = a_queue("1", "2", delayed_retry_type="returned", delayed_retry_min=1000)
    queue.take(1)
    kept, queue = restarted(kept)
    kept, queue = restarted(kept, 0.9)
    assert (queue.ready_count, queue.unsettled_count) == (1, 1)
    kept, queue = restarted(kept, 0.11)
    assert counts(queue) == {"1": 1, "2": 0}


def test_who_looks_into_a_queue_after_a_restart_sees_the_counts() -> None:
    kept, queue = a_queue("1", "2", "3")
    for _ in range(3):
        come_back(queue)
    _, queue = restarted(kept)
    peek = Peek(queue)
    while peek.step():
        pass
    headers = [seen.properties.headers for seen in peek.result.messages]
    assert headers == [{"x-delivery-count": 3}, None, None]


def test_a_count_from_a_client_goes_on_after_a_restart() -> None:
    kept, queue = a_queue()
    publish(kept.vhost, "q", "1", delivery_mode=2, headers={"x-delivery-count": 7})
    queue.take(1)
    kept, queue = restarted(kept)
    come_back(queue)
    _, queue = restarted(kept)
    assert counts(queue) == {"1": 9}


def test_a_queue_that_does_not_count_notes_nothing() -> None:
    kept = live()
    for name, settings in (("plain", {}), ("brief", {"message_ttl": 1000}), ("ranks", {"max_priority": 3})):
        queue = declare(kept.vhost, name, durable=True, **settings)
        publish(kept.vhost, name, "1", delivery_mode=2)
        for _ in range(3):
            come_back(queue)
        assert kept.journal.counts(queue.id, 0, 9) == []
