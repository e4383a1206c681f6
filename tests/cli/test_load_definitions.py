"""Definitions that are loaded at the start, as RabbitMQ exports them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Start
from tests.net.peer import Peer
from tests.protocols.amqp.memory import Queue, handshake

from menura.core.passwords import hash_password

LOCAL = ("--listen", "amqp://127.0.0.1:0")
DEFINITIONS: dict[str, Any] = {
    "rabbit_version": "3.13.7",
    "users": [
        {
            "name": "shop",
            "password_hash": hash_password("s3cret", b"salt"),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": ["administrator"],
        }
    ],
    "vhosts": [{"name": "/"}],
    "permissions": [{"user": "shop", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
    "queues": [{"name": "orders", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}}],
    "exchanges": [],
    "bindings": [],
    "policies": [],
    "parameters": [],
}


def wrote(folder: Path, **changes: Any) -> str:
    path = folder / "definitions.json"
    path.write_text(json.dumps({**DEFINITIONS, **changes}), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("data", ["data", ":memory:"])
def test_what_is_defined_is_there_and_no_guest_beside_it(start: Start, tmp_path: Path, data: str) -> None:
    path = wrote(tmp_path)
    process = start(*LOCAL, "--data", data, "--load-definitions", path, folder=tmp_path)
    port = process.port()
    with Peer(port) as peer:
        peer.connect(response="\0shop\0s3cret")
        assert peer.call(Queue.Declare(0, "orders", passive=True)).queue == "orders"
    with Peer(port) as peer:
        peer.send(handshake())
        assert peer.expect("Connection.Close").reply_code == 403
    process.process.terminate()
    assert f"definitions: loaded from {path}:" in process.end()[2]


def test_they_can_be_loaded_at_every_start(start: Start, tmp_path: Path) -> None:
    for _ in range(2):
        arguments = (*LOCAL, "--data", "data", "--load-definitions", wrote(tmp_path))
        process = start(*arguments, folder=tmp_path)
        with Peer(process.port()) as peer:
            peer.connect(response="\0shop\0s3cret")
        process.process.terminate()
        assert process.end()[0] == 0


def test_definitions_without_users_leave_the_first_user_as_it_is(start: Start, tmp_path: Path) -> None:
    path = wrote(tmp_path, users=[], permissions=[])
    with Peer(start(*LOCAL, "--data", "data", "--load-definitions", path, folder=tmp_path).port()) as peer:
        peer.connect().call(Queue.Declare(0, "orders", passive=True))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"queues": [{"name": 5, "vhost": "/"}]}, "cannot load the definitions in "),
        (None, "cannot read the definitions in "),
    ],
)
def test_a_file_that_cannot_be_loaded_is_no_start_and_leaves_nothing_behind(
    start: Start, tmp_path: Path, changes: dict[str, Any] | None, complaint: str
) -> None:
    path = str(tmp_path / "none.json") if changes is None else wrote(tmp_path, **changes)
    status, _, err = start(*LOCAL, "--data", "data", "--load-definitions", path, folder=tmp_path).end()
    assert status == 1
    assert err.splitlines()[-1].startswith(f"menura: {complaint}{path}")
    with Peer(start(*LOCAL, "--data", "data", folder=tmp_path).port()) as peer:
        peer.connect()
