"""Method frames <-> method objects, driven by `spec.METHODS`.

A method decoded is an object of a class of its own, made once from the table: `method.queue`, `method.name` ("queue.declare"),
`method.ids`. Encoding is `frame(channel, "queue.declare-ok", queue=..., ...)`; arguments left out are empty. A
table argument is a `Table`: its octets, decoded when asked.

Anything malformed raises WireError, which carries the ids as far as they are known.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, ClassVar

from menura.core import fields
from menura.core.fields import FieldError
from menura.protocols.amqp import spec

EMPTY_TABLE = b"\x00\x00\x00\x00"
_lead = struct.Struct(">BHI").pack
Reader = Callable[[bytes, int], tuple[Any, int]]


class WireError(Exception):
    """The payload is not a method. `unknown` tells an unknown method from malformed arguments."""

    def __init__(self, text: str, ids: tuple[int, int], *, unknown: bool = False) -> None:
        super().__init__(text)
        self.ids = ids
        self.unknown = unknown


class Table:
    """A field table as it came; checked for its structure."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def decode(self) -> dict[str, Any]:
        return fields.decode_table(self.raw)[0]


class Method:
    """One method's arguments as attributes."""

    name: ClassVar[str]
    ids: ClassVar[tuple[int, int]]
    __slots__ = ()

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={getattr(self, name)!r}" for name in type(self).__slots__)
        return f"{self.name}({arguments})"


# -- reading --------------------------------------------------------------------------------------------------------


def _number(form: str) -> Reader:
    layout = struct.Struct(form)

    def read(data: bytes, at: int) -> tuple[int, int]:
        return layout.unpack_from(data, at)[0], at + layout.size

    return read


def _shortstr(data: bytes, at: int) -> tuple[str, int]:
    stop = at + 1 + data[at]
    if stop > len(data):
        raise IndexError
    return data[at + 1 : stop].decode(), stop


def _longstr(data: bytes, at: int) -> tuple[bytes, int]:
    stop = at + 4 + struct.unpack_from(">I", data, at)[0]
    if stop > len(data):
        raise IndexError
    return data[at + 4 : stop], stop


def _table(data: bytes, at: int) -> tuple[Table, int]:
    _, stop = fields.decode_table(data, at)
    return Table(data[at:stop]), stop


_READERS: dict[str, Reader] = {
    "octet": _number(">B"),
    "short": _number(">H"),
    "long": _number(">I"),
    "longlong": _number(">Q"),
    "shortstr": _shortstr,
    "longstr": _longstr,
    "table": _table,
}

# -- writing --------------------------------------------------------------------------------------------------------


def _write_shortstr(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    if len(data) > 255:
        raise ValueError(f"a short string has at most 255 octets: {value!r}")
    return bytes((len(data),)) + data


def _write_longstr(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return len(data).to_bytes(4, "big") + data


_WRITERS: dict[str, tuple[Callable[[Any], bytes], Any]] = {
    "octet": (struct.Struct(">B").pack, 0),
    "short": (struct.Struct(">H").pack, 0),
    "long": (struct.Struct(">I").pack, 0),
    "longlong": (struct.Struct(">Q").pack, 0),
    "shortstr": (_write_shortstr, ""),
    "longstr": (_write_longstr, b""),
    "table": (bytes, EMPTY_TABLE),
}


class _Layout:
    """How one method is read and written."""

    __slots__ = ("arguments", "ids", "method", "prefix")

    def __init__(self, name: str, method_id: int, arguments: str) -> None:
        self.ids = (spec.CLASSES[name.split(".")[0]], method_id)
        self.prefix = struct.pack(">HH", *self.ids)
        self.arguments = [tuple(argument.split(":")) for argument in arguments.split()]
        slots = tuple(argument for argument, _ in self.arguments)
        self.method: type[Method] = type(
            "Method_" + name.replace(".", "_").replace("-", "_"),
            (Method,),
            {"__slots__": slots, "name": name, "ids": self.ids},
        )

    def read(self, payload: bytes) -> Any:
        method = self.method()
        at = 4
        bit = 0
        for name, kind in self.arguments:
            value: Any
            if kind == "bit":
                if not bit:
                    bits = payload[at]
                    at += 1
                value = bool(bits >> bit & 1)
                bit = (bit + 1) % 8
            else:
                bit = 0
                value, at = _READERS[kind](payload, at)
            setattr(method, name, value)
        if at != len(payload):
            raise ValueError("octets after the last argument")
        return method

    def write(self, values: dict[str, Any]) -> bytes:
        parts = [self.prefix]
        bit = bits = 0
        for name, kind in self.arguments:
            if kind == "bit":
                bits |= bool(values.pop(name, False)) << bit
                bit += 1
                continue
            if bit:
                parts.append(bytes((bits,)))
                bit = bits = 0
            write, absent = _WRITERS[kind]
            parts.append(write(values.pop(name, absent)))
        if bit:
            parts.append(bytes((bits,)))
        if values:
            raise TypeError(f"{self.method.name} has no argument {', '.join(values)}")
        return b"".join(parts)


_BY_NAME = {name: _Layout(name, *definition) for name, definition in spec.METHODS.items()}
_BY_PREFIX = {layout.prefix: layout for layout in _BY_NAME.values()}


def decode_method(payload: bytes) -> Any:
    """The method in a method frame's payload."""
    layout = _BY_PREFIX.get(payload[:4])
    if layout is None:
        ids = (int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big"))
        raise WireError(f"unknown class or method {ids[0]}.{ids[1]}", ids, unknown=True)
    try:
        return layout.read(payload)
    except (IndexError, struct.error):
        raise WireError(f"{layout.method.name} is cut off", layout.ids) from None
    except UnicodeDecodeError:
        raise WireError(f"{layout.method.name}: a short string is not UTF-8", layout.ids) from None
    except (FieldError, ValueError) as error:
        raise WireError(f"{layout.method.name}: {error}", layout.ids) from None


def encode_method(name: str, **arguments: Any) -> bytes:
    """A method frame's payload."""
    return _BY_NAME[name].write(arguments)


def frame(channel: int, name: str, **arguments: Any) -> bytes:
    """A whole method frame."""
    payload = _BY_NAME[name].write(arguments)
    return b"".join((_lead(1, channel, len(payload)), payload, b"\xce"))
