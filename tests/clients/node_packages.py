"""Packages of npm that tests use, installed once into .cache/node.

`NODE_PATH` lets a script `require` them by name, wherever it lies.
"""

from __future__ import annotations

import fcntl
import functools
import subprocess
from pathlib import Path

from tests.clients.needs import needs

PACKAGES = ("@stomp/stompjs@7.5.0", "amqplib@2.3.1", "axe-core@4.14.1", "mqtt@5.16.0")
# MQTT.js brings it; Node itself has no WebSocket before version 22.
WEBSOCKET = "ws@8.23.0"
CACHE = Path(__file__).parents[2] / ".cache" / "node"
INSTALL_SECONDS_MAX = 150
"""A test that wants packages allows itself a little more."""


@functools.cache
def node_modules() -> Path:
    """The folder of the packages."""
    npm, _ = needs("npm"), needs("node")
    # With the cache filled, npm finds nothing to do and asks no registry.
    arguments = ["install", "--prefix", str(CACHE), "--prefer-offline", "--no-audit", "--no-fund"]
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [npm, *arguments, *PACKAGES, WEBSOCKET]
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # others test beside us
        done = subprocess.run(command, timeout=INSTALL_SECONDS_MAX, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return CACHE / "node_modules"
