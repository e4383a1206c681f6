"""How results are printed: columns with tabs between, boxes, JSON, CSV and Erlang terms, as rabbitmqctl does.

A table without rows has no header either. In JSON there is one row on a line, in the notation that scripts cut apart. A
result that is no table is text, with a value for JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from menura.cli.ctl.terms import Arguments, plain, term, text


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of values under columns. `header`: whether tables without a box name their columns."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    header: bool = True


class Facts(NamedTuple):
    """Something that is no table."""

    text: str
    value: Any


class Info(NamedTuple):
    """What people want to know beside the result: not for scripts, and so left out with --quiet."""

    text: str


Result = Table | Facts | str | None
Lines = Iterable[str]


def bold(words: str) -> str:
    return f"\033[1m{words}\033[0m"


def formatted(result: Result, formatter: str, headers: bool) -> Lines:
    """The lines of a result. Raises KeyError for a formatter there is not."""
    if result is None:
        return []
    if isinstance(result, Table):
        return _TABLES[formatter](result, headers and result.header)
    if isinstance(result, Facts):
        return [compact(result.value)] if formatter == "json" else [result.text]
    return [compact(result)] if formatter == "json" else [result]


# -- tables ------------------------------------------------------------------------------------------------------


def _table(table: Table, headers: bool) -> Lines:
    if headers and table.rows:
        yield "\t".join(table.columns)
    for row in table.rows:
        yield "\t".join(map(text, row))


def _csv(table: Table, headers: bool) -> Lines:
    if headers and table.rows:
        yield _csv_line(table.columns)
    for row in table.rows:
        yield _csv_line(map(text, row))


def _csv_line(values: Iterable[str]) -> str:
    return ",".join('"' + value.replace('"', '""') + '"' for value in values)


def _json_rows(table: Table, headers: bool) -> Lines:
    yield "["
    for number, row in enumerate(table.rows):
        yield ("," if number else "") + compact(dict(zip(table.columns, map(plain, row), strict=True)))
    yield "]"


def _erlang(table: Table, headers: bool) -> Lines:
    rows = (
        ",".join(f"{{{name},{_erlang_value(value)}}}" for name, value in zip(table.columns, row, strict=True))
        for row in table.rows
    )
    yield "[" + ",".join(f"[{row}]" for row in rows) + "]"


def _erlang_value(value: Any) -> str:
    return f"<<{term(value)}>>" if isinstance(value, str) else term(plain(value) if value is None else value)


def _pretty(table: Table, headers: bool) -> Lines:
    """Boxes in the line drawing characters of terminals."""
    if not table.rows:
        return
    cells = [[text(value).expandtabs() for value in row] for row in table.rows]
    widths = [max(map(len, column)) for column in zip(table.columns, *cells, strict=True)]
    yield _rule("l", "w", "k", widths)
    if headers:
        yield _row([bold(name) + " " * (width - len(name)) for name, width in zip(table.columns, widths, strict=True)])
    for number, row in enumerate(cells):
        if headers or number:
            yield _rule("t", "n", "u", widths)
        yield _row([cell.ljust(width) for cell, width in zip(row, widths, strict=True)])
    yield _rule("m", "v", "j", widths)


def _drawn(characters: str) -> str:
    return f"\033(0{characters}\033(B"


def _rule(left: str, middle: str, right: str, widths: Sequence[int]) -> str:
    return _drawn(left + middle.join("q" * (width + 2) for width in widths) + right)


def _row(cells: Sequence[str]) -> str:
    bar = _drawn("x")
    return bar + bar.join(f" {cell} " for cell in cells) + bar


_TABLES: dict[str, Callable[[Table, bool], Lines]] = {
    "table": _table,
    "pretty_table": _pretty,
    "json": _json_rows,
    "csv": _csv,
    "erlang": _erlang,
}
FORMATTERS = tuple(_TABLES)
SILENT = frozenset(("json", "csv"))
"""Those for programs: nothing else is printed with them."""


def compact(value: Any) -> str:
    """A value as JSON without a blank."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def arguments(value: Any) -> Arguments:
    """Arguments as the API gives them, which says "[]" for none at times."""
    return Arguments(value) if isinstance(value, dict) else Arguments()
