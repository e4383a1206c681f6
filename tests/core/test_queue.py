"""Rules of one queue that are plainer shown than modelled; `test_queue_model` has the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.domain import Receiver, a_vhost, consume, count_copies, numbered, numbers_of, publish, take_all

from menura.core import run as run_module
from menura.core.errors import AccessRefused
from menura.core.queue import Queue
from menura.core.routing import Route
from menura.core.tallies import Taken

ROUTES = [Route("", "q"), Route("", "q"), Route("x", "k")]


def queue_of(*counts: int) -> Queue:
    """A queue into which runs of these lengths were published, numbered from 0."""
    queue = a_vhost().declare_queue("q")
    first = 0
    for count in counts:
        publish(queue.vhost, "", "q", range(first, first + count))
        first += count
    return queue


PUBLISHES = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 2), st.booleans(), st.integers(0, 3000)), max_size=12)


@given(PUBLISHES, st.lists(st.integers(1, 50), min_size=1))
def test_merging_runs_never_changes_what_is_delivered(
    publishes: list[tuple[int, int, bool, int]], takes: list[int]
) -> None:
    def delivered() -> list[tuple[bytes, Route, bool, int]]:
        queue = a_vhost().declare_queue("q")
        number = 0
        for count, route, persistent, padding in publishes:
            queue.enqueue(numbered(ROUTES[route], range(number, number + count), padding, persistent))
            number += count
        messages = []
        turn = 0
        while queue.ready_count:
            position, run, _ = queue.take(takes[turn % len(takes)])
            turn += 1
            for offset, content in enumerate(run.contents):
                messages.append((content, run.route, run.persistent, position + offset))
                assert len(content) <= run.longest_bytes
            queue.settle(position, run)
        return messages

    merged = delivered()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "MERGE_BYTES_MAX", 0)
        assert delivered() == merged
    assert len(merged) == sum(count for count, *_ in publishes)


def test_small_publishes_on_one_route_are_kept_as_one_run() -> None:
    queue = queue_of(1)
    route = Route("", "q")
    for number in range(1, 101):
        queue.enqueue(numbered(route, [number]))
    assert [len(queue.take(1000)[1]) for _ in range(2)] == [1, 100]


def test_returned_messages_go_before_all_others_in_their_old_order() -> None:
    queue = queue_of(10)
    taken = [queue.take(1) for _ in range(6)]
    for position, run, _ in (taken[4], taken[1], taken[5]):
        queue.requeue(position, run)
    found = [(numbers_of(run), redelivered) for _, run, redelivered in (queue.take(100) for _ in range(4))]
    assert found == [([1], True), ([4], True), ([5], True), ([6, 7, 8, 9], False)]


def test_counters_count_each_hand_over() -> None:
    queue, receiver = queue_of(10), Receiver()
    first = consume(queue, receiver, prefetch=4)
    queue.dispatch()
    receiver.deliveries[0].give_back()
    queue.unsubscribe(first)
    consume(queue, receiver, prefetch=4)
    queue.dispatch()
    receiver.deliveries[1].settle()
    queue.dispatch()
    assert queue.published == 10
    assert queue.taken() == Taken(deliver=12, redeliver=4, ack=4)


def test_purging_leaves_what_is_handed_out() -> None:
    queue = queue_of(10)
    position, run, _ = queue.take(3)
    assert queue.purge() == 7
    queue.requeue(position, run)
    assert take_all(queue) == [0, 1, 2]


def test_positions_go_on_after_a_purge() -> None:
    queue = queue_of(10)
    queue.take(3)
    queue.purge()
    publish(queue.vhost, "", "q", [99])
    position, run, redelivered = queue.take(1)
    assert (position, numbers_of(run), redelivered) == (10, [99], False)


def test_what_comes_back_to_a_deleted_queue_is_forgotten() -> None:
    queue = queue_of(10)
    vhost = queue.vhost
    one, two = queue.take(2), queue.take(2)
    assert vhost.remove_queue(queue) == 6
    queue.requeue(*one[:2])
    queue.settle(*two[:2])
    assert (queue.ready_count, queue.unsettled_count, vhost.memory.used_bytes) == (0, 0, 0)


def test_taking_single_messages_copies_few_others() -> None:
    with pytest.MonkeyPatch.context() as patch:
        copied = count_copies(patch)
        queue = queue_of(4096)
        while queue.ready_count:
            queue.take(1)
        assert sum(copied) < 100 * 4096


def test_taking_single_messages_that_came_back_copies_few_others() -> None:
    with pytest.MonkeyPatch.context() as patch:
        queue = queue_of(4096)
        queue.requeue(*queue.take(4096)[:2])
        copied = count_copies(patch)
        while queue.ready_count:
            queue.take(1)
        assert sum(copied) < 100 * 4096


# Consumers that come and go


def test_an_exclusive_consumer_has_the_queue_for_itself() -> None:
    queue = queue_of()
    consumer = consume(queue, exclusive=True)
    for exclusive in (False, True):
        with pytest.raises(AccessRefused, match=r"^queue 'q' in vhost '/' in exclusive use$"):
            consume(queue, exclusive=exclusive)
    queue.unsubscribe(consumer)
    consume(queue)
    with pytest.raises(AccessRefused):
        consume(queue, exclusive=True)


def test_an_auto_delete_queue_goes_with_its_last_consumer_and_never_before_its_first() -> None:
    vhost = a_vhost()
    queue = vhost.declare_queue("q", auto_delete=True)
    one, two = consume(queue), consume(queue)
    queue.unsubscribe(one)
    assert queue.alive
    queue.unsubscribe(two)
    assert not queue.alive
    assert "q" not in vhost.queues


def test_consumers_of_a_deleted_queue_are_told_and_may_still_leave() -> None:
    queue, receiver = queue_of(3), Receiver()
    consumers = [consume(queue, receiver), consume(queue, receiver)]
    queue.vhost.dispatch()
    queue.vhost.remove_queue(queue)
    assert receiver.gone == consumers
    for delivery in receiver.deliveries:
        delivery.settle()
    queue.unsubscribe(consumers[0])
    queue.vhost.dispatch()
    assert queue.vhost.memory.used_bytes == 0


def test_a_message_that_needs_no_settling_is_settled_once_sent() -> None:
    queue, receiver = queue_of(3), Receiver()
    consumer = consume(queue, receiver, settles=False, prefetch=1)
    queue.vhost.dispatch()
    assert receiver.numbers() == [0, 1, 2]
    assert (queue.unsettled_count, consumer.unsettled, queue.vhost.memory.used_bytes) == (0, 0, 0)
