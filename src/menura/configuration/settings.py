"""Every setting there is, in one table: its name, kind, default and meaning.

Everything else reads this table: files, environment, `menura config`, the documents' test. A setting whose `field` is
empty is none of the broker's but of `menura serve`, which writes the log.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from menura.config import Config
from menura.configuration.kinds import (
    BOOLEAN,
    EXPRESSIONS,
    MEMORY,
    SECONDS,
    SECONDS_OR_NONE,
    SIZE,
    TEXT,
    WORDS,
    Kind,
    choice,
    whole,
)

_DEFAULTS = {field.name: field.default for field in fields(Config)}


@dataclass(frozen=True, slots=True)
class Setting:
    """`live`: a reload changes it; others take a restart. `secret`: it is never shown."""

    key: str
    kind: Kind
    meaning: str
    field: str = ""
    default: Any = None
    live: bool = False
    secret: bool = False

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return "MENURA_" + self.key.replace(".", "_").upper()


def _of(key: str, kind: Kind, field: str, meaning: str, *, live: bool = False, secret: bool = False) -> Setting:
    return Setting(key, kind, meaning, field, _DEFAULTS[field], live, secret)


_ALL = (
    _of("listen", WORDS, "listen", "listen URLs"),
    Setting("data", TEXT, "the data directory; `:memory:` keeps nothing", "data", "./menura-data"),
    _of("sync", BOOLEAN, "sync", "wait for the disk before anything is confirmed"),
    _of("load_definitions", TEXT, "load_definitions", "a file of definitions to load at every start"),
    _of("product", TEXT, "product", "what the broker calls itself; clients choose behaviour by it", live=True),
    _of("product_version", TEXT, "product_version", "the version that goes with it", live=True),
    _of("memory.max", MEMORY, "memory_bytes_max", "held messages above which publishers are blocked", live=True),
    _of("disk.free_min", SIZE, "disk_free_bytes_min", "free space below which publishers are blocked", live=True),
    _of("message_max", SIZE, "message_bytes_max", "the longest body of a message", live=True),
    _of("amqp.frame_max", whole(4096, 2**31 - 1), "frame_bytes_max", "the longest frame, as offered", live=True),
    _of("amqp.channels_max", whole(1, 65535), "channels_max", "channels of a connection, as offered", live=True),
    _of("amqp.heartbeat", whole(0, 65535), "heartbeat_seconds", "seconds, as offered; 0 for none", live=True),
    _of("amqp.consumer_timeout", SECONDS_OR_NONE, "consumer_timeout_seconds",
        "seconds until a delivery is acked; 0: no limit", live=True),
    _of("default_user", TEXT, "default_user", "the user that a new data directory begins with"),
    _of("default_password", TEXT, "default_password", "the password of that user", secret=True),
    Setting("default_password_file", TEXT, "a file with that password in its first line, instead", "", ""),
    _of("default_vhost", TEXT, "default_vhost", "the virtual host that a new data directory begins with"),
    _of("default_permissions", EXPRESSIONS, "default_permissions", "what it may configure, write and read"),
    _of("loopback_users", WORDS, "loopback_users", "users who may log in from this machine only", live=True),
    _of("login.failures_max", whole(0, 10**6), "login_failures_max",
        "failed logins before an address has to wait; 0: no limit", live=True),
    _of("login.window", SECONDS, "login_window_seconds", "how long it takes until they are forgotten", live=True),
    _of("login.anonymous", BOOLEAN, "allow_anonymous", "offer ANONYMOUS, which logs in as guest", live=True),
    _of("mqtt.anonymous_user", TEXT, "mqtt_anonymous_user",
        "who MQTT clients without a name are, if near", live=True),
    _of("tls.cert", TEXT, "tls_cert", "certificate chain of listeners that name none, a PEM file", live=True),
    _of("tls.key", TEXT, "tls_key", "its private key, unless the same file has it", live=True),
    _of("tls.ca", TEXT, "tls_ca", "authorities that sign client certificates; empty: none is asked for", live=True),
    _of("tls.verify", choice("optional", "required"), "tls_verify", "whether a client must show one", live=True),
    _of("tls.min", choice("1.2", "1.3"), "tls_min", "the lowest version of TLS", live=True),
    _of("http.origins", WORDS, "origins", "web pages of elsewhere that may use the broker"),
    _of("statistics", BOOLEAN, "statistics", "keep histories and rates of queues, connections and so on"),
    Setting("busy_poll_us", whole(0, 10_000), "microseconds to stay awake after work, for quicker answers; 0: none",
            "busy_poll_us", 200),
    Setting("log.level", choice("debug", "info", "warning", "error"), "what is logged, and what is worse",
            "", "info", live=True),
    Setting("log.format", choice("text", "json"), "lines for people, or one JSON object on each line",
            "", "text", live=True),
    Setting("log.file", TEXT, "a file to log to instead of standard error; opened anew by a reload", "", "", live=True),
    Setting("log.repeats_max", whole(0, 10**6), "lines a second of one kind before the rest is summed up; 0: no limit",
            "", 20, live=True),
)  # fmt: skip
SETTINGS = {setting.key: setting for setting in _ALL}
VARIABLES = {setting.variable: setting for setting in _ALL}
