"""Settlements and deliveries between two batches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from menura.store import records
from menura.store.marks import Marks
from menura.store.places import Places
from menura.store.segments import Segment, Segments

COUNT = 100


def a_log(*queues: int) -> tuple[dict[int, Places], Segments]:
    """Queues with messages 0 .. COUNT - 1, one record each."""
    segments = Segments([Segment(0, 10 * COUNT)])
    found = {}
    for queue in queues:
        found[queue] = places = Places()
        for position in range(COUNT):
            places.add(position, 1, 10 * position, 0, 10, 1)
        places.settle_down(segments)
    return found, segments


def numbers_by_kind(payload: bytes) -> dict[int, list[int]]:
    return {
        kind: records.decode_numbers(payload, start, end).tolist()
        for kind, start, end in records.parts_of(payload, 0, len(payload))
    }


def test_marks_in_order_are_one_range() -> None:
    queues, segments = a_log(1)
    marks = Marks()
    for position in range(50):
        marks.settle(1, position, position)
    assert numbers_by_kind(marks.take(queues, segments)) == {records.SETTLED: [1, 0, 49]}


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(0, COUNT - 5), st.integers(0, 4)), max_size=40))
def test_marks_in_any_order_are_the_fewest_ranges_and_are_applied(made: list[tuple[int, int, int]]) -> None:
    queues, segments = a_log(1, 2)
    marks = Marks()
    expected: set[tuple[int, int]] = set()
    for queue, first, more in made:
        marks.settle(queue, first, first + more)
        expected |= {(queue, position) for position in range(first, first + more + 1)}
    numbers = numbers_by_kind(marks.take(queues, segments)).get(records.SETTLED, [])
    ranges = list(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True))
    written = [(queue, position) for queue, first, last in ranges for position in range(first, last + 1)]
    assert sorted(written) == sorted(expected)
    assert not {(queue, last + 1) for queue, _, last in ranges} & {(queue, first) for queue, first, _ in ranges}
    assert segments[0].live == 2 * COUNT - len(expected)
    assert not marks


def test_nothing_is_settled_before_it_is_written() -> None:
    queues, segments = a_log(1)
    marks = Marks()
    marks.settle(1, 0, COUNT - 1)
    assert (segments[0].live, queues[1].ranges()) == (COUNT, [(0, COUNT - 1)])
    marks.take(queues, segments)
    assert (segments[0].live, queues[1].ranges()) == (0, [])


def test_the_highest_delivery_counts() -> None:
    queues, segments = a_log(1)
    marks = Marks()
    for high in (3, 7, 5):
        marks.deliver(1, high)
    assert numbers_by_kind(marks.take(queues, segments)) == {records.DELIVERED: [1, 7]}
    assert queues[1].delivered == 7


def test_the_last_count_of_each_message_that_is_left_is_written() -> None:
    queues, segments = a_log(1)
    marks = Marks()
    for position, times, due_ms in ((4, 2, 0), (5, 2, 0), (4, 2, 7000), (6, 3, 0), (4, 3, 0)):
        marks.count(1, position, times, due_ms)
    marks.settle(1, 5, 5)
    written = numbers_by_kind(marks.take(queues, segments))
    assert written == {records.SETTLED: [1, 5, 5], records.COUNTED: [1, 4, 3, 0, 1, 6, 3, 0]}
    assert sorted(queues[1].counts.all()) == [(4, 3, 0), (6, 3, 0)]
    assert not marks


def test_a_queue_the_journal_has_nothing_of_costs_nothing() -> None:
    queues, segments = a_log(1)
    marks = Marks()
    marks.settle(2, 0, 0)
    marks.deliver(3, 1)
    marks.count(4, 0, 2, 0)
    marks.count(1, 1, 2, 0)
    marks.settle(1, 0, 0)
    marks.forget(1)
    assert marks.take(queues, segments) == b""
