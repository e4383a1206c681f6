"""Methods of AMQP 0-9-1: bytes <-> values, driven by the tables of `spec`.

At import, each method of the table becomes a class: a tuple of its arguments with an attribute for each, and with it a
list of readers and a list of writers. A run of arguments of fixed width is one reader (a struct), a run of bits is one
or more octets, and everything else has its length in front. `decode_method` walks the readers over a method frame's
payload; `encode_method` and `frame` go the other way, and take zero, empty or false for any argument not given.

An argument that is a table comes as a `Table`: checked and decoded, and with its bytes, since the widths of its
numbers matter to whoever compares arguments. Payloads come from a peer: all that decoding can raise is WireError,
whose `kind` says what is wrong. The runs of publishes and deliveries of a busy connection do not pass through here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from struct import Struct
from struct import error as struct_error
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from menura.core.fields import EMPTY_TABLE, FieldError, Value, decode_table, encode_table, raw_table

from .spec import FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_METHOD, METHODS, MethodSpec

Ids = tuple[int, int]
Kind = Literal[
    "unknown-class",
    "unknown-method",
    "truncated",
    "trailing",
    "bad-utf8",
    "bad-table",
    "unencodable",
]


class WireError(ValueError):
    """What a peer sent is not a method, or what we want to send does not fit into one (`unencodable`).

    `ids` are those of the method where they could be read.
    """

    def __init__(self, kind: Kind, text: str, ids: Ids = (0, 0)) -> None:
        super().__init__(text)
        self.kind: Kind = kind
        self.ids = ids


class Table:
    """An argument that is a field table: `raw` is its encoding with the length."""

    __slots__ = ("_values", "raw")

    def __init__(self, raw: bytes = EMPTY_TABLE) -> None:
        self.raw = raw
        self._values: Mapping[str, Value] = decode_table(raw)[0] if raw != EMPTY_TABLE else {}

    def decode(self) -> Mapping[str, Value]:
        """Key to Python value. Decoded once: not to be changed."""
        return self._values

    def raw_items(self) -> dict[str, bytes]:
        """Key to encoded value, type octet first."""
        return raw_table(self.raw)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"Table({self._values!r})"


class Method(tuple[Any, ...]):
    """The arguments of one method; its subclasses, one for each method, are in METHOD_CLASSES."""

    __slots__ = ()
    name: ClassVar[str]
    ids: ClassVar[Ids]
    argument_names: ClassVar[tuple[str, ...]]
    synchronous: ClassVar[bool]
    has_content: ClassVar[bool]

    if TYPE_CHECKING:

        def __getattr__(self, argument: str) -> Any: ...

    def __repr__(self) -> str:
        pairs = zip(self.argument_names, self, strict=True)
        return f"{self.name}({', '.join(f'{key}={value!r}' for key, value in pairs)})"


Reader = Callable[[bytes, int, list[Any]], int]
"""Reads arguments at a position, adds them to the list, gives the position after them."""
Writer = Callable[[Any], bytes]

_LAYOUTS = {"octet": "B", "short": "H", "long": "I", "longlong": "Q", "timestamp": "Q"}
_IDS = Struct(">HH")
_UINT32 = Struct(">I")
_FRAME_HEAD = Struct(">BHI")
_HEADER_HEAD = Struct(">HHQ")
_FRAME_END = bytes((FRAME_END,))
_BASIC_CLASS = 60
_SHORTSTR_OCTETS_MAX = 255


# Readers


def _fixed_reader(layout: Struct) -> Reader:
    unpack_from, size = layout.unpack_from, layout.size

    def read(data: bytes, pos: int, out: list[Any]) -> int:
        if pos + size > len(data):
            raise WireError("truncated", f"number at {pos} is cut short")
        out += unpack_from(data, pos)
        return pos + size

    return read


def _bits_reader(count: int) -> Reader:
    masks = [1 << bit for bit in range(count)]

    def read(data: bytes, pos: int, out: list[Any]) -> int:
        if pos >= len(data):
            raise WireError("truncated", f"bits at {pos} are missing")
        octet = data[pos]
        out += [octet & mask != 0 for mask in masks]
        return pos + 1

    return read


def _read_shortstr(data: bytes, pos: int, out: list[Any]) -> int:
    if pos >= len(data):
        raise WireError("truncated", f"short string at {pos} is missing")
    end = pos + 1 + data[pos]
    if end > len(data):
        raise WireError("truncated", f"short string at {pos} is cut short")
    try:
        out.append(data[pos + 1 : end].decode())
    except UnicodeDecodeError:
        raise WireError("bad-utf8", f"short string at {pos} is not UTF-8") from None
    return end


def _extent(data: bytes, pos: int) -> int:
    """The end of what has its uint32 length at `pos`."""
    if pos + 4 > len(data):
        raise WireError("truncated", f"length at {pos} is cut short")
    end: int = pos + 4 + _UINT32.unpack_from(data, pos)[0]
    if end > len(data):
        raise WireError("truncated", f"long string or table at {pos} is cut short")
    return end


def _read_longstr(data: bytes, pos: int, out: list[Any]) -> int:
    end = _extent(data, pos)
    out.append(data[pos + 4 : end])
    return end


def _read_table(data: bytes, pos: int, out: list[Any]) -> int:
    end = _extent(data, pos)
    try:
        out.append(Table(data[pos:end]))
    except FieldError as error:
        raise WireError("bad-table", f"table at {pos}: {error}") from None
    return end


_READERS: dict[str, Reader] = {"shortstr": _read_shortstr, "longstr": _read_longstr, "table": _read_table}


# Writers


def _fixed_writer(layout: Struct) -> Writer:
    return layout.pack


def _write_shortstr(value: str | bytes) -> bytes:
    octets = _octets(value)
    if len(octets) > _SHORTSTR_OCTETS_MAX:
        raise WireError("unencodable", f"short string of {len(octets)} octets")
    return bytes((len(octets),)) + octets


def _write_longstr(value: str | bytes) -> bytes:
    octets = _octets(value)
    return _UINT32.pack(len(octets)) + octets


def _octets(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _write_table(value: Table | bytes | Mapping[str, Value]) -> bytes:
    if isinstance(value, Table):
        return value.raw
    return value if isinstance(value, bytes) else encode_table(value)


_WRITERS: dict[str, Writer] = {
    "shortstr": _write_shortstr,
    "longstr": _write_longstr,
    "table": _write_table,
    **{kind: _fixed_writer(Struct(">" + code)) for kind, code in _LAYOUTS.items()},
}
_DEFAULTS: dict[str, Any] = {"bit": False, "shortstr": "", "longstr": b"", "table": EMPTY_TABLE}


# One class, its readers and its writers for each method


def _make_class(spec: MethodSpec) -> type[Method]:
    names = tuple([name for name, _ in spec.arguments])
    members: dict[str, Any] = {name: property(itemgetter(index)) for index, name in enumerate(names)}
    members |= {
        "__slots__": (),
        "name": spec.name,
        "ids": spec.ids,
        "argument_names": names,
        "synchronous": spec.synchronous,
        "has_content": spec.has_content,
    }
    return type(spec.name, (Method,), members)


def _runs(spec: MethodSpec) -> list[tuple[str, list[tuple[str, str]]]]:
    """The arguments in groups that are read as one: 'fixed', 'bit' (up to eight) or a single one of another type."""
    runs: list[tuple[str, list[tuple[str, str]]]] = []
    for argument in spec.arguments:
        group = "fixed" if argument[1] in _LAYOUTS else argument[1]
        if runs and runs[-1][0] == group and (group == "fixed" or (group == "bit" and len(runs[-1][1]) < 8)):
            runs[-1][1].append(argument)
        else:
            runs.append((group, [argument]))
    return runs


def _make_readers(spec: MethodSpec) -> tuple[Reader, ...]:
    readers = []
    for group, arguments in _runs(spec):
        if group == "fixed":
            layout = ">" + "".join([_LAYOUTS[kind] for _, kind in arguments])
            readers.append(_fixed_reader(Struct(layout)))
        elif group == "bit":
            readers.append(_bits_reader(len(arguments)))
        else:
            readers.append(_READERS[group])
    return tuple(readers)


_RUNS = {spec.ids: _runs(spec) for spec in METHODS}
METHOD_CLASSES: dict[Ids, type[Method]] = {spec.ids: _make_class(spec) for spec in METHODS}
IDS_BY_NAME: dict[str, Ids] = {spec.name: spec.ids for spec in METHODS}
_DECODERS = {spec.ids: (METHOD_CLASSES[spec.ids], _make_readers(spec)) for spec in METHODS}
_CLASS_IDS = {spec.ids[0] for spec in METHODS}


def decode_method(payload: bytes) -> tuple[Ids, Method]:
    """The method in the payload of a method frame: (class id, method id) and the arguments."""
    if len(payload) < 4:
        raise WireError("truncated", "no class and method id")
    ids: Ids = _IDS.unpack_from(payload)
    decoder = _DECODERS.get(ids)
    if decoder is None:
        known = ids[0] in _CLASS_IDS
        raise WireError("unknown-method" if known else "unknown-class", f"no method {ids[0]}.{ids[1]}", ids)
    cls, readers = decoder
    values: list[Any] = []
    pos = 4
    try:
        for read in readers:
            pos = read(payload, pos, values)
    except WireError as error:
        error.ids = ids
        raise
    if pos != len(payload):
        raise WireError("trailing", f"{len(payload) - pos} octets after {cls.name}", ids)
    return ids, cls(values)


def encode_method(ids: Ids, **arguments: Any) -> bytes:
    """The payload of a method frame. A table may be a mapping, a Table or encoded bytes; a string str or bytes."""
    parts = [_IDS.pack(*ids)]
    try:
        for group, run in _RUNS[ids]:
            if group == "bit":
                parts.append(_pack_bits([arguments.pop(name, False) for name, _ in run]))
            else:
                parts += [_WRITERS[kind](arguments.pop(name, _DEFAULTS.get(kind, 0))) for name, kind in run]
    except WireError as error:
        error.ids = ids
        raise
    except (ValueError, ArithmeticError, struct_error) as error:
        raise WireError("unencodable", f"{METHOD_CLASSES[ids].name}: {error}", ids) from None
    if arguments:
        raise TypeError(f"{METHOD_CLASSES[ids].name} has no argument {', '.join(arguments)}")
    return b"".join(parts)


def _pack_bits(bits: list[bool]) -> bytes:
    return bytes((sum([1 << index for index, bit in enumerate(bits) if bit]),))


# Frames


def method_frame(channel: int, payload: bytes) -> bytes:
    return _FRAME_HEAD.pack(FRAME_METHOD, channel, len(payload)) + payload + _FRAME_END


def frame(channel: int, method: str, /, **arguments: Any) -> bytes:
    """A whole method frame: `frame(1, "queue.declare-ok", queue="q", message_count=0)`."""
    return method_frame(channel, encode_method(IDS_BY_NAME[method], **arguments))


def header_frame(channel: int, body_bytes: int, properties: bytes = b"\x00\x00") -> bytes:
    """The content header that announces a body; `properties` is the encoded block, flag word first."""
    payload = _HEADER_HEAD.pack(_BASIC_CLASS, 0, body_bytes) + properties
    return _FRAME_HEAD.pack(FRAME_HEADER, channel, len(payload)) + payload + _FRAME_END


def body_frame(channel: int, body: bytes) -> bytes:
    return _FRAME_HEAD.pack(FRAME_BODY, channel, len(body)) + body + _FRAME_END


HEARTBEAT = _FRAME_HEAD.pack(FRAME_HEARTBEAT, 0, 0) + _FRAME_END
