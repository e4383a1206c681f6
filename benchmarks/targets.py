"""The figures to reach. The benchmark says which are met; it never fails for one, since machines differ."""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    RATIO_MIN = "at least so many times the peer's figure"
    RATIO_MAX = "at most so many times the peer's figure"
    VALUE_MIN = "at least this, in the metric's unit"
    VALUE_MAX = "at most this, in the metric's unit"

    @property
    def of_a_value(self) -> bool:
        """Whether the figure is looked at by itself and not beside a peer's."""
        return self in (Kind.VALUE_MIN, Kind.VALUE_MAX)


@dataclass(frozen=True, slots=True)
class Target:
    """What one metric of one scenario shall reach."""

    kind: Kind
    limit: float

    def text(self, unit: str) -> str:
        sign = "≥" if self._is_least else "≤"
        return f"{sign} {self.limit:,g} {unit}" if self.kind.of_a_value else f"{sign} {self.limit:.3g}x"

    def met(self, value: float, peer: float | None) -> bool | None:
        """None when there is no peer to compare with."""
        if self.kind.of_a_value:
            bound = self.limit
        elif peer is None:
            return None
        else:
            bound = self.limit * peer
        return value >= bound if self._is_least else value <= bound

    @property
    def _is_least(self) -> bool:
        return self.kind in (Kind.RATIO_MIN, Kind.VALUE_MIN)


@dataclass(frozen=True, slots=True)
class Quotient:
    """One metric of a scenario over the same metric of another, at the same broker in the same round."""

    name: str
    metric: str
    scenario: str
    other: str


def at_least(times: float) -> Target:
    return Target(Kind.RATIO_MIN, times)


QUOTIENTS = (
    Quotient("rate / one queue's", "rate", "durable-window-100-spread", "durable-window-100-one-queue"),
    Quotient("enqueue / short queue's", "enqueue", "durable-memory-10m", "durable-enqueue-dequeue-1k"),
    Quotient("dequeue / short queue's", "dequeue", "durable-memory-10m", "durable-enqueue-dequeue-1k"),
)

# Beside RabbitMQ, or of Menura by itself.
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
    **{
        (scenario, "rate"): at_least(4)
        for scenario in (
            "priority-10",
            "ttl",
            "expiration",
            "limit-drop-head",
            "limit-reject-publish",
            "dead-letter-rejected",
            "dead-letter-expired",
        )
    },
    ("priority-10-backlog", "enqueue"): at_least(4),
    ("priority-10-backlog", "dequeue"): at_least(4),
    **{
        (f"durable-declare-{way}", verb): at_least(2)
        for way in ("single", "pipelined")
        for verb in ("declare", "delete")
    },
    ("delayed-memory-1m", "message"): Target(Kind.VALUE_MAX, 400),
    ("delayed-memory-1m", "late, most"): Target(Kind.VALUE_MAX, 50),
    ("mqtt-qos0-64", "rate"): at_least(5),
    ("mqtt-qos0-1k", "rate"): at_least(5),
    ("mqtt-durable-128", "rate"): at_least(5),
    ("mqtt-memory-connections", "connection"): Target(Kind.VALUE_MAX, 20_000),
    ("stomp-128", "rate"): at_least(5),
    ("startup", "ready"): Target(Kind.VALUE_MAX, 0.5),
    ("durable-128", "rate"): at_least(8),
    ("durable-1k", "rate"): at_least(5),
    ("durable-10k", "rate"): at_least(2),
    **{
        (f"durable-enqueue-dequeue-{size}", way): at_least(times)
        for size, times in (("128", 5), ("512", 5), ("1k", 5), ("10k", 2))
        for way in ("enqueue", "dequeue")
    },
    ("durable-latency-1", "p50 / sync p50"): Target(Kind.VALUE_MAX, 1.5),
    ("durable-window-100-spread", "rate / one queue's"): Target(Kind.VALUE_MIN, 0.8),
    ("durable-memory-10m", "resident"): Target(Kind.VALUE_MAX, 1500),
    ("durable-memory-10m", "enqueue / short queue's"): Target(Kind.VALUE_MIN, 0.5),
    ("durable-memory-10m", "dequeue / short queue's"): Target(Kind.VALUE_MIN, 0.5),
}

BESIDE_MOSQUITTO = {
    (scenario, "rate"): at_least(1)
    for scenario in ("mqtt-qos0-64", "mqtt-qos0-1k", "mqtt-fanout-1000", "mqtt-fanin-1000")
}
