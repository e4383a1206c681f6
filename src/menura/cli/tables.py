"""Tables for people: Rich's on a terminal; columns of plain text, as wide as they must be, anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

Cell = str | int | bool | None


class Section(NamedTuple):
    """Without a title and names it is a list of names and values."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


# Cells up to this length stay on one line, such as the name of a file of the journal.
_UNFOLDED_MAX = 24


def show(sections: Iterable[Section]) -> None:
    on_terminal = sys.stdout.isatty()
    console = Console()
    for number, section in enumerate(sections):
        if number:
            click.echo()
        if on_terminal:
            console.print(_table(section))
        else:
            click.echo("\n".join(_lines(section)))


def _table(section: Section) -> Table:
    table = Table(
        title=section.title or None,
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 1, 0, 0),
        show_header=bool(section.columns),
    )
    names = section.columns or ("", "")
    rows = [[_grouped(cell, name) for cell, name in zip(row, names, strict=True)] for row in section.rows]
    for index, name in enumerate(names):
        longest = max((len(row[index]) for row in rows), default=0)
        justify: Literal["left", "right"] = "right" if _numeric(section, index) else "left"
        table.add_column(_heading(name), justify=justify, overflow="fold", min_width=min(longest, _UNFOLDED_MAX))
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _lines(section: Section) -> list[str]:
    """The section's title and its rows, column under column."""
    texts = [[_text(cell) for cell in row] for row in section.rows]
    if section.columns:
        texts.insert(0, [_heading(name) for name in section.columns])
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    right = [_numeric(section, index) for index in range(len(widths))]
    lines = [
        "  ".join(
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in texts
    ]
    return [section.title, *lines] if section.title else lines


def _numeric(section: Section, index: int) -> bool:
    return bool(section.columns) and any(type(row[index]) is int for row in section.rows)


def _heading(name: str) -> str:
    return name.removeprefix("size_").replace("_", " ")


def _grouped(cell: Cell, column: str) -> str:
    """An id is a name, not an amount."""
    return f"{cell:,}" if type(cell) is int and column != "id" else _text(cell)


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return str(cell)
    # A queue may be called anything; a line stays a line, and a terminal what it was.
    return cell if cell.isprintable() else repr(cell)
