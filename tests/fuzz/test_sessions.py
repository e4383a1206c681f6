"""`make fuzz`: hostile traffic for minutes, over every protocol and in every chunking.

MENURA_FUZZ_SECONDS says for how long each (120), MENURA_FUZZ_SEED where to start; a failure names the seed of its own
case, which is then the first to be run. `make fuzz ARGS="-k mqtt"` takes one protocol.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.fuzz import mqtt_runs, runs, stomp_runs
from tests.fuzz.hunting import SECONDS, hunt


@pytest.mark.parametrize("check", [runs.check, mqtt_runs.check, stomp_runs.check], ids=["amqp", "mqtt", "stomp"])
def test_hostile_traffic_harms_nobody(check: Callable[[int], None]) -> None:
    hunt(check, SECONDS)


@pytest.mark.parametrize("check", [mqtt_runs.check_chunking, stomp_runs.check_chunking], ids=["mqtt", "stomp"])
def test_the_answers_do_not_depend_on_the_cutting(check: Callable[[int], None]) -> None:
    hunt(check, SECONDS)
