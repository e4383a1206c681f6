"""SIGHUP: what can change does, what cannot is said, and what is wrong changes nothing."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import pytest
from tests.cli.conftest import Start
from tests.cli.process import COMMAND, Process
from tests.net.peer import Peer, eventually
from tests.net.test_certificates import Files, shown
from tests.protocols.amqp.memory import HEADER, Connection, Queue, method, publish, start_ok, tune_ok

HEAD = 'listen = ["amqp://127.0.0.1:0"]\ndata = ":memory:"\n'


class Served:
    """A broker with a file of settings and a log, both of which can be looked at and changed."""

    def __init__(self, start: Start, folder: Path, text: str = "") -> None:
        self.folder = folder
        self.log = folder / "broker.log"
        self.write(text)
        self.process: Process = start(folder=folder)
        self.port = self.process.port()

    def write(self, text: str) -> None:
        log = "" if "log.file" in text else f'log.file = "{self.log}"\n'
        (self.folder / "menura.toml").write_text(HEAD + log + text, encoding="utf-8")

    def reload(self, text: str) -> str:
        """What the log says of it."""
        self.write(text)
        before = self._reloads()
        begin = len(self.log.read_text(encoding="utf-8"))
        self.process.process.send_signal(signal.SIGHUP)
        eventually(lambda: self._reloads() > before, "reloaded")
        return self.log.read_text(encoding="utf-8")[begin:]

    def _reloads(self) -> int:
        return len(re.findall("settings: (?:not )?reloaded", self.log.read_text(encoding="utf-8")))

    def heartbeat(self) -> int:
        """What a new connection is offered."""
        with Peer(self.port) as peer:
            peer.send(HEADER + start_ok())
            seconds = int(peer.expect("Connection.Tune").heartbeat)
            peer.send(tune_ok() + method(Connection.Open("/"), 0))
            peer.expect("Connection.OpenOk")
            return seconds


@pytest.fixture
def served(start: Start, tmp_path: Path) -> Served:
    return Served(start, tmp_path)


def test_what_can_change_changes_for_new_connections_and_old_ones_stay(served: Served) -> None:
    with Peer(served.port) as peer:
        peer.connect()
        assert served.heartbeat() == 60
        said = served.reload("amqp.heartbeat = 7\nmemory.max = '64MiB'\n")
        assert "settings: reloaded; changed: memory.max = '64MiB', amqp.heartbeat = 7" in said
        assert served.heartbeat() == 7
        peer.call(Queue.Declare(0, "q"))


def test_what_takes_a_restart_is_said(served: Served) -> None:
    said = served.reload("product_version = '9.9'\ndefault_vhost = 'v'\n")
    assert "settings: reloaded; changed: product_version = '9.9'\n" in said
    assert "WARNING settings: changes of default_vhost take a restart" in said


def test_settings_that_are_wrong_change_nothing(served: Served) -> None:
    said = served.reload("amqp.heartbeat = 7\nlog.level = 'loud'\n")
    assert "ERROR   settings: menura.toml:5: log.level: must be debug, info, warning or error, not 'loud'" in said
    assert "settings: not reloaded; everything stays as it was" in said
    assert served.heartbeat() == 60


def test_the_log_changes_its_form(served: Served) -> None:
    (line,) = served.reload("log.format = 'json'\n").splitlines()
    assert json.loads(line)["event"] == "settings"
    begin = len(served.log.read_text(encoding="utf-8"))
    with Peer(served.port) as peer:
        peer.send(b"GET / HTTP/1.1\r\n\r\n")
        assert peer.ended()
    eventually(lambda: len(served.log.read_text(encoding="utf-8")) > begin, "a line")
    (line,) = served.log.read_text(encoding="utf-8")[begin:].splitlines()
    found = json.loads(line)
    assert (found["level"], found["event"], found["protocol"]) == ("warning", "connection.refused", "amqp")
    assert found["connection"].startswith("127.0.0.1:")
    assert found["message"].startswith("closed: not the protocol's header")


def test_the_log_goes_on_in_a_new_file_when_the_old_one_was_moved_away(served: Served) -> None:
    moved = served.log.rename(served.folder / "broker.log.1")
    served.log.touch()
    served.reload("amqp.heartbeat = 9\n")
    size = moved.stat().st_size
    assert served.heartbeat() == 9
    eventually(lambda: "opened" in served.log.read_text(encoding="utf-8"), "logged to the new file")
    assert moved.stat().st_size == size


def test_guest_may_be_let_in_from_anywhere_by_a_reload(served: Served) -> None:
    said = served.reload("loopback_users = []\n")
    assert "loopback_users = []" in said


def test_a_limit_of_memory_blocks_and_frees_publishers_at_once(served: Served) -> None:
    with Peer(served.port) as peer:
        peer.connect(capabilities={"connection.blocked": True})
        peer.call(Queue.Declare(0, "q"))
        peer.send(publish("q", b"x" * 65536) * 32)
        assert peer.call(Queue.Declare(0, "q", passive=True)).message_count == 32
        served.reload("memory.max = '1MiB'\n")
        peer.send(publish("q", b"x"))
        peer.expect("Connection.Blocked")
        served.reload("memory.max = '1GiB'\n")
        peer.expect("Connection.Unblocked")


def test_without_a_signal_nothing_is_read_again(served: Served) -> None:
    served.write("amqp.heartbeat = 7\n")
    assert served.heartbeat() == 60


def test_a_reload_does_not_end_connections_that_are_shaking_hands(served: Served) -> None:
    with Peer(served.port) as peer:
        peer.send(HEADER)
        peer.expect("Connection.Start")
        served.reload("amqp.heartbeat = 7\n")
        peer.send(start_ok() + tune_ok() + method(Connection.Open("/"), 0))
        peer.expect("Connection.OpenOk")


def test_certificates_are_loaded_at_once(start: Start, tmp_path: Path) -> None:
    files = Files(tmp_path)
    log = tmp_path / "log"
    process = start("--listen", files.url(), "--data", ":memory:", "--log-file", str(log))
    port, client = process.port(), files.client()
    assert shown(port, client) == "first"
    files.renew("second")
    process.process.send_signal(signal.SIGHUP)
    eventually(lambda: "settings: reloaded" in log.read_text(encoding="utf-8"), "reloaded")
    assert shown(port, client) == "second"


def test_a_terminal_that_is_closed_ends_the_broker_instead(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    command = [*COMMAND, "--listen", "amqp://127.0.0.1:0", "--data", ":memory:"]
    process = subprocess.Popen(command, stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path)
    try:
        os.close(slave)
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if line == b"ready\n":
                break
        process.send_signal(signal.SIGHUP)
        for line in process.stderr:
            if b"settings: reloaded" in line:
                break
        os.close(master)
        process.send_signal(signal.SIGHUP)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()
