"""Ten seconds of what `make fuzz` does for minutes; a failure prints the seed of its case."""

from __future__ import annotations

import random
import time

from tests.fuzz.runs import check

SECONDS = 10


def test_hostile_traffic_harms_nobody_for_ten_seconds() -> None:
    seed = first = random.randrange(1 << 40)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        check(seed)
        seed += 1
    assert seed > first
