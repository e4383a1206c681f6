"""Many runs made into one figure each: the median of the rounds, the ratio of the medians, the target met or
not.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.targets import TARGETS, Target
from menura.bench import Metric, Result


@dataclass(frozen=True, slots=True)
class Run:
    """One scenario against one peer in one round; `error` says why there is no result."""

    round: int
    peer: str
    result: Result | None
    scenario: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of one scenario: the median at each peer that was measured."""

    scenario: str
    metric: str
    unit: str
    higher_is_better: bool
    values: dict[str, float]

    @property
    def ratio(self) -> float | None:
        """Menura's figure over RabbitMQ's."""
        menura, rabbitmq = self.values.get("menura"), self.values.get("rabbitmq")
        return None if menura is None or not rabbitmq else menura / rabbitmq

    @property
    def times_better(self) -> float | None:
        """The ratio turned so that above 1 is good."""
        ratio = self.ratio
        return ratio if self.higher_is_better or not ratio else 1 / ratio

    @property
    def target(self) -> Target | None:
        return TARGETS.get((self.scenario, self.metric))

    @property
    def met(self) -> bool | None:
        menura = self.values.get("menura")
        if self.target is None or menura is None:
            return None
        return self.target.met(menura, self.values.get("rabbitmq"))


@dataclass(frozen=True, slots=True)
class Cores:
    """Processor time per second of load and broker in one scenario: shows which of them was measured."""

    scenario: str
    peer: str
    load: float
    broker: float


def rows(runs: Iterable[Run]) -> list[Row]:
    samples: dict[tuple[str, str], dict[str, list[Metric]]] = {}
    for run in runs:
        for metric in run.result.metrics if run.result else ():
            samples.setdefault((run.scenario, metric.name), {}).setdefault(run.peer, []).append(metric)
    return [
        Row(scenario, name, any_metric.unit, any_metric.higher_is_better, _medians(by_peer))
        for (scenario, name), by_peer in samples.items()
        for any_metric in (next(iter(by_peer.values()))[0],)
    ]


def _medians(by_peer: dict[str, list[Metric]]) -> dict[str, float]:
    return {peer: statistics.median(metric.value for metric in metrics) for peer, metrics in by_peer.items()}


def cores(runs: Sequence[Run]) -> list[Cores]:
    samples: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for run in runs:
        if run.result and run.result.load_cores is not None and run.result.broker_cores is not None:
            pair = (run.result.load_cores, run.result.broker_cores)
            samples.setdefault((run.scenario, run.peer), []).append(pair)
    return [
        Cores(scenario, peer, *(statistics.median(values) for values in zip(*pairs, strict=True)))
        for (scenario, peer), pairs in samples.items()
    ]
