"""Sets of numbers as intervals, compared with plain sets."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from menura.store.intervals import Intervals

PAIRS = st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: (pair[0], sum(pair)))


def numbers(pairs: list[tuple[int, int]]) -> list[int]:
    return [number for first, last in pairs for number in range(first, last + 1)]


def filled(added: list[tuple[int, int]]) -> tuple[Intervals, set[int]]:
    intervals = Intervals()
    for first, last in added:
        intervals.add(first, last)
    return intervals, set(numbers(added))


def pairs_of(intervals: Intervals) -> list[tuple[int, int]]:
    return list(zip(intervals.firsts, intervals.lasts, strict=True))


@given(st.lists(PAIRS, max_size=30))
def test_what_was_added_is_in_and_nothing_else(added: list[tuple[int, int]]) -> None:
    intervals, expected = filled(added)
    assert numbers(pairs_of(intervals)) == sorted(expected)


@given(st.lists(PAIRS, max_size=30))
def test_neighbours_are_one_interval(added: list[tuple[int, int]]) -> None:
    pairs = pairs_of(filled(added)[0])
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(pairs))
    assert filled(added)[0].flat() == [number for pair in pairs for number in pair]


@given(st.lists(PAIRS, max_size=20), PAIRS)
def test_adding_says_what_is_new(added: list[tuple[int, int]], pair: tuple[int, int]) -> None:
    intervals, before = filled(added)
    assert numbers(intervals.add(*pair)) == sorted(set(numbers([pair])) - before)


@given(st.lists(PAIRS, max_size=20), PAIRS)
def test_what_is_missing_is_what_is_not_in(added: list[tuple[int, int]], pair: tuple[int, int]) -> None:
    intervals, inside = filled(added)
    assert numbers(intervals.missing(*pair)) == sorted(set(numbers([pair])) - inside)


@given(st.lists(PAIRS, max_size=20), st.integers(0, 80))
def test_forgetting_takes_out_what_is_below(added: list[tuple[int, int]], floor: int) -> None:
    intervals, inside = filled(added)
    intervals.forget_below(floor)
    assert numbers(pairs_of(intervals)) == sorted(number for number in inside if number >= floor)


def test_a_set_without_holes_is_one_interval_however_it_came_about() -> None:
    intervals = Intervals()
    for number in [*range(0, 1000, 2), *range(999, 0, -2)]:
        intervals.add(number, number)
    assert pairs_of(intervals) == [(0, 999)]
