"""What a `rabbitmq.conf` means here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from menura import Config
from menura.config import memory_bytes
from menura.configuration.layers import Effective, gather
from menura.configuration.problems import ConfigurationError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rabbitmq.conf"


def read(path: Path, text: str) -> Effective:
    path.write_text(text, encoding="utf-8")
    return gather(str(path), environment={})


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("default_user = shop", "default_user", "shop"),
        ("default_pass = 's#cret'", "default_password", "s#cret"),
        ("default_pass = s#cret  # not a comment, a comment", "default_password", "s#cret"),
        ("default_vhost = /orders", "default_vhost", "/orders"),
        ("default_permissions.write = ^a", "default_permissions", (".*", "^a", ".*")),
        ("loopback_users.guest = false", "loopback_users", ()),
        ("loopback_users.guest = true\nloopback_users.admin = true", "loopback_users", ("guest", "admin")),
        ("loopback_users = none", "loopback_users", ()),
        ("loopback_users.1 = admin", "loopback_users", ("admin",)),
        ("vm_memory_high_watermark.absolute = 2GB", "memory.max", 2 * 10**9),
        ("vm_memory_high_watermark.absolute = 1073741824", "memory.max", 1 << 30),
        ("vm_memory_high_watermark.relative = 0.5", "memory.max", memory_bytes() // 2),
        ("disk_free_limit.absolute = 50MB", "disk.free_min", 50 * 10**6),
        ("disk_free_limit.relative = 1.0", "disk.free_min", memory_bytes()),
        ("heartbeat = 30", "amqp.heartbeat", 30),
        ("mqtt.allow_anonymous = false", "mqtt.anonymous_user", ""),
        ("mqtt.allow_anonymous = true", "mqtt.anonymous_user", "guest"),
        ("mqtt.default_user = sensor", "mqtt.anonymous_user", "sensor"),
        ("anonymous_login_user = none", "login.anonymous", False),
        ("anonymous_login_user = guest", "login.anonymous", True),
        ("frame_max=262144", "amqp.frame_max", 262144),
        ("channel_max = 0", "amqp.channels_max", 65535),
        ("max_message_size = 16777216", "message_max", 16 << 20),
        ("consumer_timeout = 1800000", "amqp.consumer_timeout", 1800.0),
        ("consumer_timeout = 1500", "amqp.consumer_timeout", 1.5),
        ("consumer_timeout = undefined", "amqp.consumer_timeout", 0.0),
        ("log.console.level = warning", "log.level", "warning"),
        ("log.file.level = critical", "log.level", "error"),
        ("log.console.formatter = json", "log.format", "json"),
        ("log.dir = /var/log/menura\nlog.file = broker.log", "log.file", "/var/log/menura/broker.log"),
        ("log.file = false", "log.file", ""),
        ("load_definitions = /etc/d.json", "load_definitions", "/etc/d.json"),
        ("definitions.local.path = /etc/d.json", "load_definitions", "/etc/d.json"),
        ("ssl_options.certfile = /c.pem", "tls.cert", "/c.pem"),
        ("ssl_options.keyfile = /k.pem", "tls.key", "/k.pem"),
        ("ssl_options.cacertfile = /a.pem\nssl_options.verify = verify_peer", "tls.ca", "/a.pem"),
        ("ssl_options.cacertfile = /a.pem\nssl_options.verify = verify_none", "tls.ca", ""),
        ("ssl_options.cacertfile = /a.pem", "tls.ca", ""),
        ("ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true", "tls.verify", "required"),
        ("ssl_options.versions.1 = tlsv1.3\nssl_options.versions.2 = tlsv1.2", "tls.min", "1.2"),
        ("ssl_options.versions.1 = tlsv1.3", "tls.min", "1.3"),
        (
            "management.cors.allow_origins.1 = https://a\nmanagement.cors.allow_origins.2 = *",
            "http.origins",
            ("https://a", "*"),
        ),
    ],
)
def test_a_key_means_the_same_as_one_of_ours(path: Path, line: str, key: str, value: Any) -> None:
    effective = read(path, line)
    assert effective[key] == value
    assert effective.remarks == []


@pytest.mark.parametrize(
    ("lines", "urls"),
    [
        ("listeners.tcp.default = 5673", ["amqp://0.0.0.0:5673"]),
        ("listeners.tcp.1 = 127.0.0.1:5672\nlisteners.tcp.2 = ::1:5672", ["amqp://127.0.0.1:5672", "amqp://[::1]:5672"]),
        ("listeners.tcp = none\nlisteners.ssl.default = 5671", ["amqps://0.0.0.0:5671"]),
        ("mqtt.listeners.tcp.default = 1883", ["mqtt://0.0.0.0:1883"]),
        ("mqtt.listeners.ssl.default = 8883", ["mqtts://0.0.0.0:8883"]),
        ("stomp.listeners.tcp.1 = 127.0.0.1:61613", ["stomp://127.0.0.1:61613"]),
        ("management.tcp.port = 15672\nmanagement.tcp.ip = 127.0.0.1", ["http://127.0.0.1:15672"]),
        ("management.ssl.port = 15671\nmanagement.ssl.certfile = /c\nmanagement.ssl.keyfile = /k",
         ["https://0.0.0.0:15671?cert=/c&key=/k"]),
        ("web_stomp.tcp.port = 15674", ["stomp+ws://0.0.0.0:15674"]),
        ("stomp.listeners.tcp = none", []),
    ],
)  # fmt: skip
def test_listeners_that_are_named_replace_those_of_their_protocol(path: Path, lines: str, urls: list[str]) -> None:
    named = {line.partition("://")[0] for line in urls} | (
        {"stomp"} if lines == "stomp.listeners.tcp = none" else set()
    )
    named |= {"amqp"} if "listeners.tcp = none\nlisteners.ssl" in lines else set()
    listen = read(path, lines)["listen"]
    assert sorted(listen) == sorted([*urls, *(url for url in Config().listen if url.partition(":")[0] not in named)])


def test_what_is_ignored_is_told_with_its_line_and_the_reason(path: Path) -> None:
    effective = read(path, "# a comment\n\ncluster_name = c\nhandshake_timeout = 5\nmade.up = 1\nnonsense\n")
    assert [str(remark).removeprefix(f"{path}:") for remark in effective.remarks] == [
        "3: cluster_name: ignored: there is one node",
        "4: handshake_timeout: ignored: it is 10 s",
        "5: made.up: ignored: Menura knows no such key",
        "6: nonsense: ignored: not of the form key = value",
    ]


def test_a_wrong_value_is_refused_with_its_line(path: Path) -> None:
    path.write_text("heartbeat = 30\nvm_memory_high_watermark.relative = much\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"rabbitmq\.conf:2: memory\.max: must be a size"):
        gather(str(path), environment={})
