"""Menura and mosquitto answer the same conversations alike; `python -m tests.conformance.mqtt.lockstep` has more."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.conformance.mqtt.brokers import mosquitto, mosquitto_program, ours
from tests.conformance.mqtt.generating import conversation
from tests.conformance.mqtt.lockstep import Side, compare
from tests.seeds import first_seed

CASES = 8


def _version() -> str:
    program = mosquitto_program()
    if program is None:
        return ""
    return subprocess.run([program, "-h"], check=False, capture_output=True, text=True).stdout.partition("\n")[0]


pytestmark = pytest.mark.skipif("version 2.0" not in _version(), reason="mosquitto 2.0 is not installed")


@pytest.fixture(scope="module")
def sides() -> Iterator[tuple[Side, Side]]:
    # The name of a socket is short: pytest's own folders may be too deep.
    with TemporaryDirectory(dir="/tmp") as folder, ours() as mine, mosquitto(Path(folder)) as theirs:
        both = Side(mine), Side(theirs)
        yield both
        for side in both:
            side.close()


@pytest.mark.parametrize("number", range(CASES))
def test_a_conversation_has_the_answers_that_mosquitto_gives(sides: tuple[Side, Side], number: int) -> None:
    seed = first_seed() + number
    print(f"seed {seed}")
    compare(*sides, conversation(seed))
