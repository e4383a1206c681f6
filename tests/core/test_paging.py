"""Queues whose messages wait in the journal: plain cases of each rule; `test_restart_model` pages at random."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from tests.core.domain import Receiver, consume, message, numbered, numbers_of, publish, take_all
from tests.core.kept import Kept, NotedJournal, live

from menura.core.memory import MESSAGE_OVERHEAD_BYTES, RUN_OVERHEAD_BYTES
from menura.core.paging import Paged, read_back
from menura.core.ports import Published, Settled, Stored
from menura.core.queue import Queue
from menura.core.routing import Route
from menura.core.tallies import Taken

MESSAGE_BYTES = len(message(0))


class LossyJournal(NotedJournal):
    """Cannot read all that it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: set[int] = set()
        self.reads: list[int] = []

    def read(self, queue: int, first: int, last: int) -> list[Stored]:
        self.reads.append(last + 1 - first)
        return [stored for stored in super().read(queue, first, last) if stored.first not in self.lost]


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Ten messages may be in memory, three are read back at a time."""
    monkeypatch.setattr("menura.core.backlog.RESIDENT_BYTES_MAX", 10 * MESSAGE_BYTES)
    monkeypatch.setattr("menura.core.paging._READ_MESSAGES_MAX", 3)
    return monkeypatch


@pytest.fixture
def kept(marks: pytest.MonkeyPatch) -> Kept:
    kept = live(journal=LossyJournal())
    kept.vhost.declare_queue("q", durable=True)
    return kept


def fill(kept: Kept, numbers: Iterable[int], persistent: bool = True, key: str = "q") -> Queue:
    """Publish one by one, all on one route."""
    route = Route("", key)
    for number in numbers:
        kept.vhost.publish(route, numbered(route, [number], persistent=persistent))
    return kept.vhost.queues[key]


def stretches(queue: Queue) -> list[tuple[int, int, bool]]:
    """What waits, never handed out: from which position, how many, whether in the journal alone."""
    return [(position, len(run), isinstance(run, Paged)) for position, run, again, _ in queue.places if not again]


def paged_count(queue: Queue) -> int:
    return sum(count for _, count, paged in stretches(queue) if paged)


def lossy(kept: Kept, *lost: int) -> LossyJournal:
    assert isinstance(kept.journal, LossyJournal)
    kept.journal.lost = {*lost}
    return kept.journal


# -- out of memory -------------------------------------------------------------------------------------------


def test_above_the_mark_messages_wait_in_the_journal_alone(kept: Kept) -> None:
    queue = fill(kept, range(10))
    assert paged_count(queue) == 0
    held_bytes = kept.node.memory.used_bytes
    fill(kept, range(10, 1000))
    assert (queue.ready_count, paged_count(queue), queue.ready_bytes) == (1000, 990, 1000 * MESSAGE_BYTES)
    assert kept.node.memory.used_bytes == held_bytes + RUN_OVERHEAD_BYTES
    assert take_all(queue) == list(range(1000))
    assert (queue.ready_bytes, kept.node.memory.used_bytes, kept.messages(queue)) == (0, 0, {})


def test_what_comes_behind_paged_messages_is_paged_even_where_there_is_room(kept: Kept) -> None:
    queue = fill(kept, range(20))
    for _ in range(9):
        queue.settle(*queue.take(1)[:2])
    fill(kept, [20])
    assert paged_count(queue) == 11


def test_once_all_is_read_back_messages_stay_in_memory_again(kept: Kept) -> None:
    queue = fill(kept, range(13))
    found = []
    for _ in range(11):
        position, run, _ = queue.take(1)
        found += numbers_of(run)
        queue.settle(position, run)
    assert paged_count(queue) == 0
    fill(kept, range(13, 16))
    assert paged_count(queue) == 0
    fill(kept, range(16, 40))
    assert 0 < paged_count(queue) < 29
    assert found + take_all(queue) == list(range(40))


@pytest.mark.parametrize(("durable", "persistent"), [(True, False), (False, True), (False, False)])
def test_what_is_not_in_the_journal_is_never_paged(kept: Kept, durable: bool, persistent: bool) -> None:
    kept.vhost.declare_queue("other", durable=durable)
    queue = fill(kept, range(30), persistent, "other")
    assert paged_count(queue) == 0
    assert take_all(queue) == list(range(30))


def test_transient_messages_among_persistent_ones_stay_where_they_are(kept: Kept) -> None:
    queue = kept.vhost.queues["q"]
    for number in range(60):
        publish(kept.vhost, "", "q", [number], persistent=number % 5 != 0)
    assert stretches(queue)[-4:] == [(50, 1, False), (51, 4, True), (55, 1, False), (56, 4, True)]
    assert take_all(queue) == list(range(60))
    assert kept.node.memory.used_bytes == 0


def test_memory_that_runs_short_makes_every_queue_page(marks: pytest.MonkeyPatch) -> None:
    marks.setattr("menura.core.backlog.RESIDENT_BYTES_MAX", 1 << 30)
    kept = live(watermark_bytes=100_000)
    for name in ("large", "small"):
        kept.vhost.declare_queue(name, durable=True)
    route = Route("", "large")
    kept.vhost.publish(route, numbered(route, [0], padding=49_000, persistent=True))
    assert paged_count(fill(kept, [1], key="small")) == 0
    kept.vhost.publish(route, numbered(route, [0], padding=1000, persistent=True))
    used_bytes = kept.node.memory.used_bytes
    assert used_bytes > 50_000
    assert paged_count(fill(kept, range(2, 200), key="small")) == 198
    assert kept.node.memory.used_bytes == used_bytes + RUN_OVERHEAD_BYTES
    assert take_all(kept.vhost.queues["small"]) == list(range(1, 200))


def test_a_run_may_be_in_memory_for_one_queue_and_paged_for_another(kept: Kept) -> None:
    for name in ("q", "r"):
        queue = kept.vhost.declare_queue(name, durable=True)
        kept.vhost.bind("amq.fanout", queue, "", {})
    queue, other = fill(kept, range(20)), kept.vhost.queues["r"]
    used_bytes = kept.node.memory.used_bytes
    publish(kept.vhost, "amq.fanout", "", [20, 21], persistent=True)
    assert (paged_count(queue), paged_count(other)) == (12, 0)
    charged_bytes = 2 * (MESSAGE_BYTES + MESSAGE_OVERHEAD_BYTES) + RUN_OVERHEAD_BYTES
    assert kept.node.memory.used_bytes == used_bytes + charged_bytes
    assert take_all(other) == [20, 21]
    assert kept.node.memory.used_bytes == used_bytes
    assert take_all(queue) == list(range(22))
    assert kept.node.memory.used_bytes == 0


def test_a_run_that_all_its_queues_page_weighs_nothing(kept: Kept) -> None:
    for name in ("q", "r"):
        kept.vhost.bind("amq.fanout", kept.vhost.declare_queue(name, durable=True), "", {})
    for number in range(20):
        publish(kept.vhost, "amq.fanout", "", [number], persistent=True)
    assert [paged_count(queue) for queue in kept.vhost.queues.values()] == [10, 10]
    used_bytes = kept.node.memory.used_bytes
    publish(kept.vhost, "amq.fanout", "", range(20, 100), persistent=True)
    assert kept.node.memory.used_bytes == used_bytes
    for queue in kept.vhost.queues.values():
        assert take_all(queue) == list(range(100))
    assert kept.node.memory.used_bytes == 0


def test_a_consumer_with_room_is_served_without_paging(kept: Kept) -> None:
    receiver = Receiver()
    consume(kept.vhost.queues["q"], receiver)
    queue = fill(kept, range(100))
    assert receiver.numbers() == list(range(100))
    assert lossy(kept).reads == []
    assert (queue.ready_count, queue.unsettled_count) == (0, 100)


# -- back into memory ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "size_bytes", "part"),
    [(2, 10, 2), (100_000, 1000, 4096), (100, 100 * 1024 * 1024, 1), (10_000, 10_000 * 4096, 128), (5, 0, 5)],
)
def test_a_part_is_some_hundred_kilobytes_or_some_thousand_messages(count: int, size_bytes: int, part: int) -> None:
    assert Paged(count, size_bytes).first_part() == part


def test_cutting_keeps_the_sums() -> None:
    paged = Paged(7, 1000)
    rest = paged.cut(3)
    assert rest is not None
    assert (paged.count, rest.count, paged.size_bytes + rest.size_bytes) == (3, 4, 1000)
    assert rest.cut(4) is None
    assert len(rest) == 4


def test_neighbours_on_one_route_are_read_back_as_one_run() -> None:
    kept = live()
    for exchange, key, first in (("x", "k", 0), ("x", "k", 2), ("x", "l", 4), ("x", "l", 7)):
        kept.journal.append(Published([(1, first)], exchange, (key, "m"), [message(first), message(first + 1, 5)]))
    runs = read_back(kept.journal, 1, 0, 100)
    assert [(first, numbers_of(run)) for first, run in runs] == [(0, [0, 1, 2, 3]), (4, [4, 5]), (7, [7, 8])]
    assert [(run.route.exchange, run.route.key, run.route.further_keys) for _, run in runs] == [
        ("x", "k", ("m",)),
        ("x", "l", ("m",)),
        ("x", "l", ("m",)),
    ]
    assert all(run.persistent and run.size_bytes == sum(map(len, run.contents)) for _, run in runs)
    assert all(run.longest_bytes == MESSAGE_BYTES + 5 for _, run in runs)


def test_only_what_somebody_takes_is_read_back(kept: Kept) -> None:
    queue = fill(kept, range(100))
    for _ in range(11):
        queue.take(1)
    assert lossy(kept).reads == [3]
    assert stretches(queue) == [(11, 2, False), (13, 87, True)]


def test_large_messages_are_read_back_in_smaller_numbers(kept: Kept, marks: pytest.MonkeyPatch) -> None:
    marks.setattr("menura.core.paging._READ_MESSAGES_MAX", 4096)
    marks.setattr("menura.core.paging._READ_BYTES", 5000)
    route = Route("", "q")
    for number in range(20):
        kept.vhost.publish(route, numbered(route, [number], padding=1000, persistent=True))
    assert take_all(kept.vhost.queues["q"]) == list(range(20))
    assert max(lossy(kept).reads) <= 5


def test_paged_messages_are_handed_out_for_the_first_time_and_redelivered_later(kept: Kept) -> None:
    queue = fill(kept, range(30))
    taken = []
    while queue.ready_count:
        taken.append(queue.take(7))
    assert {redelivered for _, _, redelivered in taken} == {False}
    for position, run, _ in reversed(taken):
        queue.requeue(position, run)
    found = []
    while queue.ready_count:
        position, run, redelivered = queue.take(7)
        found += numbers_of(run)
        assert redelivered
        queue.settle(position, run)
    assert found == list(range(30))
    assert kept.node.memory.used_bytes == 0


def test_what_comes_back_goes_before_what_is_paged(kept: Kept) -> None:
    queue = fill(kept, range(30))
    position, run, _ = queue.take(4)
    queue.settle(position, run.piece(0, 1))
    queue.requeue(position + 1, run.piece(1, 4))
    assert take_all(queue) == list(range(1, 30))


def test_a_consumer_gets_paged_messages_in_order_as_it_has_room(kept: Kept) -> None:
    queue, receiver = fill(kept, range(50)), Receiver()
    consume(queue, receiver, prefetch=4)
    settled = 0
    kept.vhost.dispatch()
    while settled < len(receiver.deliveries):
        receiver.deliveries[settled].settle()
        settled += 1
        kept.vhost.dispatch()
    assert receiver.numbers() == list(range(50))
    assert (queue.ready_count, kept.node.memory.used_bytes, kept.messages(queue)) == (0, 0, {})


# -- ends ----------------------------------------------------------------------------------------------------


def test_purging_settles_what_is_paged(kept: Kept) -> None:
    queue = fill(kept, range(30))
    queue.take(1)
    queue.take(5)
    publish(kept.vhost, "", "q", [99], persistent=False)
    assert queue.purge() == 25
    assert (queue.ready_count, queue.ready_bytes, paged_count(queue)) == (0, 0, 0)
    assert lossy(kept).reads == []
    assert kept.messages(queue) == {number: number for number in range(6)}
    fill(kept, range(100, 105))
    assert paged_count(queue) == 0


def test_deleting_a_queue_releases_it_without_reading(kept: Kept) -> None:
    queue = fill(kept, range(30))
    assert kept.vhost.remove_queue(queue) == 30
    kept.flush()
    assert (kept.node.memory.used_bytes, kept.journal.queues(), lossy(kept).reads) == (0, [], [])


def test_what_a_restart_finds_is_paged(kept: Kept) -> None:
    queue = fill(kept, range(30))
    queue.take(5)
    again = kept.next_life()
    queue = again.vhost.queues["q"]
    assert (queue.ready_count, queue.ready_bytes) == (30, 30 * MESSAGE_BYTES)
    assert again.node.memory.used_bytes == 2 * RUN_OVERHEAD_BYTES
    assert lossy(again).reads == []
    receiver = Receiver()
    consume(queue, receiver)
    again.vhost.dispatch()
    assert receiver.numbers() == list(range(30))
    assert queue.taken() == Taken(deliver=30, redeliver=5)
    assert (queue.disk_reads, queue.disk_writes) == (30, 0)
    for delivery in receiver.deliveries:
        delivery.settle()
    assert again.node.memory.used_bytes == 0


# -- what the disk has lost ----------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [(), (10,), (12,), (11, 13, 14), (10, 11, 12), tuple(range(10, 30)), (29,)])
def test_lost_messages_are_settled_and_all_others_delivered(kept: Kept, lost: tuple[int, ...]) -> None:
    queue = fill(kept, range(30))
    publish(kept.vhost, "", "q", [30], persistent=False)
    journal = lossy(kept, *lost)
    assert take_all(queue) == [number for number in range(31) if number not in lost]
    assert (queue.ready_count, queue.ready_bytes, queue.unsettled_count, queue.unsettled_bytes) == (0, 0, 0, 0)
    assert (kept.node.memory.used_bytes, queue._paged_count, queue._paged_bytes) == (0, 0, 0)
    settled = [note for note in journal.notes if isinstance(note, Settled)]
    positions = [position for _, first, last in settled for position in range(first, last + 1)]
    assert sorted(positions) == list(range(30)), "each once"


def test_the_count_shrinks_as_soon_as_the_loss_is_seen(kept: Kept) -> None:
    queue = fill(kept, range(20))
    lossy(kept, 11, 12)
    queue.take(10)
    assert queue.ready_count == 10
    assert numbers_of(queue.take(1)[1]) == [10]
    assert (queue.ready_count, queue.ready_bytes) == (7, 7 * MESSAGE_BYTES)
    assert numbers_of(queue.take(1)[1]) == [13]


def test_a_queue_that_has_lost_all_it_had_has_nothing_to_take(kept: Kept) -> None:
    receiver = Receiver()
    fill(kept, range(30))
    again = kept.next_life()
    queue = again.vhost.queues["q"]
    lossy(again, *range(30))
    consume(queue, receiver)
    again.vhost.dispatch()
    assert (receiver.deliveries, queue.ready_count, queue.take(1)) == ([], 0, None)
    publish(again.vhost, "", "q", [77], persistent=True)
    assert receiver.numbers() == [77]


def test_losses_among_what_was_handed_out_before_a_restart(kept: Kept) -> None:
    queue = fill(kept, range(10))
    queue.take(6)
    again = kept.next_life()
    queue = again.vhost.queues["q"]
    lossy(again, 0, 4, 7)
    found: list[tuple[int, bool]] = []
    while queue.ready_count:
        position, run, redelivered = queue.take(2)
        found += [(number, redelivered) for number in numbers_of(run)]
        queue.settle(position, run)
    assert found == [(number, number < 6) for number in (1, 2, 3, 5, 6, 8, 9)]
    assert again.node.memory.used_bytes == 0
