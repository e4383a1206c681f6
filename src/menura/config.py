"""Settings of a broker: one frozen record, handed down from the start."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

MEMORY_SHARE = 0.4
IN_MEMORY = ":memory:"


@dataclass(frozen=True, slots=True)
class Config:
    """What can be chosen. Units are in the names.

    `listen` are URLs as `net.listener` reads them; a scheme alone is its standard port of 127.0.0.1. `memory_bytes_max`
    is the watermark above which publishers are blocked, measured over queued and unacknowledged messages. `data` is the
    data directory; without `sync` nothing waits for the disk, and a crash of the machine may take confirmed messages
    with it. Publishers are blocked as well while the directory's disk has less than `disk_free_bytes_min` left. What an
    AMQP client does not acknowledge within `consumer_timeout_seconds` (0: none) costs it its channel, unless the queue
    has a timeout of its own. MQTT clients of this machine that give no name are `mqtt_anonymous_user`, if any. A data
    directory begins with the user, password, virtual host and permissions (to configure, write, read) of the `default_`
    settings; `loopback_users` may log in on this machine only. After `login_failures_max` failed logins of an address
    as one user, within `login_window_seconds`, further ones have to wait. `load_definitions` is a file of definitions
    to load at every start. The `tls_` settings are those of listeners that bring none of their own. Web pages of
    `origins` may use the broker from a browser. For `busy_poll_us` the loop stays awake after it has done something,
    where there is more than one processor; a broker in another program leaves that program's threads the interpreter,
    and does not.
    """

    listen: tuple[str, ...] = ("amqp://", "mqtt://", "mqtt+ws://", "stomp://", "stomp+ws://", "http://")
    data: str = IN_MEMORY
    sync: bool = True
    disk_free_bytes_min: int = 256 * 1024 * 1024
    memory_bytes_max: int = 0
    frame_bytes_max: int = 131072
    channels_max: int = 2047
    heartbeat_seconds: int = 60
    consumer_timeout_seconds: float = 0.0
    message_bytes_max: int = 128 * 1024 * 1024
    product: str = "RabbitMQ"
    product_version: str = "4.2.0"
    allow_anonymous: bool = False
    mqtt_anonymous_user: str = "guest"
    default_user: str = "guest"
    default_password: str = field(default="guest", repr=False)
    default_vhost: str = "/"
    default_permissions: tuple[str, str, str] = (".*", ".*", ".*")
    loopback_users: tuple[str, ...] = ("guest",)
    login_failures_max: int = 20
    login_window_seconds: float = 60.0
    load_definitions: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    tls_ca: str = ""
    tls_verify: str = "optional"
    tls_min: str = "1.2"
    origins: tuple[str, ...] = ()
    statistics: bool = True
    busy_poll_us: int = 0

    @property
    def common_tls(self) -> dict[str, str]:
        """As in a listen URL, for listeners whose URL has no certificate."""
        said = {"cert": self.tls_cert, "key": self.tls_key, "ca": self.tls_ca}
        return {"min": self.tls_min, "verify": self.tls_verify, **{key: path for key, path in said.items() if path}}

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


def processor_count() -> int:
    """Processors that this process may use, by its affinity and the quota of its control group."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = map(int, file.read().split())
    except (OSError, ValueError):
        return available
    return min(available, quota // period)
