"""Closed loops: connections that each have one message out and send the next when the answer to it has come.

What an answer is (a confirm, a reply) is the end's business; here is the one loop over all of them and the
measured stretch: every end has been answered once, a warm-up, then rate and percentiles of what each one
waited.
"""

import selectors
import time
from array import array
from collections.abc import Callable, Sequence
from typing import Protocol

from menura.bench.errors import BenchError
from menura.bench.flow import STALL_SECONDS
from menura.bench.latencies import latency_metrics
from menura.bench.meter import Meter
from menura.bench.result import Metric, Result, Settings, measured


class Readable(Protocol):
    def fileno(self) -> int: ...
    def on_readable(self) -> object: ...


class RoundTripper(Readable, Protocol):
    """One closed loop; `samples` has the nanoseconds of each round trip."""

    samples: "array[int]"

    def send(self) -> None: ...


def measure_round_trips(
    settings: Settings,
    ends: Sequence[RoundTripper],
    others: Sequence[Readable] = (),
    load_pids: Sequence[int] = (),
) -> Result:
    """Run all `ends` at once; `others` are read meanwhile, `load_pids` counted as load too."""
    with selectors.DefaultSelector() as selector:
        for end in (*ends, *others):
            selector.register(end, selectors.EVENT_READ, end.on_readable)
        for loop in ends:
            loop.send()
        _turn(selector, STALL_SECONDS, lambda: all(len(end.samples) for end in ends))
        _turn(selector, settings.warmup_seconds)
        for loop in ends:
            del loop.samples[:]
        meter = Meter(settings.broker_pid, load_pids)
        _turn(selector, settings.seconds)
        meter.stop()
    samples = [sample for loop in ends for sample in loop.samples]
    if not samples:
        raise BenchError(f"nothing was answered in {meter.seconds:.1f} s")
    rate = Metric("rate", len(samples) / meter.seconds, "/s")
    return measured(settings, meter, rate, *latency_metrics(samples))


def _turn(selector: selectors.BaseSelector, seconds: float, done: Callable[[], bool] | None = None) -> None:
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline and not (done and done()):
        for key, _ in selector.select(0.1):
            on_readable: Callable[[], object] = key.data
            on_readable()
