"""What `menura serve` says at its start: what runs where, what is kept, and what to beware of."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from menura.applying import has_well_known_password
from menura.broker import Broker
from menura.configuration.layers import Effective
from menura.net.listener import Listener


def show(broker: Broker, effective: Effective, seconds: float) -> None:
    """What is running where. The last line is `ready`; scripts wait for it."""
    from menura.version import __version__

    click.echo(click.style(f"Menura {__version__}", bold=True))
    for listener in broker.listeners:
        for_clients = listener.websocket_url and f"  for clients: {listener.websocket_url}"
        click.echo(f"  ✓ {listener.url}{for_clients}")
    for sentence in exposures(broker):
        click.secho(f"  ! {sentence}", fg="yellow", bold=True)
    for listener in broker.listeners:
        if listener.address.scheme in ("http", "https"):
            url = _for_browsers(listener)
            click.echo(f"  pages      {url} in a browser; `menura demo` gives them something to show")
    if effective.file:
        click.echo(f"  settings   {effective.file}")
    _show_data(broker)
    memory = broker.node.memory.watermark_bytes >> 20
    click.echo(f"  memory     publishers are blocked above {memory:,} MiB of held messages")
    for sentence in _users(broker):
        click.echo(f"  user       {sentence}")
    click.echo(f"  started    in {seconds * 1000:.0f} ms")
    click.echo("ready")
    sys.stdout.flush()


def _for_browsers(listener: Listener) -> str:
    """An address that can be opened on this machine; one that stands for all addresses is none."""
    here = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(listener.address.host)
    return f"{listener.address.scheme}://{here}:{listener.port}" if here else listener.url


def exposures(broker: Broker) -> Iterator[str]:
    """A sentence for each listener that others than this machine reach, and for what is unwise then."""
    exposed = [listener for listener in broker.listeners if listener.exposed]
    near = ", ".join(sorted(name for name in broker.config.loopback_users if name in broker.node.users))
    for listener in exposed:
        who = f"; {near} can log in from this one only" if near else ""
        plain = "" if listener.certificates is not None else ", and passwords travel there in plain"
        yield f"{listener.url} can be reached from other machines{plain}{who}"
    if exposed and "guest" not in broker.config.loopback_users and has_well_known_password(broker.node):
        yield "anybody who reaches it can log in as guest with the password guest: give guest another one"


def _users(broker: Broker) -> Iterator[str]:
    """Whom a newcomer may log in as. Passwords that somebody has chosen are nobody's business."""
    if has_well_known_password(broker.node):
        near = "from this machine only" if "guest" in broker.config.loopback_users else "from anywhere"
        yield f"guest, password guest, {near}"
    elif broker.recovered is not None and broker.recovered.first and broker.config.default_user in broker.node.users:
        yield f"{broker.config.default_user}, with the password of the settings"


def _show_data(broker: Broker) -> None:
    """Where things are kept, what was found there, and what a confirm is worth."""
    storage, recovered = broker.storage, broker.recovered
    if storage is None or recovered is None:
        click.echo("  data       in memory only: nothing survives a restart")
        return
    found = f"{_counted(recovered.queue_count, 'durable queue')}, {_counted(recovered.message_count, 'message')}"
    click.echo(f"  data       {storage.directory.path} ({'new' if recovered.first else found})")
    for damage in recovered.report.damages:
        click.secho(f"  ! {damage}", fg="yellow" if damage.unfinished else "red")
    if storage.sync:
        click.echo("  confirms   are sent once a message is on the disk")
    else:
        click.secho("  ! confirms are sent WITHOUT waiting for the disk (--no-sync): a crash may lose them", fg="red")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


@contextmanager
def recovery_shown(broker: Broker) -> Iterator[None]:
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
