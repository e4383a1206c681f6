"""What a source may be told, for what a destination has said."""

from __future__ import annotations

import random

import pytest
from tests.seeds import first_seed

from menura.shovels.unconfirmed import Unconfirmed


def waiting(count: int) -> Unconfirmed:
    unconfirmed = Unconfirmed()
    unconfirmed.add(count)
    return unconfirmed


def test_what_is_taken_in_order_is_acknowledged_at_once() -> None:
    unconfirmed = waiting(5)
    assert unconfirmed.settle(1, False, True) == (1, [])
    assert unconfirmed.settle(4, True, True) == (4, [])
    assert unconfirmed.count == 1
    assert unconfirmed.settle(0, True, True) == (5, [])
    assert unconfirmed.count == 0


def test_what_is_taken_out_of_order_waits_for_the_gap() -> None:
    unconfirmed = waiting(4)
    assert unconfirmed.settle(2, False, True) == (0, [])
    assert unconfirmed.settle(4, False, True) == (0, [])
    assert unconfirmed.count == 2
    assert unconfirmed.settle(1, False, True) == (2, [])
    assert unconfirmed.settle(3, False, True) == (4, [])


def test_what_is_refused_is_no_gap_and_is_never_acknowledged() -> None:
    unconfirmed = waiting(4)
    assert unconfirmed.settle(2, False, True) == (0, [])
    assert unconfirmed.settle(1, False, False) == (2, [1])
    assert unconfirmed.settle(4, True, False) == (0, [3, 4])
    assert unconfirmed.count == 0


def test_what_was_said_before_means_nothing() -> None:
    unconfirmed = waiting(3)
    unconfirmed.settle(2, False, True)
    assert unconfirmed.settle(2, False, True) == (0, [])
    assert unconfirmed.settle(9, True, True) == (0, [])
    assert unconfirmed.count == 2
    assert unconfirmed.settle(2, True, True) == (2, [])
    assert unconfirmed.settle(1, False, False) == (0, [])


@pytest.mark.parametrize("seed", range(first_seed(), first_seed() + 40))
def test_nothing_is_acknowledged_that_was_not_taken(seed: int) -> None:
    chance = random.Random(seed)
    unconfirmed, sent = Unconfirmed(), 0
    said: dict[int, bool] = {}
    at_source: dict[int, str] = {}  # how each was settled there
    for _ in range(80):
        if chance.random() < 0.4:
            count = chance.randrange(1, 8)
            unconfirmed.add(count)
            sent += count
            continue
        tag, multiple, taken = chance.randrange(0, sent + 3), chance.random() < 0.4, chance.random() < 0.8
        if tag <= sent:
            meant = range(1, (tag or sent) + 1) if multiple else [tag] if tag else []
            for each in meant:
                said.setdefault(each, taken)
        up_to, refused = unconfirmed.settle(tag, multiple, taken)
        for each in refused:
            assert each not in at_source, f"seed {seed}"
            at_source[each] = "refused"
        assert not up_to or up_to not in at_source, f"seed {seed}"
        for each in range(1, up_to + 1):
            at_source.setdefault(each, "taken")
    for each, how in at_source.items():
        assert said[each] is (how == "taken"), f"seed {seed}"
    unsaid = [each for each in range(1, sent + 1) if each not in said]
    assert unconfirmed.count == len(unsaid), f"seed {seed}"
    end = unsaid[0] if unsaid else sent + 1
    assert all(each in at_source for each in range(1, end)), f"seed {seed}"
