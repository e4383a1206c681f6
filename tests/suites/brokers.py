"""Starts what a suite talks to: Menura, or RabbitMQ with a private node, and Redis where a suite wants one beside it.

Every broker listens on the standard ports of loopback for AMQP, MQTT and STOMP, where several suites look for it
whatever they are told, and starts empty in a directory of its own, but for what the suite wants set up. RabbitMQ is
Debian's: its scripts are called directly, since the packaged wrapper would change the user and with it the directories.
It also gets its own epmd, Erlang's port mapper, which would otherwise be left behind as a daemon.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import trustme
from tests.suites.definition import Suite

import menura

PORT = 5672
PORTS = {"amqp": PORT, "amqps": 5671, "mqtt": 1883, "stomp": 61613, "stomps": 61614, "stomp+ws": 15674}
TLS = ("amqps", "stomps")
SECONDS_TO_START_MAX = 90
SECONDS_TO_STOP_MAX = 30
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
RABBITMQ_NODE = "suites@localhost"
RABBITMQ_FILES = {"ca": "cacertfile", "cert": "certfile", "key": "keyfile"}
# What its settings call the listeners of each scheme.
RABBITMQ_LISTENERS = {
    "amqp": "listeners.tcp",
    "amqps": "listeners.ssl",
    "mqtt": "mqtt.listeners.tcp",
    "stomp": "stomp.listeners.tcp",
    "stomps": "stomp.listeners.ssl",
}
NAMES = ("rabbitmq", "menura")


def is_installed(broker: str) -> bool:
    return broker == "menura" or RABBITMQ.exists()


@contextlib.contextmanager
def running(broker: str, directory: Path, suite: Suite) -> Iterator[str]:
    """The broker, ready for the suite; yields its product and version."""
    with contextlib.ExitStack() as stack:
        certificates = {use: suite.tree / file for use, file in suite.certificates.items()}
        certificates = certificates or _make_certificates(directory)
        if broker == "rabbitmq":
            stack.enter_context(_process(["epmd", "-port", "4369"], directory, os.environ))
            _await_answer(4369, b"")
            command, environment = [str(RABBITMQ)], _rabbitmq_environment(directory, certificates)
        else:
            command, environment = _menura_command(certificates), dict(os.environ)
            _set_up_menura(suite, directory / "data")
        stack.enter_context(_process(command, directory, environment))
        start = _await_answer(PORT, b"AMQP\x00\x00\x09\x01")
        for scheme in ("mqtt", "stomp", "stomp+ws"):
            _await_answer(PORTS[scheme], b"")
        if broker == "rabbitmq":
            _set_up_rabbitmq(suite, environment)
        # Menura tells clients the version of RabbitMQ that it stands in for.
        yield _identity(start) if broker == "rabbitmq" else f"Menura {menura.__version__}"


@contextlib.contextmanager
def service(name: str, directory: Path) -> Iterator[None]:
    """A further server that a suite needs; so far that is Redis, as a result backend."""
    if name != "redis":
        raise ValueError(f"no such service: {name}")
    command = ["redis-server", "--port", "6379", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with _process(command, directory, os.environ):
        _await_answer(6379, b"PING\r\n")
        yield


def require_free_ports() -> None:
    for port in PORTS.values():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                sys.exit(f"port {port} is taken, and a network namespace of our own is not allowed here")


@contextlib.contextmanager
def _process(command: list[str], directory: Path, environment: os._Environ[str] | dict[str, str]) -> Iterator[None]:
    log = directory / f"{Path(command[0]).name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(SECONDS_TO_STOP_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _menura_command(certificates: dict[str, Path]) -> list[str]:
    files = "?" + "&".join(f"{use}={path}" for use, path in certificates.items())
    urls = [
        f"{scheme}://{address}:{port}{files if scheme in TLS else ''}"
        for address in _addresses()
        for scheme, port in PORTS.items()
    ]
    listen = [word for url in urls for word in ("--listen", url)]
    return [sys.executable, "-m", "menura", "serve", *listen, "--data", "data"]


def _set_up_menura(suite: Suite, data: Path) -> None:
    if suite.vhosts or suite.topics:
        with menura.Broker(data=str(data)) as broker:
            for vhost in suite.vhosts:
                broker.add_vhost(vhost)
                broker.permit("guest", vhost)
            if suite.topics:
                broker.permit_topics("guest", "amq.topic", **suite.topics)


def _set_up_rabbitmq(suite: Suite, environment: dict[str, str]) -> None:
    def control(*words: str) -> None:
        command = [str(RABBITMQ.with_name("rabbitmqctl")), "--node", RABBITMQ_NODE, *words]
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)

    for vhost in suite.vhosts:
        control("add_vhost", vhost)
        control("set_permissions", "--vhost", vhost, "guest", ".*", ".*", ".*")
    if suite.topics:
        control("set_topic_permissions", "guest", "amq.topic", suite.topics["write"], suite.topics["read"])


def _rabbitmq_environment(directory: Path, certificates: dict[str, Path]) -> dict[str, str]:
    nothing, settings = directory / "empty.conf", directory / "rabbitmq.conf"
    nothing.touch()
    (directory / "enabled_plugins").write_text("[rabbitmq_mqtt,rabbitmq_stomp,rabbitmq_web_stomp].\n")
    lines = ["ssl_options.verify = verify_peer", "ssl_options.fail_if_no_peer_cert = false"]
    lines += [f"ssl_options.{RABBITMQ_FILES[use]} = {path}" for use, path in certificates.items()]
    lines += [f"web_stomp.tcp.listener = 127.0.0.1:{PORTS['stomp+ws']}"]
    for number, address in enumerate((each.strip("[]") for each in _addresses()), 1):
        lines += [f"{key}.{number} = {address}:{PORTS[scheme]}" for scheme, key in RABBITMQ_LISTENERS.items()]
    settings.write_text("\n".join(lines) + "\n")
    return {
        **os.environ,
        "HOME": str(directory),  # Erlang keeps its cookie here
        "RABBITMQ_CONF_ENV_FILE": str(nothing),
        "RABBITMQ_CONFIG_FILE": str(settings),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_NODENAME": RABBITMQ_NODE,
    }


def _make_certificates(directory: Path) -> dict[str, Path]:
    authority = trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1", "::1")
    files = {use: directory / f"{use}.pem" for use in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(files["ca"])
    server.cert_chain_pems[0].write_to_path(files["cert"])
    server.private_key_pem.write_to_path(files["key"])
    return files


def _addresses() -> list[str]:
    """Both loopback addresses, where there are two: some clients take the first that `localhost` resolves to."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return ["127.0.0.1", "[::1]"]
    return ["127.0.0.1"]


def _await_answer(port: int, greeting: bytes) -> bytes:
    """Connect and say `greeting` until something comes back; an empty greeting wants no answer."""
    deadline = time.monotonic() + SECONDS_TO_START_MAX
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as probe:
            probe.sendall(greeting)
            if answer := probe.recv(4096) if greeting else b"connected":
                return answer
        time.sleep(0.1)
    raise TimeoutError(f"nothing answered on port {port} within {SECONDS_TO_START_MAX} seconds")


def _identity(start: bytes) -> str:
    """Product and version out of the server properties of a connection.start frame."""
    values = (re.search(rb"\x07%sS...(.)" % key, start, re.DOTALL) for key in (b"product", b"version"))
    found = [start[match.end() : match.end() + match[1][0]].decode() for match in values if match]
    return " ".join(found) or "unknown"
