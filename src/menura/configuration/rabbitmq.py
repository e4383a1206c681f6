"""What a `rabbitmq.conf` says, in settings of ours: lines of `key = value`, comments after a `#`.

`_SIMPLE` has keys that mean the same as one of ours; groups of keys (listeners, users, permissions) are put together
here. For the rest there is a reason why it is ignored, by what the key begins with.

A protocol whose listeners the file names listens there, on all interfaces where only a port is given, as RabbitMQ does;
the others stay where they are without a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from menura.config import Config, memory_bytes

Said = tuple[int, str, Any]
Unused = tuple[int, str, str]
_LINE = re.compile(r"\s*([^\s=#]+)\s*=\s*(?:'([^']*)'|(.*?))\s*(?:(?:^|\s)#.*)?$")
_ANY_ADDRESS = "0.0.0.0"


def _same(raw: str) -> Any:
    return raw


def _level(raw: str) -> str:
    """Levels that we do not have become their neighbours."""
    return {"notice": "info", "critical": "error", "alert": "error", "emergency": "error", "none": "error"}.get(
        raw, raw
    )


def _share(raw: str) -> str:
    return f"{float(raw) * 100:g}%"


def _times_memory(raw: str) -> int:
    return int(float(raw) * memory_bytes())


def _milliseconds(raw: str) -> str:
    return "0" if raw in ("0", "undefined", "infinity") else f"{raw}ms"


_SIMPLE: dict[str, tuple[str, Callable[[str], Any]]] = {
    "ssl_options.certfile": ("tls.cert", _same),
    "ssl_options.keyfile": ("tls.key", _same),
    "ssl_options.cacertfile": ("tls.ca", _same),
    "default_user": ("default_user", _same),
    "default_pass": ("default_password", _same),
    "default_vhost": ("default_vhost", _same),
    "vm_memory_high_watermark.absolute": ("memory.max", _same),
    "vm_memory_high_watermark.relative": ("memory.max", _share),
    "disk_free_limit.absolute": ("disk.free_min", _same),
    "disk_free_limit.relative": ("disk.free_min", _times_memory),
    "heartbeat": ("amqp.heartbeat", _same),
    "frame_max": ("amqp.frame_max", _same),
    "channel_max": ("amqp.channels_max", lambda raw: "65535" if raw == "0" else raw),
    "max_message_size": ("message_max", _same),
    "consumer_timeout": ("amqp.consumer_timeout", _milliseconds),
    "log.console.level": ("log.level", _level),
    "log.file.level": ("log.level", _level),
    "log.default.level": ("log.level", _level),
    "log.console.formatter": ("log.format", lambda raw: {"plaintext": "text"}.get(raw, raw)),
    "log.file.formatter": ("log.format", lambda raw: {"plaintext": "text"}.get(raw, raw)),
    "load_definitions": ("load_definitions", _same),
    "definitions.local.path": ("load_definitions", _same),
    "management.load_definitions": ("load_definitions", _same),
    "mqtt.default_user": ("mqtt.anonymous_user", _same),
    "anonymous_login_user": ("login.anonymous", lambda raw: "false" if raw == "none" else "true"),
}
# scheme, by what the keys of its listeners begin with
_LISTENERS = {
    "listeners.tcp": "amqp",
    "listeners.ssl": "amqps",
    "mqtt.listeners.tcp": "mqtt",
    "mqtt.listeners.ssl": "mqtts",
    "stomp.listeners.tcp": "stomp",
    "stomp.listeners.ssl": "stomps",
}
# The same where one port and one address are given apart.
_PLACES = {
    "management.tcp": "http",
    "management.ssl": "https",
    "management.listener": "http",
    "web_mqtt.tcp": "mqtt+ws",
    "web_mqtt.ssl": "mqtt+wss",
    "web_stomp.tcp": "stomp+ws",
    "web_stomp.ssl": "stomp+wss",
}
_PERMISSIONS = ("configure", "write", "read")
_REASONS = (
    ("cluster_", "there is one node"),
    ("cluster_formation.", "there is one node"),
    ("auth_backends", "users are the broker's own"),
    ("auth_mechanisms", "PLAIN, AMQPLAIN and, with a certificate, EXTERNAL are always offered"),
    ("auth_", "users are the broker's own"),
    ("collect_statistics", "figures are taken when they are asked for"),
    ("management.rates_mode", "figures are taken when they are asked for"),
    ("management.", "the management pages have no such setting"),
    ("prometheus.", "/metrics is where the management pages are"),
    ("vm_memory_high_watermark_paging_ratio", "long queues leave memory by themselves"),
    ("vm_memory_calculation_strategy", "the messages held are counted, not the process"),
    ("total_memory_available_override_value", "use vm_memory_high_watermark.absolute"),
    ("tcp_listen_options.", "sockets are set up by the broker"),
    ("ssl_options.versions", "only the lowest version counts: tlsv1.2 or tlsv1.3"),
    ("ssl_options.", "TLS has its defaults there"),
    ("ssl_", "TLS has its defaults there"),
    ("log.", "there is one log: log.console and log.file have its settings"),
    ("queue_", "there is one node"),
    ("classic_queue.", "queues have one form on the disk"),
    ("quorum_queue.", "quorum queues have one member"),
    ("mirroring_", "there is one node"),
    ("distributed", "there is one node"),
    ("net_ticktime", "there is one node"),
    ("handshake_timeout", "it is 10 s"),
    ("mqtt.", "the limits of MQTT are fixed"),
    ("web_mqtt.", "the limits of WebSockets are fixed"),
    ("stomp.", "the limits of STOMP are fixed"),
    ("web_stomp.", "the limits of WebSockets are fixed"),
    ("default_user_tags.", "the first user is an administrator"),
)


def read(text: str) -> tuple[list[Said], list[Unused]]:
    """What is said, in our keys, and what is ignored and why."""
    reader = _Reader()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.match(line)
        if found is None:
            reader.unused.append((number, line.strip().split("=")[0].strip(), "not of the form key = value"))
        else:
            reader.take(number, found[1], found[3] if found[2] is None else found[2])
    return [*reader.said, *reader.together()], reader.unused


class _Reader:
    def __init__(self) -> None:
        self.said: list[Said] = []
        self.unused: list[Unused] = []
        self._line = 0
        # All that makes up one setting: places by scheme, whether there are any, and so on.
        self._places: dict[str, list[str]] = {}
        self._parts: dict[str, dict[str, str]] = {}
        self._loopback: dict[str, bool] | None = None
        self._permissions: dict[str, str] = {}
        self._peers: dict[str, str] = {}
        self._log_folder = ""

    def take(self, line: int, key: str, raw: str) -> None:
        self._line = line
        for part in (self._simple, self._listener, self._place, self._group):
            if part(key, raw):
                return
        reason = next((reason for start, reason in _REASONS if key.startswith(start)), "Menura knows no such key")
        self.unused.append((line, key, reason))

    def _say(self, key: str, raw: Any) -> bool:
        self.said.append((self._line, key, raw))
        return True

    def _simple(self, key: str, raw: str) -> bool:
        known = _SIMPLE.get(key)
        if known is None:
            return False
        try:
            return self._say(known[0], known[1](raw))
        except ValueError:
            return self._say(known[0], raw)  # whoever reads the setting says what is wrong

    def _listener(self, key: str, raw: str) -> bool:
        for start, scheme in _LISTENERS.items():
            if key == start and raw == "none":
                self._places.setdefault(scheme, [])
            elif key.startswith(f"{start}."):
                self._places.setdefault(scheme, []).append(_host_and_port(raw))
            else:
                continue
            return True
        return False

    def _place(self, key: str, raw: str) -> bool:
        start, _, name = key.rpartition(".")
        if start not in _PLACES or name not in ("port", "ip", "certfile", "keyfile", "cacertfile"):
            return False
        self._parts.setdefault(_PLACES[start], {})[name] = raw
        return True

    def _group(self, key: str, raw: str) -> bool:
        start, _, name = key.rpartition(".")
        if key == "loopback_users" and raw == "none":
            self._loopback = {}
        elif start == "loopback_users":
            flag = raw in ("true", "false")
            self._loopback = {**(self._loopback or {}), (name if flag else raw): raw != "false"}
        elif start == "default_permissions" and name in _PERMISSIONS:
            self._permissions[name] = raw
        elif start == "management.cors.allow_origins":
            self._say("http.origins", (*self._said_origins(), raw))
        elif key in ("ssl_options.verify", "ssl_options.fail_if_no_peer_cert"):
            self._peers[name] = raw
        elif start == "ssl_options.versions" and raw in ("tlsv1.2", "tlsv1.3"):
            self._peers["min"] = min(raw[4:], self._peers.get("min", "9"))
        elif key == "mqtt.allow_anonymous" and raw in ("true", "false"):
            if raw == "false":
                self._say("mqtt.anonymous_user", "")
        elif key == "log.dir":
            self._log_folder = f"{raw.rstrip('/')}/"
        elif key == "log.file":
            if raw != "false":
                self._say("log.file", raw)
        elif key in ("log.console", "default_user_tags.administrator") and raw in ("true", "false"):
            pass  # as it is anyway
        else:
            return False
        return True

    def _said_origins(self) -> tuple[str, ...]:
        said = [raw for _, key, raw in self.said if key == "http.origins"]
        return said[-1] if said else ()

    def together(self) -> Iterator[Said]:
        """What takes several keys."""
        for scheme, parts in self._parts.items():
            host, port = parts.get("ip", _ANY_ADDRESS), parts.get("port", "")
            query = "&".join(
                f"{ours}={parts[theirs]}"
                for theirs, ours in (("certfile", "cert"), ("keyfile", "key"), ("cacertfile", "ca"))
                if theirs in parts
            )
            place = f"{_bracketed(host)}:{port}" if port else _bracketed(host)
            self._places.setdefault(scheme, []).append(place + (f"?{query}" if query else ""))
        if self._places:
            rest = [url for url in Config().listen if url.partition(":")[0] not in self._places]
            yield (
                0,
                "listen",
                [*(f"{scheme}://{at}" for scheme, places in self._places.items() for at in places), *rest],
            )
        if self._loopback is not None:
            yield 0, "loopback_users", [name for name, near in self._loopback.items() if near]
        if self._permissions:
            yield 0, "default_permissions", [self._permissions.get(verb, ".*") for verb in _PERMISSIONS]
        if self._peers.get("verify") != "verify_peer" and any(key == "tls.ca" for _, key, _ in self.said):
            yield 0, "tls.ca", ""
        elif self._peers.get("fail_if_no_peer_cert") == "true":
            yield 0, "tls.verify", "required"
        if "min" in self._peers:
            yield 0, "tls.min", self._peers["min"]
        for line, key, raw in self.said:
            if key == "log.file" and self._log_folder and not raw.startswith("/"):
                yield line, key, self._log_folder + raw


def _host_and_port(raw: str) -> str:
    """`5672`, `127.0.0.1:5672` or `::1:5672`, as the end of a URL."""
    host, _, port = raw.rpartition(":")
    return f"{_bracketed(host or _ANY_ADDRESS)}:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
