"""The programs that are measured: found, started where they do not run yet, and stopped if we started them.

RabbitMQ is a service of the machine: one that answers already is used as it is. redis-server is always our
own, on a free port and with nothing on disk, and so is Menura, but for a second one whose data directory is
fresh and lies on the disk that the benchmark was given.
"""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from menura import __version__
from menura.bench import BenchError
from menura.bench.connection import Address, Connection
from menura.bench.launch import MenuraProcess

RABBITMQ_START_SECONDS_MAX = 120
REDIS_START_SECONDS_MAX = 20
DISK = "disk"


@dataclass(frozen=True, slots=True)
class Peer:
    """A running program: what it calls itself and where it is."""

    name: str
    product: str
    url: str
    pid: int | None = None


@contextmanager
def menura() -> Iterator[Peer]:
    with MenuraProcess() as process:
        # Its own name; to clients it calls itself by the name and version of the broker it stands in for.
        yield Peer("menura", f"Menura {__version__}", process.url, process.pid)


@contextmanager
def menura_on_disk(disk: Path) -> Iterator[Peer]:
    """A Menura with a data directory of its own in the folder `disk`, removed afterwards."""
    with tempfile.TemporaryDirectory(dir=disk, prefix="menura-bench-") as folder:
        with MenuraProcess(str(Path(folder, "data"))) as process:
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
    deadline = time.monotonic() + REDIS_START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise BenchError(f"redis-server did not start:\n{log.read_text() if log.exists() else ''}")
