"""Percentiles by nearest rank."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from menura.bench.latencies import latency_metrics, percentile


@pytest.mark.parametrize(("percent", "value"), [(0.1, 1), (50, 500), (50.05, 501), (99, 990), (99.9, 999), (100, 1000)])
def test_the_percentiles_of_a_thousand_numbers(percent: float, value: int) -> None:
    assert percentile(range(1, 1001), percent) == value


@given(samples=st.lists(st.integers(0, 10**9), min_size=1), percent=st.sampled_from([50.0, 99.0, 99.9]))
def test_a_percentile_is_a_sample_that_enough_others_do_not_exceed(samples: list[int], percent: float) -> None:
    ordered = sorted(samples)
    value = percentile(ordered, percent)
    assert value in ordered
    assert sum(sample <= value for sample in ordered) >= len(ordered) * percent / 100 - 1e-9
    below = [sample for sample in ordered if sample < value]
    assert len(below) < len(ordered) * percent / 100


def test_latencies_are_given_in_milliseconds() -> None:
    metrics = latency_metrics([3_000_000, 1_000_000, 2_000_000])
    assert [(metric.name, metric.value, metric.unit) for metric in metrics] == [
        ("p50", 2.0, "ms"),
        ("p99", 3.0, "ms"),
        ("p99.9", 3.0, "ms"),
    ]
