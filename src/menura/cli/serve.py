"""`menura serve`: run a broker in the foreground until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import sys
import time

import click

from menura.broker import STANDARD_PORTS, Broker, ListenError, loop_factory
from menura.config import IN_MEMORY, Config

LOOPBACK = "127.0.0.1"
# Queued messages are bytes without references, which the collector need not look at; with its default
# thresholds it would walk everything that points to them again and again.
_GC_THRESHOLDS = (100_000, 50, 1000)


@click.command()
@click.option(
    "--listen",
    multiple=True,
    metavar="URL",
    help="Address such as amqp://127.0.0.1:5672; port 0 is a free one.",
)
@click.option(
    "--data",
    metavar="DIR",
    default=IN_MEMORY,
    show_default=True,
    help="Where to keep things; ':memory:' keeps nothing.",
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
def serve(listen: tuple[str, ...], data: str, memory_max: int | None, log_level: str) -> None:
    """Start a broker and run it until SIGTERM or Ctrl-C."""
    started = time.perf_counter()
    logging.basicConfig(level=log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(message)s")
    if data != IN_MEMORY:
        raise click.UsageError("this version keeps messages in memory only: leave --data at ':memory:'")
    _raise_file_limit()
    config = Config(
        listen=listen or tuple(f"{scheme}://{LOOPBACK}:{STANDARD_PORTS[scheme]}" for scheme in ("amqp",)),
        data=data,
        memory_bytes_max=(memory_max or 0) << 20,
    )
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_run(config, started))
    except ListenError as error:
        click.echo(f"menura: {error}", err=True)
        sys.exit(1)


def _raise_file_limit() -> None:
    """Each connection takes a file descriptor: use as many as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _run(config: Config, started: float) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with Broker(config) as broker:
        _first_screen(broker, time.perf_counter() - started)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        await stopping.wait()
        click.echo("stopping")


def _first_screen(broker: Broker, seconds: float) -> None:
    """What is running where. The last line is `ready`; scripts wait for it."""
    from menura import __version__

    click.echo(click.style(f"Menura {__version__}", bold=True))
    rows = [(f"✓ {listener.url}", "") for listener in broker.listeners]
    for left, right in rows:
        click.echo(f"  {left}  {right}".rstrip())
    for listener in broker.listeners:
        if listener.address.host not in (LOOPBACK, "localhost", "::1"):
            click.secho(
                f"  ! {listener.url} can be reached from other machines; guest can log in from this one only",
                fg="yellow",
            )
    memory = broker.node.memory.watermark_bytes >> 20
    click.echo("  data       in memory only: nothing survives a restart")
    click.echo(f"  memory     publishers are blocked above {memory} MB of held messages")
    click.echo("  user       guest, password guest, from this machine only")
    click.echo(f"  started    in {seconds * 1000:.0f} ms")
    click.echo("ready")
    sys.stdout.flush()
