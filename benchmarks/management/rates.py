"""Message rates with histories kept and not: fresh brokers in turn, the same loads, the median of the quotients."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from benchmarks.management.figures import Figure
from menura.bench import SCENARIOS, run
from menura.bench.launch import MenuraProcess

SCENARIO_NAMES = ("autoack-128", "confirms-128", "ack-each-128", "closed-loop-100")
LOST_PERCENT_MAX = 3.0
_OFF = ("--no-statistics",)


def measure(rounds: int, seconds: float, tell: Callable[[str], None]) -> list[Figure]:
    quotients: dict[str, list[float]] = {name: [] for name in SCENARIO_NAMES}
    rates: dict[str, list[float]] = {name: [] for name in SCENARIO_NAMES}
    for number in range(rounds):
        turns = (True, False) if number % 2 == 0 else (False, True)
        found = {kept: _round(kept, seconds, tell) for kept in turns}
        for name in SCENARIO_NAMES:
            quotients[name].append(found[True][name] / found[False][name])
            rates[name].append(found[True][name])
    return [
        Figure(
            "histories kept",
            f"{name}: rate lost",
            (1 - statistics.median(quotients[name])) * 100,
            "%",
            LOST_PERCENT_MAX,
            f"{statistics.median(rates[name]):,.0f} /s with; quotients "
            + " ".join(f"{each:.3f}" for each in sorted(quotients[name])),
        )
        for name in SCENARIO_NAMES
    ]


def _round(kept: bool, seconds: float, tell: Callable[[str], None]) -> dict[str, float]:
    found = {}
    with MenuraProcess(options=() if kept else _OFF) as menura:
        for name in SCENARIO_NAMES:
            tell(f"{name}, histories {'kept' if kept else 'not kept'}")
            settings = SCENARIOS[name].settings(url=menura.url, broker_pid=menura.pid, seconds=seconds)
            (rate,) = (metric.value for metric in run(settings).metrics if metric.name == "rate")
            found[name] = rate
    return found
