"""Values as rabbitmqctl prints them: Erlang terms in tables, triples of name, type and value in its JSON.

What the HTTP API gives as plain JSON is marked here with what it is, so that a formatter need not guess.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

_INT32 = 1 << 31


class Tags(tuple[str, ...]):
    """Names in brackets: [administrator, monitoring]."""

    __slots__ = ()


class Pid(str):
    """What rabbitmqctl calls an Erlang process: here a name for a connection, channel or queue that stays the same."""

    __slots__ = ()


class Protocol(tuple[Any, ...]):
    """A protocol and its version: {0,9,1}, {'MQTT',"3.1.1"}."""

    __slots__ = ()


class Arguments(dict[str, Any]):
    """Arguments of a queue, or what a client says of itself."""


def pid(node: str, name: str) -> Pid:
    """The same for the same name: from it a connection is found again. Two numbers, of 32 bits together."""
    number = zlib.crc32(name.encode())
    return Pid(f"<{node}.1.{number >> 13}.{number & 0x1FFF}>")


def protocol(label: str) -> Protocol | str:
    """What `AMQP 0-9-1` is to rabbitmqctl."""
    name, _, version = label.partition(" ")
    if name.endswith("AMQP") and version.replace("-", "").isdigit():
        return Protocol(int(number) for number in version.split("-"))
    return Protocol((name, version)) if version else label


def text(value: Any) -> str:
    """A value in a column of a table."""
    if isinstance(value, Tags):
        return f"[{', '.join(value)}]"
    if isinstance(value, Protocol):
        return _tuple(value)
    if isinstance(value, str):
        return value
    return "" if value is None else term(value)


def term(value: Any) -> str:
    """A value inside of another."""
    if value is None:
        return "undefined"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, Mapping):
        return "[" + ",".join(f"{{{term(name)},{term(each)}}}" for name, each in value.items()) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(term, value)) + "]"
    return str(value)


def _tuple(value: Protocol) -> str:
    head, *rest = value
    first = f"'{head}'" if isinstance(head, str) else term(head)
    return "{" + ",".join([first, *map(term, rest)]) + "}"


def plain(value: Any) -> Any:
    """A value for JSON, in the shape that rabbitmqctl gives it."""
    if value is None:
        return ""
    if isinstance(value, Arguments):
        return triples(value)
    if isinstance(value, (Tags, Protocol)):
        return list(value)
    return value


def triples(table: Mapping[str, Any]) -> list[list[Any]]:
    return [[name, *_typed(value)] for name, value in table.items()]


def _typed(value: Any) -> tuple[str, Any]:
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, int):
        return ("signedint" if -_INT32 <= value < _INT32 else "long"), value
    if isinstance(value, float):
        return "double", value
    if isinstance(value, Mapping):
        return "table", triples(value)
    if isinstance(value, list):
        return "array", [list(_typed(each)) for each in value]
    return ("void", "undefined") if value is None else ("longstr", value)
