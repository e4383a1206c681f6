"""amqplib, the client of Node programs: node/conversation.js runs its scenarios and prints what came of them as JSON.

The library is installed once by npm into .cache/node; without npm these tests are skipped, and only then.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.clients.program import HERE, Program

AMQPLIB = "amqplib@2.3.1"
CACHE = HERE.parents[1] / ".cache" / "node"


@pytest.fixture(scope="module")
def library() -> Path:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    # With the cache filled, npm finds nothing to do and asks no registry.
    arguments = ["install", "--prefix", str(CACHE), "--prefer-offline", "--no-audit", "--no-fund", AMQPLIB]
    CACHE.mkdir(parents=True, exist_ok=True)
    subprocess.run([npm, *arguments], check=True, timeout=50, stdout=subprocess.DEVNULL)
    return CACHE / "node_modules" / "amqplib"


@pytest.fixture(scope="module")
def results(library: Path, command: Callable[..., Program]) -> dict[str, Any]:
    with command("node", "node/conversation.js", env={"AMQPLIB": str(library), "NAME": "clients-node"}) as running:
        return json.loads(running.finish()[-1])


EXPECTED: dict[str, Any] = {
    "product": "RabbitMQ",
    "publishConfirmConsume": {
        "messageCount": 20,
        "bodies": [str(number) for number in range(20)],
        "headers": {"number": 7, "deep": {"list": [1, "two", True, None]}},
        "contentType": "text/plain",
        "deliveryMode": 2,
    },
    "returned": {"code": 312, "text": "NO_ROUTE", "body": "lost"},
    "redelivered": {"flags": [False, True, True], "left": False},
    "prefetch": {"messageCount": 3, "purged": 3},
    "routing": ["logs.mail.error", "logs"],
    "rpc": {str(number): 2 * number for number in range(10)},
    "cancelledByDelete": {"message": None},
    "largeBody": True,
    "callbacks": "called back",
}


@pytest.mark.parametrize("scenario", EXPECTED)
def test_each_scenario_ends_as_expected(results: dict[str, Any], scenario: str) -> None:
    assert results[scenario] == EXPECTED[scenario]


def test_a_missing_queue_is_reported_on_the_channel_only(results: dict[str, Any]) -> None:
    report = results["channelError"]
    assert (report["code"], report["open"]) == (404, True)
    assert "404 (NOT-FOUND)" in report["text"]
    assert "NOT_FOUND - no queue 'clients-node-missing' in vhost" in report["text"]
