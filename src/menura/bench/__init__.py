"""The load tool: measures any broker of AMQP 0-9-1, MQTT or STOMP from outside, with a load that costs less than it.

Reading order: `wire` (bytes), `connection` (handshake and calls), `flow` (a publisher and consumers moving
prebuilt bytes), `streams` and the other scenario modules, `scenarios` (the list and `run`). For MQTT the same steps are
`mqtt_wire`, `mqtt_connection`, `mqtt_streams` and `mqtt_crowds`, for STOMP `stomp`. It imports nothing of the broker.
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
