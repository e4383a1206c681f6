"""The figures to reach. The benchmark says which are met; it never fails for one, since machines differ."""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    RATIO_MIN = "at least so many times the peer's figure"
    RATIO_MAX = "at most so many times the peer's figure"
    VALUE_MAX = "at most this, in the metric's unit"


@dataclass(frozen=True, slots=True)
class Target:
    """What one metric of one scenario shall reach."""

    kind: Kind
    limit: float

    def text(self, unit: str) -> str:
        sign = "≥" if self.kind is Kind.RATIO_MIN else "≤"
        return f"{sign} {self.limit:,g} {unit}" if self.kind is Kind.VALUE_MAX else f"{sign} {self.limit:.3g}x"

    def met(self, value: float, peer: float | None) -> bool | None:
        """None when there is no peer to compare with."""
        if self.kind is Kind.VALUE_MAX:
            return value <= self.limit
        if peer is None:
            return None
        bound = self.limit * peer
        return value >= bound if self.kind is Kind.RATIO_MIN else value <= bound


def at_least(times: float) -> Target:
    return Target(Kind.RATIO_MIN, times)


TARGETS = {
    ("autoack-128", "rate"): at_least(7),
    ("autoack-1k", "rate"): at_least(5),
    ("ack-each-128", "rate"): at_least(4),
    ("confirms-128", "rate"): at_least(7),
    ("fanout-10", "rate"): at_least(4),
    ("topic-1000", "rate"): at_least(4),
    ("closed-loop-100", "rate"): at_least(2.5),
    ("closed-loop-100", "p99"): Target(Kind.RATIO_MAX, 1 / 3),
    ("closed-loop-1", "rate"): at_least(1.5),
    ("get-loop", "rate"): at_least(1.5),
    ("rpc-1", "rate"): at_least(2),
    ("rpc-50", "rate"): at_least(2),
    ("latency-10k", "p99"): Target(Kind.RATIO_MAX, 1),
    ("latency-30k", "p99"): Target(Kind.RATIO_MAX, 1),
    ("memory-connections", "idle"): Target(Kind.VALUE_MAX, 60),
    ("memory-connections", "connection"): Target(Kind.VALUE_MAX, 20_000),
    ("memory-queue", "message"): Target(Kind.VALUE_MAX, 600),
    ("startup", "ready"): Target(Kind.VALUE_MAX, 0.5),
}
