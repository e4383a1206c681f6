"""Values from outside as error texts print them: in the notation of Erlang, which clients and people search for.

Text is a binary, an object a map, and a list of pairs a list of tuples (`Pairs`). A list that does not fit into a line
is broken behind its elements. Encoded values (`raw_term`) show the types of what is inside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from menura.core import fields

_LINE = 80


class Pairs(tuple[tuple[str, Any], ...]):
    """Keys and values that are printed as tuples."""

    __slots__ = ()


def term(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    if isinstance(value, str):
        return _binary(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Pairs):
        return _broken([f"{{{term(key)},{term(item)}}}" for key, item in value])
    if isinstance(value, Mapping):
        return "#{" + ",".join(f"{term(key)} => {term(item)}" for key, item in sorted(value.items())) + "}"
    if isinstance(value, (list, tuple)):
        return _broken([term(item) for item in value])
    return str(value)


def raw_term(raw: bytes) -> str:
    """An encoded value, type octet first, without its own type."""
    kind = fields.type_name(raw)
    if kind == "void":
        return "undefined"
    if kind == "array":
        return _broken([f"{{{fields.type_name(item)},{raw_term(item)}}}" for item in fields.raw_items(raw)])
    if kind == "table":
        entries = fields.raw_table(raw[1:]).items()
        return _broken([f"{{{_binary(key)},{fields.type_name(item)},{raw_term(item)}}}" for key, item in entries])
    value = fields.decode_value(raw)
    if kind == "decimal":
        return f"{{{raw[1]},{int.from_bytes(raw[2:], 'big', signed=True)}}}"
    if isinstance(value, bytes):
        return _octets(value)
    return str(int.from_bytes(raw[1:], "big")) if kind == "timestamp" else term(value)


def _octets(octets: bytes) -> str:
    text = octets.decode(errors="replace")
    if text.isascii() and text.isprintable():
        return _binary(text)
    return f"<<{','.join(map(str, octets))}>>"


def _binary(text: str) -> str:
    plain = (
        text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    if not text:
        return "<<>>"
    return f'<<"{plain}">>' if text.isascii() else f'<<"{plain}"/utf8>>'


def _float(number: float) -> str:
    digits, e, exponent = repr(number).partition("e")
    return (digits if "." in digits else digits + ".0") + e + exponent.lstrip("+")


def _broken(items: list[str]) -> str:
    line = f"[{','.join(items)}]"
    return line if len(line) <= _LINE else "[" + ",\n ".join(items) + "]"
