"""What is unwise is said loudly, on the first screen and in the log; what floods the log is summed up."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Start
from tests.clients.certificates import Authorities
from tests.net.peer import Peer

NEAR, FAR = "amqp://127.0.0.1:0", "amqp://0.0.0.0:0"
REACHED = "can be reached from other machines"


def said(start: Start, *listen: str, **environment: str) -> tuple[str, str]:
    """The first screen, and the log."""
    urls = [word for url in listen for word in ("--listen", url)]
    process = start(*urls, "--data", ":memory:", environment=environment)
    screen = "\n".join(process.screen())
    process.process.terminate()
    return screen, process.end()[2]


def test_on_this_machine_only_there_is_nothing_to_say(start: Start) -> None:
    screen, log = said(start, NEAR, "amqp://localhost:0")
    assert "  ! " not in screen
    assert REACHED not in log


def test_a_listener_that_others_reach_is_named_on_the_screen_and_in_the_log(start: Start) -> None:
    screen, log = said(start, NEAR, FAR)
    (line,) = [line for line in screen.splitlines() if "  ! " in line]
    assert REACHED in line
    assert "amqp://0.0.0.0:" in line
    assert "passwords travel there in plain" in line
    assert "guest can log in from this one only" in line
    assert f"WARNING listeners: {line.removeprefix('  ! ')}" in log


def test_under_tls_passwords_do_not_travel_in_plain(start: Start, tmp_path: Path) -> None:
    screen, _ = said(start, f"amqps://0.0.0.0:0?{Authorities().query(tmp_path)}")
    assert REACHED in screen
    assert "in plain" not in screen


def test_a_guest_that_everybody_may_be_is_the_loudest(start: Start) -> None:
    screen, log = said(start, FAR, MENURA_LOOPBACK_USERS="[]")
    for text in (screen, log):
        assert "anybody who reaches it can log in as guest with the password guest" in text
    assert "guest, password guest, from anywhere" in screen
    screen, _ = said(start, FAR, MENURA_LOOPBACK_USERS="[]", MENURA_DEFAULT_PASSWORD="another")
    assert "anybody" not in screen


def test_a_flood_of_strangers_takes_a_few_lines_that_say_how_many_there_were(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "log"
    options = ("--listen", NEAR, "--data", ":memory:", "--log-format", "json", "--log-file", str(path))
    process = start(*options, environment={"MENURA_LOG_REPEATS_MAX": "1"})
    port = process.port()
    for _ in range(300):
        with Peer(port) as peer:
            peer.send(b"GET / HTTP/1.1\r\n\r\n")
            assert peer.ended()
    process.process.terminate()
    assert process.end()[0] == 0
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    refused = [line for line in lines if line["event"] == "connection.refused"]
    summed = sum(line.get("left_out", 0) for line in refused)
    alone = len([line for line in refused if "left_out" not in line])
    assert (alone + summed, summed > 0) == (300, True)
