"""`menura serve`: run a broker in the foreground until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from menura.broker import Broker, ListenError, StoreError, loop_factory
from menura.config import Config

LOOPBACK = "127.0.0.1"
# Queued messages are bytes without references, which the collector need not look at; with its default
# thresholds it would walk everything that points to them again and again.
_GC_THRESHOLDS = (100_000, 50, 1000)
_SWITCH_SECONDS = 0.0005


@click.command()
@click.option(
    "--listen",
    multiple=True,
    metavar="URL",
    help="Address such as amqp://127.0.0.1:5672, instead of the standard ones; repeatable. Port 0 is a free one.",
)
@click.option(
    "--data",
    metavar="DIR",
    default="./menura-data",
    show_default=True,
    help="Where to keep things; ':memory:' keeps nothing.",
)
@click.option("--no-sync", is_flag=True, help="Confirm without waiting for the disk, for tests.")
@click.option(
    "--disk-free-min",
    metavar="MB",
    type=click.IntRange(0),
    default=256,
    show_default=True,
    help="Free space on the disk below which publishers are blocked.",
)
@click.option(
    "--memory-max",
    metavar="MB",
    type=click.IntRange(1),
    help="Held messages above which publishers are blocked. [40 % of memory]",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
def serve(
    listen: tuple[str, ...], data: str, no_sync: bool, disk_free_min: int, memory_max: int | None, log_level: str
) -> None:
    """Start a broker and run it until SIGTERM or Ctrl-C."""
    started = time.perf_counter()
    logging.basicConfig(level=log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(message)s")
    _raise_file_limit()
    config = Config(
        listen=listen or Config().listen,
        data=data,
        sync=not no_sync,
        disk_free_bytes_min=disk_free_min << 20,
        memory_bytes_max=(memory_max or 0) << 20,
    )
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            failure = runner.run(_run(config, started))
    except (ListenError, StoreError) as error:
        failure = str(error)
    if failure is not None:
        click.echo(f"menura: {failure}", err=True)
        sys.exit(1)


def _raise_file_limit() -> None:
    """Each connection takes a file descriptor: use as many as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _run(config: Config, started: float) -> str | None:
    """Serve until told to stop; why the broker had to stop by itself, if it had."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    broker = Broker(config)
    with _recovery_shown(broker):
        await broker.start()
    try:
        _first_screen(broker, time.perf_counter() - started)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        # The thread that waits for the disk has very little to do once it is woken, and everybody waits for it.
        sys.setswitchinterval(_SWITCH_SECONDS)
        broker.on_failure = stopping.set
        if broker.failure is None:
            await stopping.wait()
        click.echo("stopping")
    finally:
        await broker.stop()
    return broker.failure


@contextmanager
def _recovery_shown(broker: Broker) -> Iterator[None]:
    """A progress bar for as long as the journal is read, where somebody looks on."""
    if not sys.stdout.isatty():
        yield
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress("reading the journal", *columns, transient=True) as bar:
        task = bar.add_task("", total=None, visible=False)
        broker.progress = lambda done, total: bar.update(task, completed=done, total=total, visible=True)
        yield


def _show_data(broker: Broker) -> None:
    """Where things are kept, what was found there, and what a confirm is worth."""
    storage, recovered = broker.storage, broker.recovered
    if storage is None or recovered is None:
        click.echo("  data       in memory only: nothing survives a restart")
        return
    found = f"{recovered.queue_count:,} durable queues, {recovered.message_count:,} messages"
    click.echo(f"  data       {storage.directory.path} ({'new' if recovered.first else found})")
    for damage in recovered.report.damages:
        click.secho(f"  ! {damage}", fg="yellow" if damage.unfinished else "red")
    if storage.sync:
        click.echo("  confirms   are sent once a message is on the disk")
    else:
        click.secho("  ! confirms are sent WITHOUT waiting for the disk (--no-sync): a crash may lose them", fg="red")


def _first_screen(broker: Broker, seconds: float) -> None:
    """What is running where. The last line is `ready`; scripts wait for it."""
    from menura.version import __version__

    click.echo(click.style(f"Menura {__version__}", bold=True))
    for listener in broker.listeners:
        for_clients = listener.websocket_url and f"  for clients: {listener.websocket_url}"
        click.echo(f"  ✓ {listener.url}{for_clients}")
    for listener in broker.listeners:
        if listener.address.host not in (LOOPBACK, "localhost", "::1"):
            click.secho(
                f"  ! {listener.url} can be reached from other machines; guest can log in from this one only",
                fg="yellow",
            )
    memory = broker.node.memory.watermark_bytes >> 20
    _show_data(broker)
    click.echo(f"  memory     publishers are blocked above {memory} MB of held messages")
    click.echo("  user       guest, password guest, from this machine only")
    click.echo(f"  started    in {seconds * 1000:.0f} ms")
    click.echo("ready")
    sys.stdout.flush()
