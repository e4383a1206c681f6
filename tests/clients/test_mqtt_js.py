"""MQTT.js over TCP and WebSocket: node/mqtt_conversation.js runs its scenarios and prints what came of them as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.clients.node_packages import INSTALL_SECONDS_MAX, node_modules
from tests.clients.program import Program

import menura

# The first test installs the packages.
pytestmark = pytest.mark.timeout(INSTALL_SECONDS_MAX + 60)
VERSIONS = {"3.1": 3, "3.1.1": 4, "5.0": 5}
IN_FULL: dict[str, Any] = {
    "inOrder": {"0": True, "1": True, "2": True},
    "largeBinary": True,
    "wildcardsAndRetained": ["first", "second"],
    "will": ["gone"],
    "session": {"sessionPresent": True, "messages": ["waited"]},
    "unsubscribed": ["yes"],
}
# How each version says that the password is wrong, and what only the last has.
BY_VERSION: dict[str, dict[str, Any]] = {
    "3.1": {
        "wrongPassword": 4,
        "propertiesOfVersion5": None,
        "session": {"sessionPresent": False, "messages": ["waited"]},
    },
    "3.1.1": {"wrongPassword": 4, "propertiesOfVersion5": None},
    "5.0": {
        "wrongPassword": 134,
        "propertiesOfVersion5": {
            "contentType": "text/plain",
            "responseTopic": "answers",
            "correlation": [1, 255],
            "userProperties": {"bird": "lyre"},
            "subscriptionIdentifier": 7,
        },
    },
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[menura.Broker]:
    listen = ["mqtt://127.0.0.1:0", "mqtt+ws://127.0.0.1:0"]
    with menura.Broker(data=str(tmp_path_factory.mktemp("data")), listen=listen) as broker:
        yield broker


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("scheme", ["mqtt", "mqtt+ws"])
def test_every_scenario_ends_as_expected(broker: menura.Broker, name: str, scheme: str, version: str) -> None:
    (listener,) = [each for each in broker.listeners if each.address.scheme == scheme]
    environment = {
        "NODE_PATH": str(node_modules()),
        "MQTT_URL": listener.websocket_url or listener.url,
        "VERSION": str(VERSIONS[version]),
        "NAME": name,
    }
    with Program("node", "node/mqtt_conversation.js", env=environment) as running:
        assert json.loads(running.finish(seconds=90)[-1]) == IN_FULL | BY_VERSION[version]
