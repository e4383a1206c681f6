"""`menura serve`: run a broker in the foreground until SIGTERM or SIGINT; SIGHUP reads the settings again.

Options of the command line are one source of settings among others (`configuration.layers`): those not given leave the
word to the environment, the file and the defaults.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

import click

from menura.broker import Broker, DefinitionsError, ListenError, StoreError, check_listeners, loop_factory
from menura.cli import first_screen
from menura.cli.reloading import Reload, log_settings, status, tell_remarks
from menura.cli.service_manager import ServiceManager
from menura.configuration.layers import Effective, gather
from menura.configuration.problems import ConfigurationError
from menura.logs.output import LogOutput

# Queued messages are bytes without references, which the collector need not look at; with its default
# thresholds it would walk everything that points to them again and again.
_GC_THRESHOLDS = (100_000, 50, 1000)
_SWITCH_SECONDS = 0.0005
_SUMMARY_SECONDS = 1.0
_log = logging.getLogger("menura")


@click.command()
@click.option("--config", "file", metavar="FILE", help="Settings in TOML, or a rabbitmq.conf. [./menura.toml, if any]")
@click.option(
    "--listen",
    multiple=True,
    metavar="URL",
    help="Address such as amqp://127.0.0.1:5672, instead of the standard ones; repeatable. Port 0 is a free one.",
)
@click.option("--data", metavar="DIR", help="Where to keep things; ':memory:' keeps nothing. [./menura-data]")
@click.option("--no-sync", is_flag=True, help="Confirm without waiting for the disk, for tests.")
@click.option(
    "--disk-free-min",
    metavar="MiB",
    type=click.IntRange(0),
    help="Free space on the disk below which publishers are blocked. [256]",
)
@click.option(
    "--memory-max",
    metavar="MiB",
    type=click.IntRange(1),
    help="Held messages above which publishers are blocked. [40 % of memory]",
)
@click.option("--load-definitions", metavar="FILE", help="Definitions to load at the start, as RabbitMQ exports them.")
@click.option("--no-statistics", is_flag=True, help="Keep no histories and rates.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="[info]")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="[text]")
@click.option("--log-file", metavar="FILE", help="Log to this file instead of standard error.")
def serve(
    file: str | None,
    listen: tuple[str, ...],
    data: str | None,
    no_sync: bool,
    disk_free_min: int | None,
    memory_max: int | None,
    load_definitions: str | None,
    no_statistics: bool,
    log_level: str | None,
    log_format: str | None,
    log_file: str | None,
) -> None:
    """Start a broker and run it until SIGTERM or Ctrl-C."""
    started = time.perf_counter()
    options = {
        "listen": listen or None,
        "data": data,
        "sync": False if no_sync else None,
        "disk.free_min": None if disk_free_min is None else disk_free_min << 20,
        "memory.max": None if memory_max is None else memory_max << 20,
        "load_definitions": load_definitions,
        "statistics": False if no_statistics else None,
        "log.level": log_level,
        "log.format": log_format,
        "log.file": log_file,
    }
    try:
        effective = gather(file, options)
        check_listeners(effective.config())  # before a file is made for a broker that cannot be
        log = LogOutput(log_settings(effective))
    except ConfigurationError as error:
        for remark in error.remarks:
            click.echo(f"menura: {remark}", err=True)
        sys.exit(2)
    except ListenError as error:
        click.echo(f"menura: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        click.echo(f"menura: cannot log to {error.filename}: {error.strerror}. Choose another file.", err=True)
        sys.exit(1)
    tell_remarks(effective)
    _raise_file_limit()
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            failure = runner.run(_run(effective, lambda: gather(file, options), log, started))
    except (DefinitionsError, ListenError, StoreError) as error:
        failure = str(error)
    finally:
        log.close()
    if failure is not None:
        click.echo(f"menura: {failure}", err=True)
        sys.exit(1)


def _raise_file_limit() -> None:
    """Each connection takes a file descriptor: use as many as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _run(effective: Effective, again: Callable[[], Effective], log: LogOutput, started: float) -> str | None:
    """Serve until told to stop; why the broker had to stop by itself, if it had. `again` reads the settings anew."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    # Until there is something to reload, and while it stops, it means nothing.
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    manager = ServiceManager()
    broker = Broker(effective.config())
    with first_screen.recovery_shown(broker):
        await broker.start()
    chores = [asyncio.create_task(_every(_SUMMARY_SECONDS, log.summarise))]
    if manager.watch_seconds:
        chores.append(asyncio.create_task(_every(manager.watch_seconds, manager.alive)))
    try:
        loop.add_signal_handler(signal.SIGHUP, Reload(broker, effective, again, log, manager, stopping.set))
        for sentence in first_screen.exposures(broker):
            _log.warning("listeners: %s", sentence)
        first_screen.show(broker, effective, time.perf_counter() - started)
        manager.ready(status(broker))
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        # The thread that waits for the disk has very little to do once it is woken, and everybody waits for it.
        sys.setswitchinterval(_SWITCH_SECONDS)
        broker.on_failure = stopping.set
        # Clients need not wait for what the first of them would load; beside the loop, not in it.
        loading = loop.run_in_executor(None, import_module, "menura.management.api")
        if broker.failure is None:
            await stopping.wait()
        manager.stopping()
        await loading
        with suppress(OSError):  # nobody may be there to read it
            click.echo("stopping")
    finally:
        loop.add_signal_handler(signal.SIGHUP, lambda: None)
        for chore in chores:
            chore.cancel()
        await broker.stop()
    return broker.failure


async def _every(seconds: float, work: Callable[[], None]) -> None:
    while True:
        work()
        await asyncio.sleep(seconds)
