"""The load tool: measures any AMQP 0-9-1 broker from outside, with a load that costs less than the broker.

Reading order: `wire` (bytes), `connection` (handshake and calls), `flow` (a publisher and consumers moving
prebuilt bytes), `streams` and the other scenario modules, `scenarios` (the list and `run`). It imports
nothing of the broker.
"""

from menura.bench.errors import BenchError, BrokerClosedError, UnavailableError
from menura.bench.result import Metric, Result, Settings
from menura.bench.scenarios import SCENARIOS, Scenario, run

__all__ = [
    "SCENARIOS",
    "BenchError",
    "BrokerClosedError",
    "Metric",
    "Result",
    "Scenario",
    "Settings",
    "UnavailableError",
    "run",
]
