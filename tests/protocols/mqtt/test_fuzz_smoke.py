"""Some seconds of what `make fuzz` does for minutes; a failure prints the seed of its case."""

from __future__ import annotations

from tests.fuzz.hunting import hunt
from tests.fuzz.mqtt_runs import check, check_chunking


def test_hostile_traffic_harms_nobody_for_four_seconds() -> None:
    assert hunt(check, 4)


def test_the_answers_do_not_depend_on_the_cutting_for_two_seconds() -> None:
    assert hunt(check_chunking, 2)
