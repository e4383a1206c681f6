"""How much memory something takes, at most and for good."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def memory_bounded(peak_bytes: int) -> Iterator[None]:
    """Fails if more than this is allocated at any moment within."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    print(f"{peak:,} bytes at most, {peak_bytes:,} allowed")
    assert peak <= peak_bytes
