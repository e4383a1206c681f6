"""`menura ctl top`, where a terminal is and where none is."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time

from tests.cli.ctl.conftest import DEADLINE_SECONDS, Ctl, channel, eventually, http_url

import menura


def test_without_a_terminal_it_is_printed_once(broker: menura.Broker, ctl: Ctl) -> None:
    with channel(broker, "busy") as ch:
        ch.queue_declare("grows [bold]")
        ch.basic_publish("", "grows [bold]", b"1")
        eventually(lambda: ctl("list_queues", "-s").lines == ["grows [bold]\t1"])
        eventually(lambda: ctl("list_connections", "-s").lines)
        said = ctl("top")
    assert (said.status, said.err) == (0, "")
    assert "Queues" in [line.strip() for line in said.lines]
    (queue,) = [line for line in said.lines if "grows" in line]
    assert queue.split()[:4] == ["/", "grows", "[bold]", "1"]
    (connection,) = [line for line in said.lines if "AMQP" in line]
    assert "guest" in connection


def test_in_a_terminal_it_goes_on_until_q(broker: menura.Broker) -> None:
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "menura",
        "ctl",
        "top",
        "--every",
        "0.2",
        f"--url={http_url(broker)}",
    ]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=environment) as process:
        os.close(theirs)
        shown = b""
        until = time.monotonic() + DEADLINE_SECONDS
        while shown.count(b"Connections") < 3:  # it has been drawn anew
            assert time.monotonic() < until
            shown += os.read(ours, 65536)
        os.write(ours, b"q")
        rest = _rest(ours)
        assert process.wait(DEADLINE_SECONDS) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
    os.close(ours)
    assert b"\x1b[?1049h" in shown, "it has a screen of its own"
    assert b"\x1b[?1049l" in shown + rest, "and gives it back"


def _rest(descriptor: int) -> bytes:
    """All that is written until the other end is closed."""
    found = b""
    while True:
        try:
            data = os.read(descriptor, 65536)
        except OSError:
            return found
        if not data:
            return found
        found += data
