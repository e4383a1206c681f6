"""Two brokers to compare: Menura, and a mosquitto of our own on a socket in a folder of ours."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import menura

Dial = Callable[[], socket.socket]
TIMEOUT_SECONDS = 20.0
_SETTINGS = """\
listener 0 {path}
allow_anonymous true
persistence false
set_tcp_nodelay true
max_queued_messages 0
max_inflight_messages 0
allow_duplicate_messages true
sys_interval 0
log_dest file {log}
"""


def mosquitto_program() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def mosquitto(folder: Path) -> Iterator[Dial]:
    """Copies of a message for overlapping subscriptions are sent one by one, and put together by the comparison."""
    program = mosquitto_program()
    assert program is not None
    path, settings = folder / "socket", folder / "mosquitto.conf"
    user = "user root\n" if os.geteuid() == 0 else ""
    settings.write_text(_SETTINGS.format(path=path, log=folder / "log") + user)
    process = subprocess.Popen([program, "-c", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def dial() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT_SECONDS)
        try:
            connection.connect(str(path))
        except BaseException:
            connection.close()
            raise
        return connection

    try:
        _await(dial, process)
        yield dial
    finally:
        process.terminate()
        process.wait()


def _await(dial: Dial, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            dial().close()
            return
        except OSError:
            assert process.poll() is None, "mosquitto has ended"
            assert time.monotonic() < end, "mosquitto does not listen"
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.01)


@contextmanager
def ours() -> Iterator[Dial]:
    with menura.Broker(listen=["mqtt://127.0.0.1:0"]) as broker:
        port = broker.listeners[0].port
        yield lambda: socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
