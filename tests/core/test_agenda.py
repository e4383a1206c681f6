"""What is to be done later is done in time and in order, and not before."""

from __future__ import annotations

import pytest

from menura.core.agenda import Agenda


def test_work_is_done_when_its_time_has_come_in_order_and_once() -> None:
    agenda = Agenda()
    agenda.tick(100.0)
    done: list[str] = []
    agenda.after(10, lambda: done.append("second"))
    agenda.after(5, lambda: done.append("first"))
    agenda.after(10, lambda: done.append("third"))
    agenda.tick(104.9)
    assert done == []
    agenda.tick(105.0)
    assert done == ["first"]
    agenda.tick(200.0)
    assert done == ["first", "second", "third"]
    agenda.tick(300.0)
    assert len(done) == 3


def test_what_is_cancelled_is_not_done_and_not_kept_for_longer_than_it_would_have_been() -> None:
    agenda = Agenda()
    done: list[int] = []
    entries = [agenda.after(seconds, lambda: done.append(1)) for seconds in range(5)]
    for entry in entries:
        entry.cancel()
    agenda.tick(0.1)
    assert done == []
    assert len(agenda) == 0


def test_work_may_ask_for_more() -> None:
    agenda = Agenda()
    done: list[float] = []

    def again() -> None:
        done.append(agenda.now)
        if len(done) < 3:
            agenda.after(1, again)

    agenda.after(1, again)
    for now in range(10):
        agenda.tick(float(now))
    assert done == [1.0, 2.0, 3.0]


def test_time_does_not_go_back_and_is_known_in_two_ways() -> None:
    agenda = Agenda()
    agenda.epoch_ms = 1_000_000
    agenda.tick(5.0)
    agenda.tick(4.0)
    assert agenda.now == 5.0
    assert agenda.wall_ms == 1_005_000


def test_cancelled_work_in_the_far_future_is_forgotten() -> None:
    agenda = Agenda()
    for number in range(10_000):
        agenda.after(1e9 + number, print).cancel()
    assert len(agenda) < 200
    done: list[int] = []
    agenda.after(1, lambda: done.append(1))
    agenda.tick(10.0)
    assert done == [1]


def test_whoever_has_a_clock_is_told_when_the_first_thing_is_due() -> None:
    agenda = Agenda()
    agenda.clock = lambda: 50.0
    told: list[float] = []
    agenda.on_sooner = told.append
    agenda.after(10, print)
    agenda.after(20, print)
    agenda.after(5, print)
    assert told == [60.0, 55.0]
    assert agenda.next_due == 55.0


def test_what_is_due_by_what_was_just_done_waits_for_the_next_time() -> None:
    agenda = Agenda()
    agenda.tick(1.0)
    done: list[int] = []

    def again() -> None:
        done.append(len(done))
        agenda.after(0, again)

    agenda.after(0, again)
    agenda.tick(1.0)
    assert done == [0]
    assert agenda.next_due == 1.0
    agenda.tick(1.0)
    assert done == [0, 1]


def test_what_one_does_wrong_is_told_and_keeps_nobody_else_from_their_turn() -> None:
    agenda = Agenda()
    told: list[Exception] = []
    agenda.on_defect = told.append
    agenda.tick(1.0)
    done: list[str] = []
    agenda.after(0, lambda: done.append("before"))
    agenda.after(0, lambda: done.append("".join([1])))  # type: ignore[list-item]
    agenda.after(0, lambda: done.append("after"))
    agenda.tick(1.0)
    assert done == ["before", "after"]
    assert [type(defect) for defect in told] == [TypeError]
    assert len(agenda) == 0


def test_where_nobody_wants_to_be_told_a_defect_is_raised() -> None:
    agenda = Agenda()
    agenda.after(0, lambda: [].pop())
    with pytest.raises(IndexError):
        agenda.tick(1.0)
