"""`menura data`: look into a data directory, take messages out of it, copy it; without changing anything in it.

What people read goes through tables: Rich's on a terminal, plain columns that are never cut elsewhere. What scripts
read is JSON. Progress goes to standard error, and only if that is a terminal.

Exit status: 0 all is well, 1 there is damage, 2 it could not be done.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from menura.cli.tables import Section, show
from menura.store.backup import back_up
from menura.store.errors import StoreError
from menura.store.export import definition_objects, message_object
from menura.store.offline import OfflineDirectory, load_catalog
from menura.store.offline_journal import OfflineJournal
from menura.store.recovery import Damage
from menura.store.recovery import Progress as Report
from menura.store.survey import DamageRow, DeletedQueueRow, QueueRow, SegmentRow, Survey
from menura.store.survey import survey as take_survey
from menura.store.survey import verify as look_for_damage
from menura.version import __version__

_DAMAGED = 1
_IMPOSSIBLE = 2


@click.group()
def data() -> None:
    """Look into a data directory, or copy it, without changing it. All but `backup` want it out of use."""


@data.command()
@click.argument("directory", metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect(directory: str, as_json: bool) -> None:
    """Show what is in DIR: queues with their messages, files, damage."""
    with _telling(), _opened(directory) as opened, _progress("reading the journal") as progress:
        found = take_survey(opened, progress)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        show(_sections(found))


@data.command()
@click.argument("directory", metavar="DIR")
def verify(directory: str) -> None:
    """Read everything in DIR and report what is damaged."""
    with _telling(), _opened(directory) as opened, _progress("verifying the journal") as progress:
        verdict = look_for_damage(opened, progress)
    for finding in verdict.findings:
        label, colour = ("note", "yellow") if finding.harmless else ("damage", "red")
        click.echo(f"{click.style(label, fg=colour, bold=True)}: {finding.sentence}")
    click.echo(
        f"{_number(verdict.records, 'record')} in {_number(verdict.segments, 'file')} of the journal "
        f"({_number(verdict.size_bytes, 'octet')}) and the catalog have been read"
    )
    click.secho("sound" if verdict.sound else "damaged", fg="green" if verdict.sound else "red", bold=True)
    sys.exit(0 if verdict.sound else _DAMAGED)


@data.command()
@click.argument("directory", metavar="DIR")
@click.argument("destination", metavar="DEST")
def backup(directory: str, destination: str) -> None:
    """Copy DIR to DEST, also while a broker uses it: whatever it has confirmed by now is in the copy.

    DEST is a data directory itself, with which a broker can be started.
    """
    with _telling():
        copied = back_up(directory, destination, version=__version__)
    how = "while a broker used it" if copied.hot else "while no broker used it"
    files, octets = _number(copied.files, "file"), _number(copied.size_bytes, "octet")
    click.echo(f"{directory} copied to {destination}, {how}: the catalog and {files} of the journal ({octets})")


@data.command()
@click.argument("directory", metavar="DIR")
@click.option("--vhost", metavar="NAME", help="Only what is in this virtual host.")
@click.option("--queue", "names", metavar="NAME", multiple=True, help="Only messages of this queue; repeatable.")
@click.option("--definitions", is_flag=True, help="Definitions, too, ahead of the messages.")
@click.option("--no-messages", is_flag=True, help="Leave messages out.")
@click.option("--output", metavar="FILE", help="Write to FILE instead of standard output.")
def export(
    directory: str, vhost: str | None, names: tuple[str, ...], definitions: bool, no_messages: bool, output: str | None
) -> None:
    """Print messages in DIR as JSON, one on a line, in the order of their queues.

    Nothing is taken out of the queues. Damaged messages are left out and told of on standard error.
    """
    with _telling(), _opened(directory) as opened:
        damaged = _Damages()
        with _writing(output, opened.path) as out:
            for line in _lines(opened, vhost, names, definitions, not no_messages, damaged):
                out.write(json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        sys.exit(_DAMAGED if damaged.found else 0)


# -- export ------------------------------------------------------------------------------------------------------


class _Damages:
    """Says on standard error what is left out, once for each thing."""

    def __init__(self) -> None:
        self.found = False

    def tell(self, damage: Damage, left_out: str = "") -> None:
        if not damage.unfinished:
            self.found = True
        click.echo(f"menura: {damage}{left_out}", err=True)


def _lines(
    directory: OfflineDirectory,
    vhost: str | None,
    names: tuple[str, ...],
    with_definitions: bool,
    with_messages: bool,
    damages: _Damages,
) -> Iterator[dict[str, Any]]:
    definitions = load_catalog(directory.catalog).definitions
    if vhost is not None and vhost not in {each.name for each in definitions.vhosts}:
        raise StoreError(f"There is no virtual host '{vhost}' in {directory.path}. {_WHAT_THERE_IS}")
    queues = [queue for queue in definitions.queues if vhost in (None, queue.vhost)]
    for name in names:
        if name not in {queue.name for queue in queues}:
            raise StoreError(f"There is no durable queue '{name}' in {directory.path}. {_WHAT_THERE_IS}")
    if with_definitions:
        yield from definition_objects(definitions, vhost)
    if not with_messages:
        return
    with closing(OfflineJournal(directory.journal)) as journal:
        if not journal.from_checkpoint:
            with _progress("reading the journal") as progress:
                journal.read(progress)
        for damage in journal.damages:
            damages.tell(damage)
        for queue in queues:
            if names and queue.name not in names:
                continue

            def lost(damage: Damage, first: int, last: int, of: str = f"'{queue.name}' in '{queue.vhost}'") -> None:
                damages.tell(damage, f" Left out: messages {first} to {last} of queue {of}.")

            for message in journal.messages(queue.id, lost):
                yield message_object(queue, message)


_WHAT_THERE_IS = "'menura data inspect' shows what there is."


@contextmanager
def _writing(output: str | None, directory: Path) -> Iterator[BinaryIO]:
    """Where lines go. A reader that has seen enough ends it without a word."""
    if output is None:
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except OSError as error:
            # What is left in the buffer would be tried again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if not isinstance(error, BrokenPipeError):
                raise StoreError(f"Cannot write to standard output: {error.strerror}.") from error
        return
    if Path(output).resolve().is_relative_to(directory.resolve()):
        raise StoreError(f"{output} is in the data directory itself, which is only read. Choose a file elsewhere.")
    try:
        # Messages and password hashes are nobody else's business.
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(file, "wb") as out:
            yield out
    except OSError as error:
        raise StoreError(f"Cannot write {output}: {error.strerror}. Choose another file, or make room.") from error


# -- inspect -----------------------------------------------------------------------------------------------------


def _sections(found: Survey) -> Iterator[Section]:
    definitions = [(name.replace("_", " "), count) for name, count in found.definitions.items()]
    about: list[tuple[str, str | int]] = [
        ("directory", found.directory),
        ("format", found.format),
        ("created by", f"Menura {found.created_by}"),
        ("schema of the catalog", found.schema),
        ("checkpoint", found.checkpoint),
    ]
    yield Section("", (), [*about, *definitions])
    yield Section("Files of the journal", SegmentRow._fields, found.segments)
    yield Section("Durable queues", QueueRow._fields, found.queues)
    if found.deleted_queues:
        yield Section(
            "Queues without a definition: deleted, and dropped at the next start",
            DeletedQueueRow._fields,
            found.deleted_queues,
        )
    if found.damages:
        yield Section("Damage", DamageRow._fields, found.damages)


# -- around all --------------------------------------------------------------------------------------------------


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        click.echo(f"menura: {error}", err=True)
        sys.exit(_IMPOSSIBLE)


def _opened(directory: str) -> OfflineDirectory:
    return OfflineDirectory(directory, version=__version__)


@contextmanager
def _progress(what: str) -> Iterator[Report]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)

        def report(done_bytes: int, total_bytes: int) -> None:
            progress.update(task, completed=done_bytes, total=total_bytes)

        yield report


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
