"""Outstanding deliveries: the ledger against a dict from tags to messages, and what settling may cost."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.core.domain import a_vhost, consume, count_copies, numbered, numbers_of, operations

from menura.core.ledger import Ledger, Span, UnknownTag
from menura.core.queue import Queue
from menura.core.routing import Route

ROUTE = Route("", "q")


def expand(spans: list[Span]) -> dict[int, tuple[object, object, int, int]]:
    """Tag to (consumer, queue, position, number), one entry a message."""
    entries: dict[int, tuple[object, object, int, int]] = {}
    for span in spans:
        for offset, number in enumerate(numbers_of(span.run)):
            assert span.first + offset not in entries, "a tag twice"
            entries[span.first + offset] = (span.consumer, span.queue, span.position + offset, number)
        assert span.run.size_bytes == sum(map(len, span.run.contents))
    return entries


class LedgerAsADict(RuleBasedStateMachine):
    """Every answer of the ledger is what a dict would have given."""

    def __init__(self) -> None:
        super().__init__()
        self.vhost = a_vhost()
        self.queues = [Queue(self.vhost, "a"), Queue(self.vhost, "b")]
        self.consumers = [None, consume(self.queues[0]), consume(self.queues[1])]
        self.ledger = Ledger()
        self.model: dict[int, tuple[object, object, int, int]] = {}
        self.next_tag = 1
        self.taken: list[list[Span]] = []

    @rule(count=st.integers(1, 12), which=st.integers(0, 2))
    def add(self, count: int, which: int) -> None:
        consumer, queue = self.consumers[which], self.queues[which % 2]
        position = self.next_tag * 10
        first = self.ledger.add(consumer, queue, position, numbered(ROUTE, range(position, position + count)))
        assert first == self.next_tag
        for offset in range(count):
            self.model[first + offset] = (consumer, queue, position + offset, position + offset)
        self.next_tag += count

    @rule(count=st.integers(1, 5))
    def skip(self, count: int) -> None:
        assert self.ledger.skip(count) == self.next_tag
        self.next_tag += count

    @precondition(lambda self: self.model)
    @rule(data=st.data(), length=st.integers(1, 8))
    def take_outstanding(self, data: st.DataObject, length: int) -> None:
        first = data.draw(st.sampled_from(sorted(self.model)))
        last = first
        while last - first + 1 < length and last + 1 in self.model:
            last += 1
        self.check_taken(self.ledger.take(first, last), range(first, last + 1))

    @rule(first=st.integers(0, 60), length=st.integers(1, 20))
    def take_anything(self, first: int, length: int) -> None:
        tags = range(first, first + length)
        if all(tag in self.model for tag in tags):
            self.check_taken(self.ledger.take(first, tags[-1]), tags)
            return
        with pytest.raises(UnknownTag):
            self.ledger.take(first, tags[-1])

    @rule(last=st.integers(0, 60))
    def take_up_to(self, last: int) -> None:
        if last in self.model:
            self.check_taken(self.ledger.take_up_to(last), [tag for tag in self.model if tag <= last])
            return
        with pytest.raises(UnknownTag) as raised:
            self.ledger.take_up_to(last)
        assert raised.value.tag == last

    @rule()
    def drain(self) -> None:
        self.check_taken(self.ledger.drain(), self.model)

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        spans = self.taken.pop(data.draw(st.integers(0, len(self.taken) - 1)))
        self.ledger.restore(data.draw(st.permutations(spans)))
        self.model |= expand(spans)

    def check_taken(self, spans: list[Span], tags: object) -> None:
        expected = {tag: self.model.pop(tag) for tag in sorted(tags)}  # type: ignore[call-overload]
        assert list(expand(spans).items()) == list(expected.items()), "content or order"
        self.taken.append(spans)

    @invariant()
    def counts_what_is_outstanding(self) -> None:
        assert self.ledger.outstanding == len(self.model)
        assert self.ledger.next_tag == self.next_tag

    def teardown(self) -> None:
        assert expand(self.ledger.drain()) == self.model


TestLedgerAsADict = LedgerAsADict.TestCase
TestLedgerAsADict.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def ledger_of(*counts: int) -> Ledger:
    """Runs of these lengths, one after another; 0 is a tag that needs no settling."""
    queue = Queue(a_vhost(), "q")
    ledger = Ledger()
    for count in counts:
        if count:
            ledger.add(None, queue, ledger.next_tag, numbered(ROUTE, range(count)))
        else:
            ledger.skip(1)
    return ledger


def test_tags_count_from_one() -> None:
    assert ledger_of(5).next_tag == 6
    with pytest.raises(UnknownTag):
        ledger_of(5).take(0, 0)


def test_a_range_with_one_unknown_tag_takes_nothing() -> None:
    ledger = ledger_of(5, 0, 5)
    for first, last in ((1, 6), (6, 6), (4, 8), (11, 12), (5, 12)):
        with pytest.raises(UnknownTag):
            ledger.take(first, last)
    assert ledger.outstanding == 10
    assert len(expand(ledger.drain())) == 10


@given(st.lists(st.integers(0, 4), max_size=6), st.integers(1, 20), st.integers(1, 10))
def test_the_first_tag_that_is_not_outstanding_is_named(counts: list[int], first: int, length: int) -> None:
    ledger = ledger_of(*counts)
    outstanding = expand(ledger_of(*counts).drain())
    missing = [tag for tag in range(first, first + length) if tag not in outstanding]
    if missing:
        with pytest.raises(UnknownTag) as raised:
            ledger.take(first, first + length - 1)
        assert raised.value.tag == missing[0]


def test_settling_twice_is_unknown_the_second_time() -> None:
    ledger = ledger_of(3)
    ledger.take(2, 2)
    for ask in (lambda: ledger.take(2, 2), lambda: ledger.take_up_to(2), lambda: ledger.take(1, 3)):
        with pytest.raises(UnknownTag) as raised:
            ask()
        assert raised.value.tag == 2
    assert ledger.outstanding == 2


def test_tags_go_on_counting_after_everything_is_settled() -> None:
    ledger = ledger_of(3)
    ledger.drain()
    assert ledger.add(None, Queue(a_vhost(), "q"), 0, numbered(ROUTE, [1])) == 4


# Cost


def settle_in_order(ledger: Ledger, count: int) -> None:
    for tag in range(1, count + 1):
        ledger.take(tag, tag)


def settle_in_random_order(ledger: Ledger, count: int) -> None:
    tags = list(range(1, count + 1))
    random.Random(count).shuffle(tags)
    for tag in tags:
        ledger.take(tag, tag)


def settle_the_older_ones_one_by_one(ledger: Ledger, count: int) -> None:
    for tag in range(1, count + 1):
        ledger.take_up_to(tag)


ORDERS = [settle_in_order, settle_in_random_order, settle_the_older_ones_one_by_one]


@pytest.mark.parametrize("settle", ORDERS)
def test_settling_single_deliveries_costs_the_same_each_however_many_there_are(
    settle: Callable[[Ledger, int], None],
) -> None:
    def cost(count: int) -> int:
        ledger = ledger_of(*[1] * count)
        return operations(lambda: settle(ledger, count))

    assert cost(2000) < 5.5 * cost(500)


def test_a_hundred_thousand_tags_settled_in_random_order_are_all_settled_and_forgotten() -> None:
    ledger = ledger_of(*[100] * 1000)
    settle_in_random_order(ledger, 100_000)
    assert ledger.outstanding == 0
    assert ledger.drain() == []
    assert len(ledger._spans) == len(ledger._firsts) == 0


def test_what_is_settled_is_not_kept() -> None:
    ledger = ledger_of(*[1] * 10_000)
    settle_in_order(ledger, 10_000)
    assert len(ledger._spans) < 100


def test_a_range_costs_no_copies() -> None:
    with pytest.MonkeyPatch.context() as patch:
        copied = count_copies(patch)
        ledger = ledger_of(1000, 1000)
        ledger.take(1, 1000)
        ledger.take_up_to(2000)
        assert copied == []


def test_settling_the_tags_of_a_run_in_random_order_copies_few_messages_each() -> None:
    with pytest.MonkeyPatch.context() as patch:
        copied = count_copies(patch)
        settle_in_random_order(ledger_of(4096), 4096)
        assert sum(copied) < 64 * 4096


def test_settling_the_tags_of_a_run_in_order_copies_few_messages_each() -> None:
    with pytest.MonkeyPatch.context() as patch:
        copied = count_copies(patch)
        settle_in_order(ledger_of(4096), 4096)
        assert sum(copied) < 64 * 4096
