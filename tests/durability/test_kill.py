"""A broker that is killed in the middle of a load has kept all it confirmed (see `lives`).

`python -m tests.durability.kill` does the same a hundred times.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.durability.lives import LINES, Lives, summary

KILLS = 6


@pytest.mark.parametrize("client", LINES)
def test_kill_after_kill_nothing_confirmed_is_lost_and_nothing_settled_returns(client: str, tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    lives = Lives(tmp_path / "data", client, seed)
    lives.prepare()
    for _ in range(KILLS):
        assert lives.live().sentences == []
    assert lives.look().sentences == []
    print(summary(client, lives.totals))
    assert lives.totals["confirmed"] > 0
    assert lives.totals["recovered"] > 0
