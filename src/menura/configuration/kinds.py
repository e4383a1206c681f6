"""The kinds of values that settings have: how each is read, and how it is shown.

A value comes from TOML with a type of its own, or as text from the environment and a `rabbitmq.conf`; both are read by
the same function. It raises ValueError with half a sentence that says what would be right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from menura.config import memory_bytes

_UNITS = {
    "": 1, "b": 1,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
_TIMES = {"": 1.0, "s": 1.0, "ms": 0.001, "min": 60.0, "m": 60.0, "h": 3600.0}
_YES = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class Kind(NamedTuple):
    """`read` makes the value of what a source has; `show` makes what a TOML file would have."""

    read: Callable[[Any], Any]
    show: Callable[[Any], Any] = lambda value: value


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise ValueError("must be text in quotes")
    return raw


def _boolean(raw: Any) -> bool:
    found = raw if isinstance(raw, bool) else _YES.get(str(raw).strip().lower())
    if found is None:
        raise ValueError("must be true or false")
    return found


def whole(least: int, most: int) -> Kind:
    def read(raw: Any) -> int:
        try:
            number = int(raw) if isinstance(raw, str) else raw
        except ValueError:
            number = None
        if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return number

    return Kind(read)


def _size_bytes(raw: Any) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 0:
        return raw
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", raw) if isinstance(raw, str) else None
    if found is None or found[2].lower() not in _UNITS:
        raise ValueError('must be a number of octets, or text such as "256MiB"')
    return int(float(found[1]) * _UNITS[found[2].lower()])


def _show_size(number: int) -> int | str:
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        factor = _UNITS[unit.lower()]
        if number and number % factor == 0:
            return f"{number // factor}{unit}"
    return number


def _memory(raw: Any) -> int:
    """A size, or a share of the machine's memory."""
    if isinstance(raw, str) and (found := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", raw)):
        if not 0 < float(found[1]) <= 100:
            raise ValueError("must be a share of memory up to 100%")
        return int(memory_bytes() * float(found[1]) / 100)
    try:
        return _size_bytes(raw)
    except ValueError:
        raise ValueError('must be a size such as "2GiB", or a share of memory such as "40%"') from None


def _seconds(raw: Any) -> float:
    if isinstance(raw, int | float) and not isinstance(raw, bool) and raw > 0:
        return float(raw)
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", raw) if isinstance(raw, str) else None
    if found is None or found[2] not in _TIMES or not float(found[1]):
        raise ValueError('must be a number of seconds, or text such as "90s" or "5min"')
    return float(found[1]) * _TIMES[found[2]]


def _seconds_or_none(raw: Any) -> float:
    return 0.0 if raw in (0, "0") and not isinstance(raw, bool) else _seconds(raw)


def _words(raw: Any) -> tuple[str, ...]:
    if isinstance(raw, str):
        raw = _json_list(raw) if raw.lstrip().startswith("[") else raw.split()
    if not isinstance(raw, list | tuple) or not all(isinstance(word, str) for word in raw):
        raise ValueError('must be a list of texts, such as ["a", "b"]')
    return tuple(raw)


def _json_list(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError('must be a list of texts, such as ["a", "b"]') from None


def _three(raw: Any) -> tuple[str, ...]:
    words = _words(raw)
    if len(words) != 3:
        raise ValueError("must be three expressions: configure, write, read")
    return words


def choice(*words: str) -> Kind:
    def read(raw: Any) -> str:
        word = str(raw).lower()
        if word not in words:
            raise ValueError(f"must be {', '.join(words[:-1])} or {words[-1]}")
        return word

    return Kind(read)


TEXT = Kind(_text)
BOOLEAN = Kind(_boolean)
SIZE = Kind(_size_bytes, _show_size)
MEMORY = Kind(_memory, lambda number: _show_size(number) if number else "40%")
SECONDS = Kind(_seconds)
SECONDS_OR_NONE = Kind(_seconds_or_none)
WORDS = Kind(_words, list)
EXPRESSIONS = Kind(_three, list)
