"""Where random tests begin: at the same place in every run, so that a tree which passed once passes again.

MENURA_SEED names another seed, and `MENURA_SEED=any` draws one, for whoever is looking for what nobody has seen yet;
`make fuzz` and `make simulate` do so for long. Every test prints its seed.
"""

from __future__ import annotations

import os
import random

_USUAL = 20261121


def first_seed() -> int:
    """The seed of a test that needs one; those after it are the next."""
    given = os.environ.get("MENURA_SEED", "")
    return random.randrange(1 << 40) if given == "any" else int(given or _USUAL)
