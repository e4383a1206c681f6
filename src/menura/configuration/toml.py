"""A TOML file as settings: tables are the first half of a key, and each key has its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

_HEADER = re.compile(r"\s*\[\s*([\w.-]+)\s*\]")
_KEY = re.compile(r"\s*([\w.-]+)\s*=")


class SyntaxProblem(Exception):
    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.line = line


def read(text: str) -> list[tuple[int, str, Any]]:
    """Line, key and value of all that is said. Raises SyntaxProblem."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column \d+\)", str(error))
        raise SyntaxProblem(str(error), int(found[1]) if found else len(text.splitlines())) from None
    lines = _lines(text)
    return [(lines.get(key, lines.get(key.rpartition(".")[0], 0)), key, value) for key, value in _flat(content, "")]


def _flat(table: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _flat(value, f"{key}.")
        else:
            yield key, value


def _lines(text: str) -> dict[str, int]:
    """Where each key and table stands, as far as can be seen without parsing."""
    lines: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _HEADER.match(line):
            table = f"{found[1]}."
            lines.setdefault(found[1], number)
        elif found := _KEY.match(line):
            lines.setdefault(table + found[1], number)
    return lines


def quoted(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found[0]):04x}", escaped) + '"'
    if isinstance(value, list):
        return f"[{', '.join(map(quoted, value))}]"
    return repr(value)
