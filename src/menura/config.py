"""Settings of a broker: one frozen record, handed down from the start."""

from __future__ import annotations

import os
from dataclasses import dataclass

MEMORY_SHARE = 0.4
IN_MEMORY = ":memory:"


@dataclass(frozen=True, slots=True)
class Config:
    """What can be chosen. Units are in the names.

    `listen` are URLs as `net.listener` reads them; a scheme alone is its standard port of 127.0.0.1.
    `memory_bytes_max` is the watermark above which publishers are blocked, measured over queued and unacknowledged
    messages. `data` is the data directory; without `sync` nothing waits for the disk, and a crash of the machine may
    take confirmed messages with it. Publishers are blocked as well while the directory's disk has less than
    `disk_free_bytes_min` left.
    """

    listen: tuple[str, ...] = ("amqp://", "mqtt://", "mqtt+ws://", "stomp://", "stomp+ws://")
    data: str = IN_MEMORY
    sync: bool = True
    disk_free_bytes_min: int = 256 * 1024 * 1024
    memory_bytes_max: int = 0
    frame_bytes_max: int = 131072
    channels_max: int = 2047
    heartbeat_seconds: int = 60
    message_bytes_max: int = 128 * 1024 * 1024
    product: str = "RabbitMQ"
    product_version: str = "4.2.0"
    allow_anonymous: bool = False

    @property
    def watermark_bytes(self) -> int:
        return self.memory_bytes_max or int(memory_bytes() * MEMORY_SHARE)


def memory_bytes() -> int:
    """The machine's memory, or the share of it that this process's control group may use."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open("/sys/fs/cgroup/memory.max") as file:
            return min(total, int(file.read()))
    except (OSError, ValueError):
        return total
