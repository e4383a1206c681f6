"""Seed after seed until the time is up, and the smallest case that still fails.

What a case is and how it is run is the business of the protocol's own module; here it is a list of steps, each of which
has the octets of one read.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import Any

SECONDS = float(os.environ.get("MENURA_FUZZ_SECONDS", "120"))
Steps = list[Any]


def hunt(check: Callable[[int], None], seconds: float) -> int:
    """Check seeds for so long, the one that the environment names first; how many there were."""
    seed = first = int(os.environ.get("MENURA_FUZZ_SEED") or random.randrange(1 << 40))
    print(f"MENURA_FUZZ_SEED={first}, for {seconds:.0f} s")
    end = time.monotonic() + seconds
    while seed == first or time.monotonic() < end:
        check(seed)
        seed += 1
    print(f"{seed - first} cases")
    return seed - first


def failure(run: Callable[[], None]) -> str | None:
    """What is wrong with a run, in short; None if it is well."""
    try:
        run()
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:60]}"
    return None


def smallest(steps: Steps, run: Callable[[Steps], None], attempts: int = 1000) -> Steps:
    """Fewer steps with shorter reads that fail in the same way."""
    wanted = failure(lambda: run(steps))
    left = attempts

    def fails(fewer: Steps) -> bool:
        nonlocal left
        left -= 1
        return left > 0 and failure(lambda: run(fewer)) == wanted

    steps = _fewer(steps, fails)
    for at in range(len(steps)):

        def fails_with(read: list[int], at: int = at) -> bool:
            return fails([*steps[:at], steps[at]._replace(read=bytes(read)), *steps[at + 1 :]])

        steps[at] = steps[at]._replace(read=bytes(_fewer(list(steps[at].read), fails_with)))
    return steps


def _fewer(items: list[Any], fails: Callable[[list[Any]], bool]) -> list[Any]:
    size = max(len(items) // 2, 1)
    while size and items:
        at = 0
        while at < len(items):
            fewer = items[:at] + items[at + size :]
            if fails(fewer):
                items = fewer
            else:
                at += size
        size //= 2
    return items
