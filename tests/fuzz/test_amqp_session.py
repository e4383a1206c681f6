"""`make fuzz`: hostile traffic for minutes.

MENURA_FUZZ_SECONDS says for how long (120), MENURA_FUZZ_SEED where to start; a failure names the seed of its own case,
which is then the first to be run.
"""

from __future__ import annotations

import os
import random
import time

from tests.fuzz.runs import check

SECONDS = float(os.environ.get("MENURA_FUZZ_SECONDS", "120"))


def test_hostile_traffic_harms_nobody() -> None:
    seed = first = int(os.environ.get("MENURA_FUZZ_SEED") or random.randrange(1 << 40))
    print(f"MENURA_FUZZ_SEED={first}, for {SECONDS:.0f} s")
    end = time.monotonic() + SECONDS
    while seed == first or time.monotonic() < end:
        check(seed)
        seed += 1
    print(f"{seed - first} cases")
