"""The journal under power cuts, torn and lost sectors, damage and failing disks, compared with a model; by seed."""

from __future__ import annotations

import pytest
from tests.simulation.world import World

SEEDS = 10


@pytest.mark.parametrize("first", range(0, SEEDS, 5))
def test_what_was_durable_survives_every_cut(first: int) -> None:
    cuts = 0
    for seed in range(first, first + 5):
        try:
            cuts += World(seed).run()
        except Exception as error:
            raise AssertionError(f"World({seed}).run() repeats it") from error
    assert cuts
