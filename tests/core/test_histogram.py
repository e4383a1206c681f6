"""Counts by duration."""

from __future__ import annotations

from menura.core.histogram import SECONDS, Histogram


def test_what_is_at_a_bound_counts_as_not_more() -> None:
    histogram = Histogram(bounds=(1.0, 2.0))
    for value in (0.0, 1.0, 1.5, 2.0, 2.1, 100.0):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 2]
    assert histogram.sum == 106.6


def test_bounds_are_in_order_and_span_a_sync_and_a_stall() -> None:
    assert list(SECONDS) == sorted(set(SECONDS))
    assert SECONDS[0] <= 0.0001
    assert SECONDS[-1] >= 10
