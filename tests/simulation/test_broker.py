"""Queues with rules under power cuts; by seed. `make simulate` looks at more of them."""

from __future__ import annotations

from collections import Counter

from tests.seeds import first_seed
from tests.simulation.broker import HAPPENINGS, BrokerWorld

CUTS_MIN = 800
SEEDS = range(12)


def test_after_any_cut_a_message_is_in_one_place_whatever_the_rules_do_with_it() -> None:
    cuts, counts = 0, Counter[str]()
    for seed in [*SEEDS, first_seed()]:
        print(f"seed {seed}")
        world = BrokerWorld(seed)
        cuts += world.run()
        counts += world.counts
    assert cuts >= CUTS_MIN
    assert [happening for happening in HAPPENINGS if not counts[happening]] == []


def test_a_seed_repeats_its_life_with_queues() -> None:
    first, second = BrokerWorld(1), BrokerWorld(1)
    assert (first.run(), first.counts) == (second.run(), second.counts)
