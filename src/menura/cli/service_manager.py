"""What systemd, or whoever else supervises the process, is told: that it is ready, reloads, stops, and lives.

The messages go to the datagram socket that `NOTIFY_SOCKET` names (sd_notify, in a few lines). Without one nothing
happens. A supervisor that watches (`WATCHDOG_USEC`) is told at half its interval, from the event loop: a loop that
hangs is silent.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

_MICRO = 1_000_000


class ServiceManager:
    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        # An abstract name is written with an @ in front.
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self.watch_seconds = self._watch_seconds(environment)
        """How often `alive` is to be called; 0 for never."""

    def _watch_seconds(self, environment: Mapping[str, str]) -> float:
        interval, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        if not self._address or not interval.isdigit() or pid not in ("", str(os.getpid())):
            return 0.0
        return int(interval) / _MICRO / 2

    def ready(self, status: str) -> None:
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """To be followed by `ready`."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._tell("STOPPING=1", "STATUS=stopping")

    def alive(self) -> None:
        self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                # A supervisor that does not read must not stop the broker.
                sock.setblocking(False)
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return
