"""Lists as rabbitmqadmin prints them: table, tsv, long, kvp, bash, pretty_json, raw_json.

Objects of the API become rows; what is in an object inside of them is a column `outer.inner`, down to a depth. Without
a choice of columns all are shown, virtual host and name first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[str, Any]]
_FIRST = ("vhost", "name")
# Columns whose value is shown as JSON, instead of being a group of columns.
JSON_COLUMNS = frozenset(("definition", "value", "properties"))
_LINE = "-" * 80


def shown(objects: Rows, columns: Sequence[str], form: str, depth: int = 1) -> str:
    """The text of a list; as JSON with what came, which the API has chosen. Raises KeyError for an unknown format."""
    if form in ("raw_json", "json"):
        return json.dumps(objects, separators=(",", ":"), ensure_ascii=False)
    if form == "pretty_json":
        return json.dumps(objects, indent=2, sort_keys=True, ensure_ascii=False)
    flat = [dict(_flattened(each, columns, depth)) for each in objects]
    names = list(columns) or _columns_of(flat)
    rows = [[_text(row.get(name)) for name in names] for row in flat]
    if form != "bash" and not rows:
        return "No items"
    return _FORMS[form](names, rows)


def _flattened(
    each: Mapping[str, Any], columns: Sequence[str], depth: int, prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    wanted_depth = max([depth, *(name.count(".") for name in columns)])
    for name, value in each.items():
        column = prefix + name
        if isinstance(value, Mapping) and name not in JSON_COLUMNS:
            if prefix.count(".") < wanted_depth:
                yield from _flattened(value, columns, depth, f"{column}.")
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            continue
        else:
            yield column, value


def _columns_of(flat: Rows) -> list[str]:
    names = {name for row in flat for name in row}
    return [name for name in _FIRST if name in names] + sorted(names - set(_FIRST))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return json.dumps(value)
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)


def _table(names: list[str], rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    header = "|".join(f" {_centred(name, width)} " for name, width in zip(names, widths, strict=True))
    lines = [rule, f"|{header}|", rule]
    lines += [
        "|" + "|".join(f" {cell.ljust(width)} " for cell, width in zip(row, widths, strict=True)) + "|" for row in rows
    ]
    return "\n".join([*lines, rule])


def _centred(name: str, width: int) -> str:
    """In the middle; a blank too many stands on the right."""
    return (" " * ((width - len(name)) // 2) + name).ljust(width)


def _tsv(names: list[str], rows: list[list[str]]) -> str:
    return "\n".join("\t".join(row) for row in [names, *rows])


def _long(names: list[str], rows: list[list[str]]) -> str:
    width = max(map(len, names))
    blocks = ["\n".join(f"{name.rjust(width)}: {cell}" for name, cell in zip(names, row, strict=True)) for row in rows]
    return "\n" + _LINE + "\n\n" + f"\n\n{_LINE}\n\n".join(blocks) + f"\n\n{_LINE}\n"


def _kvp(names: list[str], rows: list[list[str]]) -> str:
    return "\n".join(" ".join(f'{name}="{cell}"' for name, cell in zip(names, row, strict=True)) for row in rows)


def _bash(names: list[str], rows: list[list[str]]) -> str:
    """Names in one line, for the completion of shells."""
    at = names.index("name") if "name" in names else 0
    return " ".join(row[at] for row in rows)


_FORMS: dict[str, Callable[[list[str], list[list[str]]], str]] = {
    "table": _table,
    "pretty_table": _table,
    "tsv": _tsv,
    "csv": lambda names, rows: "\n".join(
        ",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row) for row in [names, *rows]
    ),
    "long": _long,
    "kvp": _kvp,
    "bash": _bash,
}
FORMATS = (*_FORMS, "json", "pretty_json", "raw_json")
