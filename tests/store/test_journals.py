"""What every journal promises. A new one joins by a line in JOURNALS."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from menura.core.ports import Deleted, Published, Record, Settled
from menura.store.memory import MemoryJournal

JOURNALS: dict[str, Callable[[], MemoryJournal]] = {"memory": MemoryJournal}
RECORDS = st.one_of(
    st.builds(Deleted, st.text(max_size=5)),
    st.builds(Settled, st.text(max_size=5), st.integers(0, 9), st.integers(10, 1 << 40)),
    st.builds(
        Published,
        st.text(max_size=5),
        st.tuples(st.text(max_size=5)),
        st.lists(st.binary(max_size=50), max_size=3).map(tuple),
        st.lists(st.tuples(st.text(max_size=5), st.integers(0, 1 << 40)), max_size=3).map(tuple),
    ),
)
A = Settled("a", 0, 0)


@pytest.fixture(params=JOURNALS)
def journal(request: pytest.FixtureRequest) -> MemoryJournal:
    return JOURNALS[request.param]()


def positions(journal: MemoryJournal, after: int = 0) -> list[int]:
    return [position for position, _, _ in journal.replay(after)]


@pytest.mark.parametrize("make", JOURNALS.values(), ids=JOURNALS)
@given(st.lists(st.tuples(st.sampled_from(["/", "v"]), RECORDS), max_size=20), st.integers(0, 25), st.integers(0, 25))
def test_what_was_appended_comes_back_in_order(
    make: Callable[[], MemoryJournal], appended: list[tuple[str, Record]], after: int, before: int
) -> None:
    journal = make()
    expected = [(journal.append(vhost, record), vhost, record) for vhost, record in appended]
    assert [position for position, _, _ in expected] == sorted({position for position, _, _ in expected})
    journal.flush()
    assert list(journal.replay()) == expected
    assert list(journal.replay(after)) == [each for each in expected if each[0] > after]
    journal.truncate(before)
    assert list(journal.replay()) == [each for each in expected if each[0] >= before]


def test_positions_begin_above_nothing_appended(journal: MemoryJournal) -> None:
    assert (journal.appended, journal.durable) == (0, 0)
    assert journal.append("/", A) == journal.appended > 0


def test_what_was_not_flushed_does_not_survive(journal: MemoryJournal) -> None:
    first = journal.append("/", A)
    journal.flush()
    journal.append("/", A)
    assert positions(journal) == [first]


def test_the_callback_comes_with_the_flush_and_never_within_append(journal: MemoryJournal) -> None:
    told: list[int] = []
    journal.on_durable = told.append
    journal.append("/", A)
    last = journal.append("/", A)
    assert told == []
    assert journal.durable < last
    journal.flush()
    assert told == [last]
    assert journal.durable == last


def test_a_flush_without_news_tells_nobody(journal: MemoryJournal) -> None:
    told: list[int] = []
    journal.on_durable = told.append
    journal.flush()
    journal.append("/", A)
    journal.flush()
    journal.flush()
    assert told == [journal.appended]


def test_the_callback_may_append(journal: MemoryJournal) -> None:
    told: list[int] = []

    def answer(position: int) -> None:
        told.append(position)
        if len(told) == 1:
            journal.append("/", A)

    journal.on_durable = answer
    first = journal.append("/", A)
    journal.flush()
    journal.flush()
    assert told == [first, first + 1]


def test_truncating_never_moves_the_positions_of_what_follows(journal: MemoryJournal) -> None:
    for _ in range(3):
        last = journal.append("/", A)
    journal.flush()
    journal.truncate(last + 100)
    assert positions(journal) == []
    assert (journal.appended, journal.durable) == (last, last)
    assert journal.append("/", A) == last + 1
    journal.flush()
    assert positions(journal) == [last + 1]


def test_truncating_twice_or_backwards_changes_nothing_more(journal: MemoryJournal) -> None:
    for _ in range(5):
        journal.append("/", A)
    journal.flush()
    for before in (3, 3, 1):
        journal.truncate(before)
        assert positions(journal) == [3, 4, 5]


def test_a_replay_is_not_disturbed_by_what_is_appended_meanwhile(journal: MemoryJournal) -> None:
    for _ in range(3):
        journal.append("/", A)
    journal.flush()
    seen = []
    for position, _, _ in journal.replay():
        seen.append(position)
        journal.append("/", A)
        journal.truncate(2)
    assert seen == [1, 2, 3]
