"""What virtual hosts and queues write into the journal: enough to have, after a restart, each queue as it was."""

from __future__ import annotations

import pytest
from tests.core.domain import Receiver, a_vhost, consume, message, numbered, numbers_of, publish, run_of
from tests.core.kept import Kept, messages_in, notes, redeliveries, three_queues

from menura.core import fields
from menura.core.content import pack
from menura.core.keeping import Keeper
from menura.core.memory import MemoryAccount
from menura.core.ports import Held, Published, Settled
from menura.core.properties import Properties
from menura.core.queue import Queue
from menura.core.routing import Route
from menura.store.memory import MemoryCatalog, MemoryJournal


@pytest.fixture
def kept() -> Kept:
    return three_queues()


def ids(kept: Kept) -> tuple[int, int]:
    return kept.vhost.queues["durable"].id, kept.vhost.queues["other"].id


# -- what is written -----------------------------------------------------------------------------------------


def test_a_message_is_written_once_however_many_durable_queues_it_goes_to(kept: Kept) -> None:
    durable, other = ids(kept)
    publish(kept.vhost, "", "durable", [0], persistent=True)
    publish(kept.vhost, "amq.fanout", "k", [1, 2], persistent=True)
    assert notes(kept) == [
        (Published([(durable, 0)], "", ("durable",), [message(0)]),),
        (Published([(durable, 1), (other, 0)], "amq.fanout", ("k",), [message(1), message(2)]),),
    ]


@pytest.mark.parametrize(("key", "persistent"), [("durable", False), ("transient", True), ("transient", False)])
def test_nothing_is_written_unless_both_message_and_queue_are_to_last(kept: Kept, key: str, persistent: bool) -> None:
    publish(kept.vhost, "", key, [1], persistent)
    queue = kept.vhost.queues[key]
    queue.settle(*queue.take(1)[:2])
    consumer = consume(queue, settles=False)
    publish(kept.vhost, "", key, [2], persistent)
    queue.unsubscribe(consumer)
    publish(kept.vhost, "", key, [3], persistent)
    queue.purge()
    publish(kept.vhost, "", "nowhere", [4], persistent=True)
    assert notes(kept) == []
    assert kept.journal.queues() == []


def test_further_keys_are_written_too(kept: Kept) -> None:
    route = Route("", "durable", ("other", "nowhere"))
    kept.vhost.publish(route, numbered(route, [1], persistent=True))
    [[record]] = notes(kept)
    assert record.keys == ("durable", "other", "nowhere")
    assert sorted(record.queues) == sorted((id, 0) for id in ids(kept))


def test_a_route_is_known_after_a_restart_further_keys_and_all(kept: Kept) -> None:
    route = Route("", "durable", ("other",))
    kept.vhost.publish(route, numbered(route, [1], persistent=True))
    _, run, _ = kept.next_life().vhost.queues["durable"].take(1)
    assert (run.route.exchange, run.route.key, run.route.further_keys) == ("", "durable", ("other",))


def test_a_transient_message_takes_a_position_too(kept: Kept) -> None:
    publish(kept.vhost, "", "durable", range(3))
    publish(kept.vhost, "", "durable", [3], persistent=True)
    assert kept.messages(kept.vhost.queues["durable"]) == {3: 3}


def test_a_settled_range_is_settled_at_once(kept: Kept) -> None:
    publish(kept.vhost, "", "durable", range(1000), persistent=True)
    queue = kept.vhost.queues["durable"]
    queue.settle(*queue.take(1000)[:2])
    assert notes(kept)[1:] == [Settled(queue.id, 0, 999)]


def test_a_message_given_back_is_not_settled(kept: Kept) -> None:
    publish(kept.vhost, "", "durable", [0], persistent=True)
    queue = kept.vhost.queues["durable"]
    queue.requeue(*queue.take(1)[:2])
    assert len(notes(kept)) == 1
    queue.settle(*queue.take(1)[:2])
    assert notes(kept)[1:] == [Settled(queue.id, 0, 0)]


@pytest.mark.parametrize("waiting", [True, False])
def test_what_needs_no_settling_is_settled_when_it_is_sent(kept: Kept, waiting: bool) -> None:
    queue, receiver = kept.vhost.queues["durable"], Receiver()
    if waiting:
        publish(kept.vhost, "", "durable", range(5), persistent=True)
    consume(queue, receiver, settles=False)
    if not waiting:
        publish(kept.vhost, "", "durable", range(5), persistent=True)
    kept.vhost.dispatch()
    assert receiver.numbers() == [0, 1, 2, 3, 4]
    assert notes(kept)[1:] == [Settled(queue.id, 0, 4)]
    assert kept.messages(queue) == {}


def test_purging_settles_what_waited(kept: Kept) -> None:
    publish(kept.vhost, "", "durable", range(5), persistent=True)
    publish(kept.vhost, "", "durable", [5, 6])
    publish(kept.vhost, "", "durable", [7], persistent=True)
    queue = kept.vhost.queues["durable"]
    queue.take(2)
    queue.purge()
    assert kept.messages(queue) == {0: 0, 1: 1}


def test_messages_routed_by_headers_are_written_for_the_queues_they_went_to(kept: Kept) -> None:
    queue = kept.vhost.queues["durable"]
    kept.vhost.bind("amq.headers", queue, "", {"n": fields.encode_value(1)})
    contents = [pack(Properties(headers={"n": n}).encode(), b"") for n in (1, 2)]
    route = Route("amq.headers", "")
    kept.vhost.publish(route, run_of(route, contents, persistent=True))
    assert notes(kept) == [(Published([(queue.id, 0)], "amq.headers", ("",), [contents[0]]),)]


# -- deleted queues ------------------------------------------------------------------------------------------


def test_a_deleted_queue_keeps_its_messages_until_the_deletion_is_certain(kept: Kept) -> None:
    """Or a crash in between would bring back an empty queue."""
    publish(kept.vhost, "", "durable", range(5), persistent=True)
    kept.flush()
    queue = kept.vhost.queues["durable"]
    position, run, _ = queue.take(2)
    another = queue.take(1)
    kept.vhost.remove_queue(queue)
    queue.settle(position, run)
    queue.requeue(*another[:2])
    kept.journal.flush()
    assert kept.messages(queue) == {number: number for number in range(5)}
    kept.catalog.flush()
    assert kept.journal.queues() == []
    assert kept.node.memory.used_bytes == 0


def test_a_queue_of_the_same_name_is_another_queue(kept: Kept) -> None:
    publish(kept.vhost, "", "durable", range(5), persistent=True)
    queue = kept.vhost.queues["durable"]
    position, run, _ = queue.take(2)
    kept.vhost.remove_queue(queue)
    again = kept.vhost.declare_queue("durable", durable=True)
    publish(kept.vhost, "", "durable", [9], persistent=True)
    queue.settle(position, run)
    kept.flush()
    assert again.id != queue.id
    assert kept.messages(again) == {0: 9}
    assert list(redeliveries(kept.next_life().vhost.queues["durable"])) == [(9, False)]


def test_each_deletion_waits_for_its_own_certainty(kept: Kept) -> None:
    publish(kept.vhost, "amq.fanout", "", [1], persistent=True)
    _, other = ids(kept)
    kept.vhost.remove_queue(kept.vhost.queues["durable"])
    number = kept.catalog.changed
    kept.vhost.remove_queue(kept.vhost.queues["other"])
    kept.catalog.on_committed(number)
    assert kept.journal.queues() == [other]
    kept.catalog.flush()
    assert kept.journal.queues() == []


def test_messages_of_queues_that_are_not_defined_are_forgotten_at_the_start(kept: Kept) -> None:
    publish(kept.vhost, "amq.fanout", "", [1], persistent=True)
    durable, _ = ids(kept)
    del kept.catalog.changes[kept.catalog.changes.index((True, kept.vhost.queues["other"].definition)) :]
    kept.next_life()
    assert kept.journal.queues() == [durable]


# -- what is found -------------------------------------------------------------------------------------------


def test_after_a_restart_just_what_was_handed_out_is_redelivered(kept: Kept) -> None:
    publish(kept.vhost, "", "durable", range(6), persistent=True)
    queue = kept.vhost.queues["durable"]
    queue.settle(*queue.take(1)[:2])
    queue.take(1)
    queue.requeue(*queue.take(1)[:2])
    again = kept.next_life().vhost.queues["durable"]
    assert (again.ready_count, again.unsettled_count) == (5, 0)
    assert list(redeliveries(again)) == [(1, True), (2, True), (3, False), (4, False), (5, False)]


def test_what_was_passed_on_without_waiting_is_redelivered_after_a_restart(kept: Kept) -> None:
    consume(kept.vhost.queues["durable"], prefetch=2)
    for number in range(4):
        publish(kept.vhost, "", "durable", [number], persistent=True)
    again = kept.next_life().vhost.queues["durable"]
    assert list(redeliveries(again)) == [(0, True), (1, True), (2, False), (3, False)]


def test_positions_go_on_after_a_restart(kept: Kept) -> None:
    publish(kept.vhost, "", "durable", range(3), persistent=True)
    queue = kept.vhost.queues["durable"]
    queue.settle(*queue.take(3)[:2])
    again = kept.next_life()
    publish(again.vhost, "", "durable", [7], persistent=True)
    assert again.messages(again.vhost.queues["durable"]) == {3: 7}


GAPS = [(2, 4), (7, 7), (9, 15)]


@pytest.mark.parametrize("delivered", [0, 1, 2, 3, 5, 6, 8, 9, 12, 16, 20])
def test_a_queue_recovers_what_is_there_with_the_mark_anywhere(delivered: int) -> None:
    journal = MemoryJournal()
    positions = [position for first, last in GAPS for position in range(first, last + 1)]
    for position in positions:
        journal.append(Published([(1, position)], "x", ("k",), [message(position, padding=position)]))
    if delivered:
        journal.delivered(1, delivered)
    memory = MemoryAccount()
    queue = Queue(a_vhost(keeper=Keeper(MemoryCatalog(), journal, memory)), "q", id=1, durable=True)
    held = journal.held(1)
    assert held == Held(GAPS, 11, sum(len(message(each, each)) for each in positions), max(16, delivered), delivered)
    queue.recover(held)
    assert (queue.ready_count, queue.ready_bytes, queue.next_position) == (11, held.size_bytes, held.next_position)
    found = []
    while queue.ready_count:
        position, run, redelivered = queue.take(2)
        found += [(position + offset, number, redelivered) for offset, number in enumerate(numbers_of(run))]
        queue.settle(position, run)
    assert found == [(position, position, position < delivered) for position in positions]
    assert (queue.ready_bytes, queue.unsettled_count, queue.vhost.memory.used_bytes) == (0, 0, 0)
    assert messages_in(journal, 1) == {}


def test_what_comes_behind_a_gap_is_not_taken_for_what_was_in_it() -> None:
    """Settlements may tell of later positions than the messages that could be read."""
    journal = MemoryJournal()
    keeper = Keeper(MemoryCatalog(), journal, MemoryAccount())
    vhost = a_vhost(keeper=keeper)
    queue = vhost.declare_queue("q", durable=True)
    journal.append(Published([(queue.id, 0)], "", ("q",), [message(0), message(1)]))
    queue.recover(journal.held(queue.id)._replace(next_position=5))
    publish(vhost, "", "q", [5, 6], persistent=True)
    assert list(redeliveries(queue)) == [(0, False), (1, False), (5, False), (6, False)]
    assert vhost.memory.used_bytes == 0


def test_a_queue_of_which_the_journal_has_nothing_begins_empty() -> None:
    queue = Queue(a_vhost(keeper=Keeper(MemoryCatalog(), MemoryJournal(), MemoryAccount())), "q", id=1, durable=True)
    queue.recover(Held([], 0, 0, 5, 3))
    assert (queue.ready_count, queue.next_position, queue.take(1)) == (0, 5, None)
    assert queue.vhost.memory.used_bytes == 0
