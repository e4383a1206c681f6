"""What a scenario is asked for and what it answers: frozen values for a pipe and for JSON."""

from dataclasses import asdict, dataclass, field
from typing import Any

from menura.bench.meter import Meter

HIGHER_IS_BETTER = {"/s"}
QUOTIENT = "x"  # the unit of a figure that is one figure over another


@dataclass(frozen=True, slots=True)
class Settings:
    """The dials of a scenario; each has its own defaults and uses those that mean something to it."""

    scenario: str
    url: str = "amqp://guest:guest@127.0.0.1:5672/"
    seconds: float = 4.0
    warmup_seconds: float = 1.0
    body_bytes: int = 128
    count: int = 0
    connections: int = 1
    window: int = 20_000  # messages that a publisher may be ahead of the slowest consumer
    rate: int = 0
    durable: bool = False
    disk_path: str = ""  # a folder on the disk whose bare syncs are measured; empty: the temporary folder
    broker_pid: int | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure. Units: /s, ms, s, MB, KB, B, x."""

    name: str
    value: float
    unit: str

    @property
    def higher_is_better(self) -> bool:
        return self.unit in HIGHER_IS_BETTER


@dataclass(frozen=True, slots=True)
class Result:
    """What one run of a scenario saw; cores are processor seconds per second, None where unknown."""

    scenario: str
    metrics: tuple[Metric, ...]
    seconds: float
    load_cores: float | None = None
    broker_cores: float | None = None
    notes: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measured(settings: Settings, meter: Meter, *metrics: Metric, notes: tuple[str, ...] = ()) -> Result:
    """The result of a stretch that `meter` has timed."""

    def cores(cpu_seconds: float | None) -> float | None:
        return None if cpu_seconds is None or not meter.seconds else cpu_seconds / meter.seconds

    return Result(
        scenario=settings.scenario,
        metrics=metrics,
        seconds=meter.seconds,
        load_cores=cores(meter.load_cpu_seconds),
        broker_cores=cores(meter.broker_cpu_seconds),
        notes=notes,
    )
