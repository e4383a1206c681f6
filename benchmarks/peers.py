"""The programs that are measured: found, started where they do not run yet, and stopped if we started them.

RabbitMQ is a service of the machine: one that answers already is used as it is, and over MQTT and STOMP if it has
these plugins. redis-server and mosquitto are always our own, on a free port and with nothing on disk, and so is
Menura, one for each protocol, but for those whose data directory is fresh and lies on the disk that the benchmark was
given.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from menura import __version__
from menura.bench import BenchError
from menura.bench.connection import Address, Connection
from menura.bench.launch import MenuraProcess
from menura.bench.mqtt_connection import MqttConnection, address_of
from menura.bench.stomp import StompConnection

RABBITMQ_START_SECONDS_MAX = 120
START_SECONDS_MAX = 20
DISK = "disk"
_PLUGINS = {"mqtt": ("MQTT", 1883), "stomp": ("STOMP", 61613)}
_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_queued_messages 0
max_inflight_messages 0
log_type error
log_dest file {log}
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A running program: what it calls itself and where it is."""

    name: str
    product: str
    url: str
    pid: int | None = None


@contextmanager
def menura(scheme: str = "amqp") -> Iterator[Peer]:
    with MenuraProcess(scheme=scheme) as process:
        # Its own name; to clients it calls itself by the name and version of the broker it stands in for.
        yield Peer("menura", f"Menura {__version__}", process.url, process.pid)


@contextmanager
def menura_on_disk(disk: Path, scheme: str = "amqp") -> Iterator[Peer]:
    """A Menura with a data directory of its own in the folder `disk`, removed afterwards."""
    with tempfile.TemporaryDirectory(dir=disk, prefix="menura-bench-") as folder:
        with MenuraProcess(str(Path(folder, "data")), scheme) as process:
            yield Peer("menura", f"Menura {__version__}, data on disk", process.url, process.pid)


@contextmanager
def disk_itself(disk: Path) -> Iterator[Peer]:
    """No program at all, but it takes its turn like one."""
    yield Peer(DISK, f"the disk of {disk}", "amqp://")


@contextmanager
def rabbitmq(url: str) -> Iterator[Peer | None]:
    """RabbitMQ at `url`; None if it does not run there and can't be started."""
    product = amqp_product(url)
    started = product is None and _start_rabbitmq()
    try:
        if started:
            product = amqp_product(url)
        yield Peer("rabbitmq", product, url) if product else None
    finally:
        if started:
            subprocess.run(["rabbitmqctl", "stop"], check=False, capture_output=True)


def _start_rabbitmq() -> bool:
    """Start the machine's RabbitMQ; False if it is not installed or does not need (and so must not get) a start."""
    if not (shutil.which("rabbitmq-server") and shutil.which("rabbitmqctl")) or _succeeds("rabbitmqctl", "ping"):
        return False
    if not _succeeds("rabbitmq-server", "-detached"):
        return False
    deadline = time.monotonic() + RABBITMQ_START_SECONDS_MAX
    while time.monotonic() < deadline:  # rabbitmqctl fails at once until the node exists at all
        if _succeeds("rabbitmqctl", "await_startup", "--timeout", str(RABBITMQ_START_SECONDS_MAX)):
            break
        time.sleep(0.5)
    return True


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def amqp_product(url: str) -> str | None:
    """What the broker at `url` calls itself, or None if none answers."""
    try:
        with Connection(Address.parse(url), channel=False) as connection:
            return f"{connection.product} {connection.version}".strip()
    except BenchError:
        return None


@contextmanager
def rabbitmq_plugin(url: str, scheme: str) -> Iterator[Peer | None]:
    """RabbitMQ's MQTT or STOMP, on the standard port of the host that `url` names; None if that is not there."""
    name, port = _PLUGINS[scheme]
    with rabbitmq(url) as peer:
        parts = urlsplit(url)
        login = f"{parts.username or 'guest'}:{parts.password or 'guest'}"
        voice = f"{scheme}://{login}@{parts.hostname or '127.0.0.1'}:{port}"
        present = peer is not None and _answers(voice, scheme)
        yield Peer("rabbitmq", f"{peer.product}, {name} plugin", voice) if peer and present else None


def _answers(url: str, scheme: str) -> bool:
    try:
        opened: AbstractContextManager[object] = (
            MqttConnection(address_of(url)) if scheme == "mqtt" else StompConnection(Address.parse(url, scheme))
        )
    except BenchError:
        return False
    with opened:
        return True


@contextmanager
def mosquitto() -> Iterator[Peer | None]:
    """mosquitto, which drops nothing however much waits; None if it is not installed."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if not program:
        yield None
        return
    port = _free_port()
    with tempfile.TemporaryDirectory() as directory:
        settings, log = Path(directory, "mosquitto.conf"), Path(directory, "log")
        settings.write_text(_MOSQUITTO.format(port=port, log=log) + ("user root\n" if os.geteuid() == 0 else ""))
        process = subprocess.Popen([program, "-c", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _await_port(port, process, log)
            version = subprocess.run([program, "-h"], check=False, capture_output=True, text=True).stdout
            yield Peer("mosquitto", version.partition("\n")[0], f"mqtt://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()
            process.wait()


@contextmanager
def redis() -> Iterator[Peer | None]:
    """redis-server; None if it is not installed."""
    program = shutil.which("redis-server")
    if not program:
        yield None
        return
    port = _free_port()
    with tempfile.TemporaryDirectory() as directory:
        options = [
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            directory,
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        log = Path(directory) / "log"
        process = subprocess.Popen([program, *options, "--logfile", str(log)], stdout=subprocess.DEVNULL)
        try:
            _await_port(port, process, log)
            version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
            number = version.partition("v=")[2].split()[0]
            yield Peer("redis", f"redis-server {number}", f"redis://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def _await_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise BenchError(f"{process.args[0]} did not start:\n{log.read_text() if log.exists() else ''}")
