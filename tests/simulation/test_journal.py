"""The journal under power cuts, torn and lost sectors, damage and failing disks, compared with a model; by seed.

A few hundred cuts from seeds that do not change, and a life that is new in every run. `make simulate` looks at
thousands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tests.seeds import first_seed
from tests.simulation.damage import DamagedWorld
from tests.simulation.lives import IN_JOURNALS, live
from tests.simulation.world import World

CUTS_MIN = 2000
SEEDS = [seed for seed in range(25) if seed % 10 != 7]  # those are lives of queues


def live_all(seeds: Iterable[int]) -> tuple[int, Counter[str]]:
    """The cuts looked at and what happened in these lives."""
    cuts, counts = 0, Counter[str]()
    for seed in seeds:
        life = live(seed)
        assert not life.complaint, f'seed {seed}: {life.complaint} (make simulate ARGS="--seed {seed} --cuts 1")'
        cuts += life.cuts
        counts += life.counts
    return cuts, counts


def test_every_promise_survives_every_cut_and_everything_that_can_happen_does() -> None:
    cuts, counts = live_all(SEEDS)
    assert cuts >= CUTS_MIN
    assert [happening for happening in IN_JOURNALS if not counts[happening]] == []


def test_a_life_nobody_has_seen_before_keeps_every_promise() -> None:
    seed = first_seed()
    print(f"seed {seed}")
    live_all([seed])


def test_a_seed_repeats_its_life() -> None:
    for kind in (World, DamagedWorld):
        first, second = kind(5), kind(5)
        assert (first.run(), first.counts) == (second.run(), second.counts)


def test_the_power_is_cut_after_every_change_of_the_disk() -> None:
    world = next(world for world in map(World, range(20)) if not world.long)
    look, changes = world.look, Counter[str]()

    def count() -> None:
        changes["all"] += 1
        look()

    world.look = world.disk.on_change = count  # type: ignore[method-assign]
    world.run()
    assert 0 < changes["all"] <= world.cuts
