"""Latencies as figures: percentiles by nearest rank, so each is a latency that some message really had."""

import math
from collections.abc import Sequence

from menura.bench.result import Metric

PERCENTILES = (50.0, 99.0, 99.9)


def percentile(ordered: Sequence[int], percent: float) -> int:
    """The smallest value that at least `percent` of all are not above; `ordered` ascending and not empty."""
    rank = math.ceil(len(ordered) * percent / 100)
    return ordered[max(rank, 1) - 1]


def latency_metrics(samples_ns: Sequence[int]) -> tuple[Metric, ...]:
    """p50, p99 and p99.9 in milliseconds."""
    ordered = sorted(samples_ns)
    return tuple(Metric(f"p{percent:g}", percentile(ordered, percent) / 1e6, "ms") for percent in PERCENTILES)
