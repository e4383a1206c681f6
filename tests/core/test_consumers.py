"""Credit, and whose turn it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.domain import Receiver, a_vhost, consume, operations, publish

from menura.core.consumer import Consumer, Limit
from menura.core.queue import Queue
from menura.core.vhost import VHost


@pytest.fixture
def vhost() -> VHost:
    return a_vhost()


@pytest.fixture
def queue(vhost: VHost) -> Queue:
    return vhost.declare_queue("q")


def feed(queue: Queue, *numbers: int) -> None:
    publish(queue.vhost, "", queue.name, numbers)
    queue.vhost.dispatch()


def served(receiver: Receiver) -> list[Consumer]:
    return [delivery.consumer for delivery in receiver.deliveries]


# Turns


@given(consumers=st.integers(2, 7), backlog=st.integers(1, 120))
def test_equals_take_strict_turns_while_the_backlog_is_small(consumers: int, backlog: int) -> None:
    queue, receiver = a_vhost().declare_queue("q"), Receiver()
    all_of_them = [consume(queue, receiver) for _ in range(consumers)]
    feed(queue, *range(backlog))
    turns = served(receiver)
    assert receiver.numbers() == list(range(backlog))
    assert [len(delivery.run) for delivery in receiver.deliveries] == [1] * backlog
    for at in range(backlog - consumers + 1):
        assert set(turns[at : at + consumers]) == set(all_of_them)


def test_a_large_backlog_is_shared_about_evenly_in_larger_pieces(queue: Queue) -> None:
    receiver = Receiver()
    for _ in range(4):
        consume(queue, receiver)
    feed(queue, *range(20_000))
    shares = [len(receiver.numbers(consumer)) for consumer in queue.consumers.all]
    assert sum(shares) == 20_000
    assert min(shares) > 4_000
    assert len(receiver.deliveries) < 5_000


def test_the_first_message_goes_to_the_consumer_that_came_first(queue: Queue) -> None:
    receiver = Receiver()
    consumers = [consume(queue, receiver) for _ in range(3)]
    feed(queue, *range(6))
    assert served(receiver) == consumers * 2


def test_who_always_has_room_is_served_in_each_round(queue: Queue) -> None:
    steady, other, wavering = Receiver(), Receiver(), Receiver()
    for receiver in (steady, other, wavering):
        consume(queue, receiver)
    for number in range(60):
        wavering.writable = number % 2 == 1
        feed(queue, number)
    assert len(steady.numbers()) >= 60 // 3


def test_consumers_that_come_and_go_do_not_give_others_a_second_turn(queue: Queue) -> None:
    receiver = Receiver()
    first, second = consume(queue, receiver), consume(queue, receiver)
    for number in range(20):
        passing = consume(queue, receiver)
        feed(queue, number)
        queue.unsubscribe(passing)
    assert len(receiver.numbers(second)) >= 5
    assert len(receiver.numbers(first)) >= 5


def test_coming_and_going_costs_about_the_same_however_many_consumers_there_are() -> None:
    def cost(count: int) -> int:
        queue = a_vhost().declare_queue("q")
        for _ in range(count):
            consume(queue)
        return operations(lambda: queue.unsubscribe(consume(queue)))

    assert cost(1000) < 5 * cost(4)


def test_higher_priorities_are_served_while_they_have_room(queue: Queue) -> None:
    receiver = Receiver()
    low = consume(queue, receiver, priority=-1)
    high = consume(queue, receiver, priority=5, prefetch=2)
    middle = consume(queue, receiver, priority=0, prefetch=1)
    feed(queue, 1, 2, 3, 4, 5)
    assert [receiver.numbers(each) for each in (high, middle, low)] == [[1, 2], [3], [4, 5]]
    receiver.deliveries[0].settle()
    feed(queue, 6, 7, 8)
    assert receiver.numbers(high)[2:] == [6, 7]
    assert receiver.numbers(low)[2:] == [8]


def test_only_the_longest_standing_consumer_is_active_until_it_goes(vhost: VHost) -> None:
    queue = vhost.declare_queue("q", arguments={"x-single-active-consumer": b"t\x01"})
    receiver = Receiver()
    first = consume(queue, receiver, prefetch=1)
    second = consume(queue, receiver, priority=10)
    feed(queue, 1, 2, 3)
    assert receiver.numbers(first) == [1]
    assert receiver.numbers(second) == []
    queue.unsubscribe(first)
    vhost.dispatch()
    assert receiver.numbers(second) == [2, 3]


def test_a_single_consumer_gets_everything_in_whole_runs(queue: Queue) -> None:
    receiver = Receiver()
    consume(queue, receiver)
    feed(queue, *range(5000))
    assert len(receiver.deliveries) == 1


def test_a_message_costs_about_the_same_however_many_consumers_there_are() -> None:
    def cost(count: int) -> int:
        queue = a_vhost().declare_queue("q")
        for _ in range(count):
            consume(queue, settles=False)
        return operations(lambda: feed(queue, *range(10)))

    assert cost(400) < 5 * cost(4)


# Credit


@given(prefetch=st.integers(1, 30), published=st.lists(st.integers(1, 60), max_size=6), data=st.data())
def test_a_consumer_holds_as_many_as_its_prefetch_and_never_more(
    prefetch: int, published: list[int], data: st.DataObject
) -> None:
    queue, receiver = a_vhost().declare_queue("q"), Receiver()
    consumer = consume(queue, receiver, prefetch=prefetch)
    number = settled = 0
    for count in published:
        feed(queue, *range(number, number + count))
        number += count
        sent = min(number, settled + prefetch)
        assert receiver.numbers() == list(range(sent))
        assert consumer.unsettled == sent - settled
        for delivery in receiver.deliveries:
            if delivery.position >= settled and data.draw(st.booleans()):
                delivery.settle()
                settled += len(delivery.run)
                break


def test_a_settled_message_makes_room_for_the_next(queue: Queue) -> None:
    receiver = Receiver()
    consume(queue, receiver, prefetch=2)
    feed(queue, *range(5))
    assert receiver.numbers() == [0, 1]
    receiver.deliveries[0].settle()
    queue.vhost.dispatch()
    assert receiver.numbers() == [0, 1, 2, 3]


def test_a_message_given_back_makes_room_too_and_comes_again(queue: Queue) -> None:
    receiver = Receiver()
    consume(queue, receiver, prefetch=1)
    feed(queue, 0, 1)
    receiver.deliveries[0].give_back()
    queue.vhost.dispatch()
    assert receiver.numbers() == [0, 0]
    assert [delivery.redelivered for delivery in receiver.deliveries] == [False, True]


def test_a_limit_is_shared_by_the_consumers_it_is_given_to(queue: Queue) -> None:
    receiver, limit = Receiver(), Limit(3)
    for prefetch in (0, 2):
        consume(queue, receiver, prefetch=prefetch, limit=limit)
    free = consume(queue, receiver, prefetch=1, limit=Limit(0))
    feed(queue, *range(10))
    assert len(receiver.numbers()) == 4
    assert len(receiver.numbers(free)) == 1
    assert limit.used == 3


def test_room_under_a_shared_limit_serves_the_other_queues_too(vhost: VHost) -> None:
    receiver, limit = Receiver(), Limit(1)
    one, two = vhost.declare_queue("one"), vhost.declare_queue("two")
    consume(one, receiver, limit=limit)
    consume(two, receiver, limit=limit)
    feed(one, 1)
    feed(two, 2)
    assert receiver.numbers() == [1]
    receiver.deliveries[0].settle()
    vhost.dispatch()
    assert receiver.numbers() == [1, 2]


def test_a_limit_forgets_consumers_that_have_gone(vhost: VHost) -> None:
    limit = Limit(1)
    one, two = vhost.declare_queue("one"), vhost.declare_queue("two")
    left, lost = consume(one, limit=limit), consume(two, limit=limit)
    assert set(limit.consumers) == {left, lost}
    one.unsubscribe(left)
    vhost.remove_queue(two)
    assert limit.consumers == {}


def test_a_lowered_limit_holds_back_until_enough_is_settled(queue: Queue) -> None:
    receiver, limit = Receiver(), Limit(0)
    consumer = consume(queue, receiver, limit=limit)
    feed(queue, *range(10))
    limit.count = 2
    feed(queue, 10)
    assert consumer.room() == 2 - 10
    assert len(receiver.numbers()) == 10
    receiver.deliveries[0].settle()
    queue.vhost.dispatch()
    assert receiver.numbers()[10:] == [10]


def test_a_slow_reader_is_sent_nothing_until_it_has_caught_up(queue: Queue) -> None:
    slow, quick = Receiver(), Receiver()
    consume(queue, slow)
    other = consume(queue, quick)
    slow.writable = False
    feed(queue, 1, 2)
    assert (slow.numbers(), quick.numbers()) == ([], [1, 2])
    queue.unsubscribe(other)
    feed(queue, 3)
    slow.writable = True
    queue.touch()
    queue.vhost.dispatch()
    assert slow.numbers() == [3]


def test_credit_stays_used_when_the_consumer_has_gone(queue: Queue) -> None:
    receiver, limit = Receiver(), Limit(1)
    consumer = consume(queue, receiver, limit=limit)
    feed(queue, 1)
    queue.unsubscribe(consumer)
    consume(queue, receiver, limit=limit)
    feed(queue, 2)
    assert receiver.numbers() == [1]
    receiver.deliveries[0].settle()
    queue.vhost.dispatch()
    assert receiver.numbers() == [1, 2]


def test_a_subscriber_that_fails_does_not_keep_messages_from_others(vhost: VHost) -> None:
    class Broken(Receiver):
        def deliver(self, *arguments: object) -> None:
            raise OSError("broken")

    receiver = Receiver()
    one, two = vhost.declare_queue("one"), vhost.declare_queue("two")
    publish(vhost, "", "one", [1])
    publish(vhost, "", "two", [2])
    consume(one, Broken())
    consume(two, receiver)
    with pytest.raises(OSError, match="broken"):
        vhost.dispatch()
    publish(vhost, "", "two", [3])
    vhost.dispatch()
    assert receiver.numbers() == [2, 3]
