"""amqplib, the client of Node programs: node/conversation.js runs its scenarios and prints what came of them as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.clients.node_packages import INSTALL_SECONDS_MAX, node_modules
from tests.clients.program import Program

# The first test installs the packages.
pytestmark = pytest.mark.timeout(INSTALL_SECONDS_MAX + 60)


@pytest.fixture(scope="module")
def results(command: Callable[..., Program]) -> dict[str, Any]:
    environment = {"NODE_PATH": str(node_modules()), "NAME": "clients-node"}
    with command("node", "node/conversation.js", env=environment) as running:
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
