"""Setting a running node over HTTP: who may, and what is refused. What it does is in tests/cli/ctl/test_nodes.py."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from tests.management.http_client import Client

import menura
from menura.management.api.node_control import routes

NODE = "/menura/node"
ROUTES = [(route.method, route.path.removeprefix("/api")) for route in routes.all]


@pytest.fixture(autouse=True)
def _as_it_was(api_broker: menura.Broker) -> Iterator[None]:
    """The broker and the log are the file's."""
    level = logging.getLogger("menura").level
    yield
    logging.getLogger("menura").setLevel(level)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_only_administrators_may(api: Client, api_broker: menura.Broker, method: str, path: str) -> None:
    api_broker.add_user("watcher", "pw", ("monitoring",))
    answer = api.as_user("watcher", "pw").ask(method, path, {} if method == "POST" else None)
    assert (answer.status, answer.json["error"]) == (401, "not_authorised")
    assert api_broker.pause.running


def test_the_state_of_a_node(api: Client, api_broker: menura.Broker) -> None:
    state = api.get(NODE).json
    assert (state["state"], state["listening"], state["alarms"], state["data_directory"]) == ("running", True, [], None)
    assert [listener["protocol"] for listener in state["listeners"]] == ["amqp", "http"]
    assert state["memory_watermark_bytes"] == api_broker.node.memory.watermark_bytes


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("memory-watermark", {}),
        ("memory-watermark", {"bytes": -1}),
        ("memory-watermark", {"bytes": True}),
        ("memory-watermark", {"bytes": 1.5}),
        ("memory-watermark", {"bytes": 1, "relative": 0.5}),
        ("memory-watermark", {"relative": "half"}),
        ("memory-watermark", {"relative": -1}),
        ("disk-free-limit", {"relative": 1e9}),
        ("disk-free-limit", {"bytes": "1"}),
        ("alarm", {"resource": "nonsense", "short": True}),
        ("alarm", {"resource": "memory", "short": 3}),
        ("channels-max", {}),
        ("channels-max", {"value": 65536}),
        ("channels-max", {"value": "1"}),
        ("loopback-users", {}),
        ("loopback-users", {"users": "guest"}),
        ("log-level", {"level": "loud"}),
        ("log-level", {}),
        ("reset", {}),
    ],
    ids=repr,
)
def test_what_makes_no_sense_changes_nothing(api: Client, api_broker: menura.Broker, path: str, body: Any) -> None:
    before = api.get(NODE).json
    answer = api.post(f"{NODE}/{path}", body)
    assert (answer.status, answer.json["error"]) == (400, "bad_request")
    after = api.get(NODE).json
    for name in ("memory_watermark_bytes", "alarms", "channels_max", "log_level", "state"):
        assert after[name] == before[name]


def test_the_level_of_the_log_is_set(api: Client) -> None:
    assert api.post(f"{NODE}/log-level", {"level": "error"}).status == 204
    assert api.get(NODE).json["log_level"] == "error"
    assert not logging.getLogger("menura").isEnabledFor(logging.WARNING)
    api.post(f"{NODE}/log-level", {"level": "none"})
    assert not logging.getLogger("menura").isEnabledFor(logging.CRITICAL)


@pytest.mark.parametrize(("password", "status"), [("guest", 200), ("wrong", 400), ("", 400)])
def test_a_password_is_checked(api: Client, password: str, status: int) -> None:
    answer = api.post("/menura/authenticate", {"username": "guest", "password": password})
    assert answer.status == status
    assert password == "" or password not in str(answer.json.get("reason", ""))
