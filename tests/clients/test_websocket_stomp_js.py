"""@stomp/stompjs over a WebSocket: node/stomp_conversation.js runs its scenarios and prints what came of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.clients.node_packages import INSTALL_SECONDS_MAX, node_modules
from tests.clients.program import Program

import menura

# The first test installs the packages.
pytestmark = pytest.mark.timeout(INSTALL_SECONDS_MAX + 60)
EXPECTED = {
    "inOrder": True,
    "textAndHeaders": {"body": "Lyrebird äöü 😀\n\nlines", "type": "text/plain", "same": True},
    "binary": True,
    "receipts": "RECEIPT",
    "acknowledgements": {"bodies": ["one", "one", "two"], "redelivered": ["false", "true", "false"]},
    "transactions": ["both", "or none"],
    "error": "Unknown destination",
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[menura.Broker]:
    data = str(tmp_path_factory.mktemp("data"))
    with menura.Broker(data=data, listen=["stomp+ws://127.0.0.1:0"]) as broker:
        yield broker


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_every_scenario_ends_as_expected(broker: menura.Broker, name: str, version: str) -> None:
    environment = {
        "NODE_PATH": str(node_modules()),
        "STOMP_URL": broker.url("stomp+ws"),
        "VERSION": version,
        "NAME": name,
    }
    with Program("node", "node/stomp_conversation.js", env=environment) as running:
        results = json.loads(running.finish(seconds=90)[-1])
    assert (results.pop("version"), results.pop("subprotocol")) == (version, f"v{version.replace('.', '')}.stomp")
    assert results == EXPECTED
