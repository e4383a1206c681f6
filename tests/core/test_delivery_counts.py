"""How often messages came back, and what becomes of those that came back too often."""

from __future__ import annotations

import pytest
from tests.core.test_rules import a_node, bodies, declare, pass_time, publish

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
