"""A little of what `make fuzz` does for minutes; a failure prints the seed of its case."""

from __future__ import annotations

from tests.fuzz.runs import check
from tests.seeds import first_seed

CASES = 400


def test_hostile_traffic_harms_nobody() -> None:
    first = first_seed()
    for seed in range(first, first + CASES):
        check(seed)
