"""gmqtt, in versions 3.1.1 and 5: gmqtt_conversation.py runs its scenarios and prints what came of them as JSON.

gmqtt's wheel brings a top-level package `tests`, which in our environment would stand in the way of this one. So pip
installs it once into a directory of its own, and a program of its own uses it there.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from tests.clients.program import HERE, Program

import menura

GMQTT = "gmqtt==0.8.0"
CACHE = HERE.parents[1] / ".cache" / "gmqtt"


@pytest.fixture(scope="module")
def library() -> Path:
    """Where gmqtt can be imported from."""
    place = CACHE / GMQTT.rpartition("=")[2]
    if not place.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        new = tempfile.mkdtemp(dir=CACHE)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
        subprocess.run([*pip, "--target", new, GMQTT], check=True, timeout=50)
        try:
            Path(new).rename(place)  # another run may have been faster
        except OSError:
            shutil.rmtree(new)
    return place


@pytest.fixture(scope="module")
def results(library: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    data = str(tmp_path_factory.mktemp("data"))
    with menura.Broker(listen=["mqtt://127.0.0.1:0"], data=data) as broker:
        place = {"PYTHONPATH": str(library), "MQTT_PORT": str(broker.listeners[0].port), "NAME": "gmqtt"}
        with Program(sys.executable, "gmqtt_conversation.py", env=place) as running:
            # Its complaint about a connection that was taken over may come behind the results.
            found: dict[str, Any] = json.loads(running.line("^{", seconds=50))
            running.finish()
            return found


EXPECTED: dict[str, Any] = {
    "properties_arrive": {
        "content_type": ["text/plain"],
        "payload_format_id": [1],
        "response_topic": ["answers/here"],
        "correlation_data": "id-1",
        "user_property": [["k", "1"], ["k", "2"]],
        "subscription_identifier": [7],
    },
    "aliases_stand_for_topics": [["0", "0"], ["1", "1"], ["0", "2"], ["1", "3"], ["0", "4"], ["1", "5"]],
    "retained_and_will": [["here", "gone", ""], True],
    "a_session_waits": [[False, True], ["0", "1", "2"]],
    "a_group_shares": list(range(20)),
    "a_wrong_password": "code 134 (Connection Refused: Bad User Name or Password)",
    **{f"messages_in_order {version} {qos}": [[qos], True, [qos]] for version in (4, 5) for qos in range(3)},
}


@pytest.mark.parametrize("scenario", EXPECTED)
def test_each_scenario_ends_as_expected(results: dict[str, Any], scenario: str) -> None:
    assert results[scenario] == EXPECTED[scenario]


def test_every_scenario_is_looked_at(results: dict[str, Any]) -> None:
    assert results.keys() == EXPECTED.keys()
