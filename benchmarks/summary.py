"""Many runs made into one figure each: the median of the rounds, the ratio of the medians, the target met or
not. Where two scenarios belong together, the median of one over the other in each round is a figure too.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.targets import BESIDE_MOSQUITTO, QUOTIENTS, TARGETS, Quotient, Target
from menura.bench import Metric, Result
from menura.bench.result import QUOTIENT


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
        """Menura's figure over RabbitMQ's; None for a quotient, which compares already."""
        return None if self.unit == QUOTIENT else self._ratio_to("rabbitmq")

    @property
    def ratio_to_mosquitto(self) -> float | None:
        return self._ratio_to("mosquitto")

    def _ratio_to(self, peer: str) -> float | None:
        menura, other = self.values.get("menura"), self.values.get(peer)
        return None if menura is None or not other else menura / other

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

    @property
    def target_beside_mosquitto(self) -> Target | None:
        return BESIDE_MOSQUITTO.get((self.scenario, self.metric))

    @property
    def met_beside_mosquitto(self) -> bool | None:
        menura, target = self.values.get("menura"), self.target_beside_mosquitto
        return None if target is None or menura is None else target.met(menura, self.values.get("mosquitto"))


@dataclass(frozen=True, slots=True)
class Cores:
    """Processor time per second of load and broker in one scenario: shows which of them was measured."""

    scenario: str
    peer: str
    load: float
    broker: float


Rounds = dict[int, float]  # a metric's value in each round in which it was measured


def rows(runs: Iterable[Run]) -> list[Row]:
    metrics: dict[tuple[str, str], Metric] = {}
    samples: dict[tuple[str, str], dict[str, Rounds]] = {}
    for run in runs:
        for metric in run.result.metrics if run.result else ():
            key = (run.scenario, metric.name)
            metrics.setdefault(key, metric)
            samples.setdefault(key, {}).setdefault(run.peer, {})[run.round] = metric.value
    result = []
    for key, by_peer in samples.items():
        result.append(Row(*key, metrics[key].unit, metrics[key].higher_is_better, _medians(by_peer)))
        for quotient in QUOTIENTS:
            if (quotient.scenario, quotient.metric) == key:
                result += _quotient_rows(quotient, by_peer, samples.get((quotient.other, quotient.metric), {}))
    return result


def _medians(by_peer: dict[str, Rounds]) -> dict[str, float]:
    return {peer: statistics.median(rounds.values()) for peer, rounds in by_peer.items()}


def _quotient_rows(quotient: Quotient, ones: dict[str, Rounds], others: dict[str, Rounds]) -> list[Row]:
    """The quotient's row, if any round has both figures of a peer."""
    quotients = {}
    for peer in ones.keys() & others.keys():
        one, other = ones[peer], others[peer]
        if both := {number: one[number] / other[number] for number in one.keys() & other.keys() if other[number]}:
            quotients[peer] = both
    if not quotients:
        return []
    return [Row(quotient.scenario, quotient.name, QUOTIENT, True, _medians(quotients))]


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
