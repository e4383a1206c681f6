"""Work that may take long, done step by step, so that whoever drives it can serve others in between.

Nothing happens before the first step is asked for. Each one runs to its end, as everything in the core does: what must
hold, holds between steps, and anything may be asked for and changed there. Steps are short; how many are done at a time
is for the driver to decide, who has a clock.
"""

from __future__ import annotations

from collections.abc import Generator

Steps = Generator[None, None, None]


def finish(steps: Steps) -> None:
    """Do all of it now."""
    for _ in steps:
        pass
