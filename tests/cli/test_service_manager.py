"""What a supervisor hears on a real datagram socket, in the words of sd_notify."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Start

from menura.cli.service_manager import ServiceManager

LOCAL = ("--listen", "amqp://127.0.0.1:0", "--data", ":memory:")


class Supervisor:
    def __init__(self, address: str) -> None:
        self.name = address.replace("\0", "@")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(10)
        self.socket.bind(address)

    def next(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def expect(self, key: str) -> dict[str, str]:
        """The next message with this key; those before it are passed over."""
        while key not in (found := self.next()):
            pass
        return found


@pytest.fixture(params=["file", "abstract"])
def supervisor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Supervisor]:
    address = str(tmp_path / "notify") if request.param == "file" else f"\0menura-test-{os.getpid()}"
    found = Supervisor(address)
    yield found
    found.socket.close()


def test_a_broker_says_when_it_is_ready_reloads_and_stops(start: Start, supervisor: Supervisor) -> None:
    process = start(*LOCAL, environment={"NOTIFY_SOCKET": supervisor.name})
    ready = supervisor.next()
    assert ready["READY"] == "1"
    assert ready["STATUS"].startswith("serving amqp://127.0.0.1:")
    process.process.send_signal(signal.SIGHUP)
    assert int(supervisor.expect("RELOADING")["MONOTONIC_USEC"]) > 0
    supervisor.expect("READY")
    process.process.send_signal(signal.SIGTERM)
    supervisor.expect("STOPPING")
    assert process.end()[0] == 0


def test_a_watchdog_is_told_that_the_loop_lives_once_it_serves(start: Start, supervisor: Supervisor) -> None:
    environment = {"NOTIFY_SOCKET": supervisor.name, "WATCHDOG_USEC": "200000"}
    start(*LOCAL, environment=environment)
    supervisor.expect("READY")
    for _ in range(3):
        supervisor.expect("WATCHDOG")


def test_a_watchdog_of_another_process_is_none_of_ours() -> None:
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "200000"}
    assert ServiceManager({**environment, "WATCHDOG_PID": "1"}).watch_seconds == 0
    assert ServiceManager({**environment, "WATCHDOG_PID": str(os.getpid())}).watch_seconds == 0.1
    assert ServiceManager({"WATCHDOG_USEC": "200000"}).watch_seconds == 0


def test_without_a_supervisor_or_with_one_that_has_gone_nothing_happens(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "none")}):
        manager = ServiceManager(environment)
        manager.ready("x")
        manager.stopping()


def test_a_supervisor_that_does_not_listen_does_not_stop_the_broker(supervisor: Supervisor) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": supervisor.name})
    for _ in range(5000):
        manager.alive()
