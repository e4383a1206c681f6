"""What every journal promises: the one on a disk is compared with the plain one in memory.

A journal joins by a line in JOURNALS. The real one lies on the simulated disk here, with a worker that works at once:
what it does on real disks and what is left after a crash has tests of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.store.memory_disk import open_again, open_journal

from menura.core.ports import Held, Published, Settled
from menura.store.journal import Journal
from menura.store.memory import MemoryJournal

AnyJournal = Journal | MemoryJournal
LAST = 1 << 40


JOURNALS: dict[str, Callable[[], AnyJournal]] = {"memory": MemoryJournal, "disk": open_journal}


@pytest.fixture(params=JOURNALS)
def journal(request: pytest.FixtureRequest) -> Iterator[AnyJournal]:
    journal = JOURNALS[request.param]()
    yield journal
    if isinstance(journal, Journal):
        assert journal.failure is None
        journal.close()


class Message(NamedTuple):
    exchange: str
    keys: tuple[str, ...]
    content: bytes
    at_ms: int


def messages(queue: int, first: int, *contents: bytes, exchange: str = "x") -> Published:
    return Published([(queue, first)], exchange, ("k",), contents, 7)


def read(journal: AnyJournal, queue: int, first: int = 0, last: int = LAST) -> dict[int, Message]:
    """By position; every one must come once, and in order."""
    found = [
        (stored.first + offset, Message(stored.exchange, tuple(stored.keys), bytes(content), stored.at_ms))
        for stored in journal.read(queue, first, last)
        for offset, content in enumerate(stored.contents)
    ]
    positions = [position for position, _ in found]
    assert positions == sorted({*positions})
    return dict(found)


def contents(journal: AnyJournal, queue: int, first: int = 0, last: int = LAST) -> dict[int, bytes]:
    return {position: message.content for position, message in read(journal, queue, first, last).items()}


# -- positions in the log ------------------------------------------------------------------------------------


def test_a_log_begins_with_all_of_it_durable(journal: AnyJournal) -> None:
    assert journal.durable == journal.appended


def test_an_append_tells_where_the_log_ends_behind_it(journal: AnyJournal) -> None:
    before = journal.appended
    ends = [journal.append(messages(1, 0, b"a")), journal.append(messages(1, 1)), journal.append(Settled(1, 0, 0))]
    assert before < ends[0] < ends[1] < ends[2] == journal.appended
    assert journal.durable == before


def test_the_callback_comes_with_the_flush_and_never_within_append(journal: AnyJournal) -> None:
    told: list[int] = []
    journal.on_durable = told.append
    journal.append(messages(1, 0, b"a"))
    last = journal.append(messages(1, 1, b"b"))
    assert told == []
    assert journal.durable < last
    journal.flush()
    assert told == [last]
    assert journal.durable == last


def test_a_flush_without_news_tells_nobody(journal: AnyJournal) -> None:
    told: list[int] = []
    journal.on_durable = told.append
    journal.flush()
    journal.append(messages(1, 0, b"a"))
    journal.flush()
    journal.flush()
    assert told == [journal.appended]


def test_the_callback_may_append(journal: AnyJournal) -> None:
    told: list[int] = []

    def answer(position: int) -> None:
        told.append(position)
        if len(told) == 1:
            journal.append(messages(1, 1, b"b"))

    journal.on_durable = answer
    first = journal.append(messages(1, 0, b"a"))
    journal.flush()
    journal.flush()
    assert told == [first, journal.appended]
    assert contents(journal, 1) == {0: b"a", 1: b"b"}


# -- messages ------------------------------------------------------------------------------------------------


def test_what_was_appended_can_be_read_before_it_is_durable(journal: AnyJournal) -> None:
    journal.append(Published([(1, 3), (2, 0)], "x", ("a", "b"), [b"m", b""], 99))
    expected = [Message("x", ("a", "b"), b"m", 99), Message("x", ("a", "b"), b"", 99)]
    for _ in range(2):
        assert read(journal, 1) == {3: expected[0], 4: expected[1]}
        assert read(journal, 2) == {0: expected[0], 1: expected[1]}
        journal.flush()


def test_what_is_read_is_what_was_asked_for(journal: AnyJournal) -> None:
    for first in range(0, 12, 3):
        journal.append(messages(1, first, *(b"%d" % (first + offset) for offset in range(3))))
    journal.append(messages(2, 0, b"other"))
    journal.flush()
    for first in range(13):
        for last in range(first, 13):
            wanted = {position: b"%d" % position for position in range(first, min(last + 1, 12))}
            assert contents(journal, 1, first, last) == wanted


def test_what_is_unknown_is_empty(journal: AnyJournal) -> None:
    assert (journal.queues(), journal.read(5, 0, LAST), journal.held(5)) == ([], [], Held([], 0, 0, 0, 0))
    journal.settle(5, 0, 9)
    journal.forget(5)
    journal.flush()
    assert (journal.queues(), journal.held(5)) == ([], Held([], 0, 0, 0, 0))


def test_settled_messages_are_gone_from_one_queue_and_stay_in_others(journal: AnyJournal) -> None:
    journal.append(Published([(1, 0), (2, 5)], "x", ("k",), [b"a", b"b", b"c"]))
    journal.settle(1, 1, 1)
    journal.flush()
    assert contents(journal, 1) == {0: b"a", 2: b"c"}
    assert contents(journal, 2) == {5: b"a", 6: b"b", 7: b"c"}
    journal.append(Settled(2, 0, 6))
    assert contents(journal, 2) == {7: b"c"}


def test_settling_twice_or_what_never_was_there_does_no_harm(journal: AnyJournal) -> None:
    journal.append(messages(1, 4, b"a", b"b"))
    for _ in range(2):
        journal.settle(1, 0, 4)
        journal.flush()
        assert contents(journal, 1) == {5: b"b"}
    journal.append(messages(1, 6, b"c"))
    assert contents(journal, 1) == {5: b"b", 6: b"c"}


def test_what_is_appended_together_counts_in_its_order(journal: AnyJournal) -> None:
    journal.append(messages(1, 0, b"a"))
    journal.append(Settled(1, 0, 0), messages(1, 1, b"b"), messages(2, 0, b"c"), Settled(1, 1, 1), messages(1, 2, b"d"))
    assert (contents(journal, 1), contents(journal, 2)) == ({2: b"d"}, {0: b"c"})


def test_held_says_what_there_is(journal: AnyJournal) -> None:
    journal.append(messages(1, 3, b"aa", b"bb", b"cc"))
    journal.append(messages(1, 9, b"dddd"))
    journal.settle(1, 4, 4)
    journal.flush()
    assert journal.held(1) == Held([(3, 3), (5, 5), (9, 9)], 3, 8, 10, 0)
    journal.settle(1, 0, 9)
    journal.flush()
    assert journal.held(1) == Held([], 0, 0, 10, 0)
    assert journal.queues() == [1]


def test_the_delivered_mark_only_grows(journal: AnyJournal) -> None:
    journal.append(messages(1, 0, b"a", b"b"))
    for high, expected in ((1, 1), (2, 2), (1, 2)):
        journal.delivered(1, high)
        journal.flush()
        assert journal.held(1).delivered == expected


def test_a_mark_above_all_messages_moves_the_next_position(journal: AnyJournal) -> None:
    """Positions are never used twice, even where what had them was not kept."""
    journal.append(messages(1, 0, b"a"))
    journal.delivered(1, 7)
    journal.flush()
    assert (journal.held(1).next_position, journal.held(1).delivered) == (7, 7)


def test_the_count_of_a_message_only_grows_and_goes_with_it(journal: AnyJournal) -> None:
    journal.append(messages(1, 0, b"a", b"b", b"c", b"d"))
    for counted in ((1, 2, 0), (1, 2, 5000), (1, 2, 4000), (3, 4, 0), (3, 3, 9000), (2, 2, 0)):
        journal.counted(1, *counted)
    journal.flush()
    assert journal.counts(1, 0, LAST) == [(1, 2, 5000), (2, 2, 0), (3, 4, 0)]
    assert journal.counts(1, 2, 2) == [(2, 2, 0)]
    journal.settle(1, 0, 1)
    journal.append(Settled(1, 3, 3))
    journal.flush()
    assert journal.counts(1, 0, LAST) == [(2, 2, 0)]


def test_what_is_not_there_is_not_counted(journal: AnyJournal) -> None:
    journal.append(messages(1, 5, b"a", b"b"))
    journal.settle(1, 6, 6)
    journal.flush()
    for queue, position in ((1, 4), (1, 6), (1, 7), (2, 0)):
        journal.counted(queue, position, 2, 0)
    journal.flush()
    assert (journal.counts(1, 0, LAST), journal.counts(2, 0, LAST)) == ([], [])
    assert (journal.queues(), journal.held(1).next_position) == ([1], 7)


def test_a_forgotten_queue_has_left_nothing_and_others_all(journal: AnyJournal) -> None:
    journal.append(Published([(1, 0), (2, 0)], "x", ("k",), [b"a", b"b"]))
    journal.delivered(1, 1)
    journal.flush()
    journal.settle(1, 0, 0)
    journal.delivered(1, 2)
    journal.counted(1, 1, 2, 0)
    journal.forget(1)
    journal.flush()
    assert (journal.queues(), journal.held(1), journal.read(1, 0, LAST)) == ([2], Held([], 0, 0, 0, 0), [])
    assert journal.counts(1, 0, LAST) == []
    assert contents(journal, 2) == {0: b"a", 1: b"b"}


def test_messages_may_be_long_empty_or_none(journal: AnyJournal) -> None:
    longest = bytes(100_000)
    journal.append(messages(1, 0, longest, b"", longest, exchange=""))
    journal.append(Published([], "x", ("k",), [b"nobody's"]))
    journal.flush()
    assert contents(journal, 1) == {0: longest, 1: b"", 2: longest}


# -- the same as in memory -----------------------------------------------------------------------------------

TEXTS = st.sampled_from(["", "k", "ä.b", "x" * 255])
COUNTS = st.sampled_from([1, 1, 1, 2, 5, 40])
SLOTS = st.integers(0, 2)


class AsInMemory(RuleBasedStateMachine):
    """Whatever is done to both, both say the same. What goes into one append is of one length, since sizes are exact
    only then."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = MemoryJournal()
        self.real = open_journal()
        self.next = {1: 0, 2: 0, 3: 0}
        self.forgotten: list[int] = []
        self.number = 0
        self.promises: list[tuple[int, int]] = []

    def queue(self, slot: int) -> int:
        return list(self.next)[slot]

    def published(
        self, queues: Sequence[int], exchange: str, keys: tuple[str, ...], count: int, size: int, gap: int
    ) -> Published:
        contents = []
        for _ in range(count):
            self.number += 1
            contents.append(self.number.to_bytes(4, "big") + bytes(size))
        places = [(queue, self.next[queue] + gap) for queue in queues]
        for queue, first in places:
            self.next[queue] = first + count
        return Published(places, exchange, keys, contents, self.number)

    def settled(self, data: st.DataObject) -> Settled | None:
        """Of messages that have come, kept or not; None if there are none."""
        queue = self.queue(data.draw(SLOTS))
        end = self.next[queue]
        if not end:
            return None
        first = data.draw(st.integers(0, end - 1))
        return Settled(queue, first, min(first + data.draw(st.sampled_from([0, 0, 1, 10, 1000])), end - 1))

    def both(self, do: Callable[[AnyJournal], Any]) -> None:
        self.promises.append((do(self.plain), do(self.real)))

    @rule(
        slots=st.sets(SLOTS, min_size=1),
        exchange=TEXTS,
        keys=st.lists(TEXTS, min_size=1, max_size=3).map(tuple),
        count=COUNTS,
        size=st.sampled_from([0, 10, 300, 3000]),
        gap=st.sampled_from([0, 0, 0, 1, 5]),
    )
    def publish(self, slots: set[int], exchange: str, keys: tuple[str, ...], count: int, size: int, gap: int) -> None:
        published = self.published([*map(self.queue, slots)], exchange, keys, count, size, gap)
        self.both(lambda journal: journal.append(published))

    @rule(data=st.data(), size=st.sampled_from([0, 200]))
    def append_together(self, data: st.DataObject, size: int) -> None:
        parts: list[Published | Settled] = []
        for _ in range(data.draw(st.integers(1, 5))):
            settled = self.settled(data) if data.draw(st.booleans()) else None
            if settled is not None:
                parts.append(settled)
            else:
                queue = self.queue(data.draw(SLOTS))
                parts.append(self.published([queue], "x", ("k",), data.draw(st.integers(1, 3)), size, 0))
        self.both(lambda journal: journal.append(*parts))

    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        settled = self.settled(data)
        if settled is not None:
            for journal in (self.plain, self.real):
                journal.settle(*settled)

    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        queue = self.queue(data.draw(SLOTS))
        high = data.draw(st.integers(0, self.next[queue]))
        for journal in (self.plain, self.real):
            journal.delivered(queue, high)

    @rule(data=st.data(), times=st.integers(1, 5), due_ms=st.sampled_from([0, 0, 1, 1 << 41]))
    def count(self, data: st.DataObject, times: int, due_ms: int) -> None:
        queue = self.queue(data.draw(SLOTS))
        first = data.draw(st.integers(0, self.next[queue]))
        for journal in (self.plain, self.real):
            for position in (first, first + 1, first + 3):
                journal.counted(queue, position, times, due_ms)

    @precondition(lambda self: max(self.next.values()) > 20)
    @rule(slot=SLOTS)
    def forget(self, slot: int) -> None:
        """Another queue comes in its place; an id is never used again."""
        queue = self.queue(slot)
        for journal in (self.plain, self.real):
            journal.forget(queue)
        self.forgotten.append(queue)
        del self.next[queue]
        self.next[max(*self.forgotten, *self.next) + 1] = 0

    @rule()
    def compact(self) -> None:
        """The log on the disk moves what it still needs; nobody sees it."""
        while self.real.compact(1000):
            self.real.flush()

    @rule()
    def close_and_open(self) -> None:
        self.real = open_again(self.real)

    @invariant()
    def both_say_the_same(self) -> None:
        for journal in (self.plain, self.real):
            journal.flush()
            assert journal.durable == journal.appended
        assert sorted(self.plain.queues()) == sorted(self.real.queues())
        for queue in (*self.next, *self.forgotten):
            assert self.real.held(queue) == self.plain.held(queue)
            assert read(self.real, queue) == read(self.plain, queue)
            end = self.next.get(queue, 0)
            for first, last in ((end // 3, end // 2), (end // 2, end), (end, end + 5), (0, LAST)):
                assert read(self.real, queue, first, last) == read(self.plain, queue, first, last)
                assert self.real.counts(queue, first, last) == self.plain.counts(queue, first, last)

    def teardown(self) -> None:
        assert self.real.failure is None
        for first, second in ((0, 1), (1, 0)):
            ends = [promise[first] for promise in self.promises]
            assert ends == sorted({*ends}), "every append takes room"
            assert len({*(promise[second] for promise in self.promises)}) == len(ends)
        self.real.close()


TestAsInMemory: Any = AsInMemory.TestCase
TestAsInMemory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=20), st.data())
def test_sizes_of_what_is_left_of_a_record_are_about_right(sizes: list[int], data: st.DataObject) -> None:
    journal = open_journal()
    journal.append(messages(1, 0, *map(bytes, sizes)))
    first = data.draw(st.integers(0, len(sizes) - 1))
    last = data.draw(st.integers(first, len(sizes) - 1))
    journal.settle(1, first, last)
    journal.flush()
    held = journal.held(1)
    left = len(sizes) - (last + 1 - first)
    assert held.message_count == left
    assert held.size_bytes <= sum(sizes)
    assert left or not held.size_bytes
    journal.settle(1, 0, len(sizes))
    journal.flush()
    assert journal.held(1)[:3] == ([], 0, 0)
    assert journal.live_bytes == 0
    journal.close()
