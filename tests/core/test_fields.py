"""Field tables: golden octets for each type, round trips, two other libraries' opinion, and hostile input.

The golden octets were written by hand from the table of types. Bounds are measured as allocated memory, which unlike
time does not depend on the machine.
"""

from __future__ import annotations

import struct
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from menura.core import fields
from menura.core.fields import DEPTH_MAX, FieldError

# Octets of a value with its type, name of the type, value.
GOLDEN: list[tuple[bytes, str, Any]] = [
    (b"t\x01", "bool", True),
    (b"t\x00", "bool", False),
    (b"b\xff", "byte", -1),
    (b"B\xff", "unsignedbyte", 255),
    (b"s\xff\xfe", "short", -2),
    (b"u\xff\xfe", "unsignedshort", 65534),
    (b"I\xff\xff\xff\xfd", "signedint", -3),
    (b"i\xff\xff\xff\xfd", "unsignedint", 4294967293),
    (b"l\xff\xff\xff\xff\xff\xff\xff\xfc", "long", -4),
    (b"L\xff\xff\xff\xff\xff\xff\xff\xfc", "long", -4),
    (b"f\x3f\xc0\x00\x00", "float", 1.5),
    (b"d\xbf\xf8\x00\x00\x00\x00\x00\x00", "double", -1.5),
    (b"D\x02\x00\x00\x01\x3a", "decimal", Decimal("3.14")),
    (b"D\x00\xff\xff\xff\xff", "decimal", Decimal("-1")),
    (b"S\x00\x00\x00\x03h\xc3\xa9", "longstr", "hé"),
    (b"S\x00\x00\x00\x01\xff", "longstr", b"\xff"),
    (b"x\x00\x00\x00\x02hi", "binary", b"hi"),
    (b"T\x00\x00\x00\x00\x5e\x0b\xe1\x00", "timestamp", datetime(2020, 1, 1, tzinfo=UTC)),
    (b"V", "void", None),
    (b"A\x00\x00\x00\x05t\x01Vb\x07", "array", [True, None, 7]),
    (b"F\x00\x00\x00\x04\x01kB\x09", "table", {"k": 9}),
    (b"F\x00\x00\x00\x00", "table", {}),
    (b"A\x00\x00\x00\x00", "array", []),
]
BEYOND_DATETIME = b"T\x00\x00\x01\x70\x00\x00\x00\x00"

TABLE = b"\x00\x00\x00\x10" + b"\x01aI\x00\x00\x00\x01" + b"\x02bcS\x00\x00\x00\x01z"


def sized(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def entry(key: str, raw: bytes) -> bytes:
    return bytes((len(key.encode()),)) + key.encode() + raw


# Each type


@pytest.mark.parametrize(("raw", "name", "value"), GOLDEN, ids=[f"{name}-{raw.hex()}" for raw, name, _ in GOLDEN])
def test_each_type_is_decoded_and_named(raw: bytes, name: str, value: Any) -> None:
    decoded = fields.decode_value(raw)
    assert (decoded, type(decoded)) == (value, type(value))
    assert fields.type_name(raw) == name
    assert fields.decode_table(sized(entry("k", raw))) == ({"k": value}, 4 + 2 + len(raw))


def test_the_golden_values_cover_every_type() -> None:
    assert {raw[:1] for raw, _, _ in GOLDEN} == {bytes((tag,)) for tag in b"tbBsuIilLfdDSATFVx"}


def test_any_nonzero_octet_is_true() -> None:
    assert fields.decode_value(b"t\x02") is True


def test_a_timestamp_beyond_datetime_stays_a_number_of_seconds() -> None:
    assert fields.decode_value(BEYOND_DATETIME) == 0x170_0000_0000


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        (True, b"t\x01"),
        (1, b"I\x00\x00\x00\x01"),
        (2**31 - 1, b"I\x7f\xff\xff\xff"),
        (-(2**31), b"I\x80\x00\x00\x00"),
        (2**31, b"l\x00\x00\x00\x00\x80\x00\x00\x00"),
        (-(2**63), b"l\x80\x00\x00\x00\x00\x00\x00\x00"),
        (1.5, b"d\x3f\xf8\x00\x00\x00\x00\x00\x00"),
        (Decimal("3.14"), b"D\x02\x00\x00\x01\x3a"),
        (Decimal("-2E+3"), b"D\x00\xff\xff\xf8\x30"),
        ("é", b"S\x00\x00\x00\x02\xc3\xa9"),
        (b"\xff", b"S\x00\x00\x00\x01\xff"),
        (bytearray(b"a"), b"S\x00\x00\x00\x01a"),
        (datetime(2020, 1, 1, tzinfo=UTC), b"T\x00\x00\x00\x00\x5e\x0b\xe1\x00"),
        (datetime(2020, 1, 1), b"T\x00\x00\x00\x00\x5e\x0b\xe1\x00"),
        (datetime(2020, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), b"T\x00\x00\x00\x00\x5e\x0b\xe1\x00"),
        ({"k": None}, b"F\x00\x00\x00\x03\x01kV"),
        ([None, False], b"A\x00\x00\x00\x03Vt\x00"),
        ((None,), b"A\x00\x00\x00\x01V"),
        (None, b"V"),
    ],
)
def test_a_python_value_takes_its_natural_type(value: Any, raw: bytes) -> None:
    assert fields.encode_value(value) == raw
    assert fields.encode_table({"k": value}) == sized(b"\x01k" + raw)


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        -(2**63) - 1,
        Decimal("2147483648"),
        Decimal("1E+999999"),
        Decimal("1E-256"),
        Decimal("NaN"),
        Decimal("Infinity"),
        datetime(1969, 12, 31, tzinfo=UTC),
        "\ud800",
        object(),
        {1: "a"},
        {"k" * 256: 1},
        {"é" * 128: 1},
    ],
    ids=repr,
)
def test_a_value_without_a_field_type_is_refused(value: Any) -> None:
    with pytest.raises(FieldError):
        fields.encode_table({"k": value})


def test_a_key_has_up_to_255_octets() -> None:
    table = {"é" * 127 + "a": 1}
    assert fields.decode_table(fields.encode_table(table))[0] == table


# Tables


def test_a_table_is_read_where_it_stands() -> None:
    assert fields.decode_table(b"???" + TABLE + b"!", 3) == ({"a": 1, "bc": "z"}, 3 + 20)
    assert fields.encode_table({"a": 1, "bc": "z"}) == TABLE


def test_of_equal_keys_the_last_counts_and_the_order_stays() -> None:
    data = sized(entry("a", b"b\x01") + entry("b", b"V") + entry("a", b"b\x02"))
    assert fields.decode_table(data)[0] == {"a": 2, "b": None}
    raw = fields.raw_table(data)
    assert list(raw.items()) == [("a", b"b\x02"), ("b", b"V")]


def test_a_raw_table_keeps_every_type_octet_for_octet() -> None:
    data = sized(b"".join(entry(f"k{i}", raw) for i, (raw, _, _) in enumerate(GOLDEN)))
    raw = fields.raw_table(b"?" + data, 1)
    assert list(raw.values()) == [raw for raw, _, _ in GOLDEN]
    assert fields.pack_raw_table(raw) == data
    assert {key: fields.decode_value(value) for key, value in raw.items()} == fields.decode_table(data)[0]


# Round trips

KEYS = st.text(st.characters(codec="utf-8"), max_size=60)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
    | st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-2_000_000, max_value=2_000_000)
    | st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)).map(lambda time: time.replace(microsecond=0))
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)
TABLES = st.dictionaries(KEYS, VALUES, max_size=6)


@given(TABLES)
def test_what_is_encoded_is_decoded(table: dict[str, Any]) -> None:
    data = fields.encode_table(table)
    assert fields.decode_table(data) == (table, len(data))
    assert fields.pack_raw_table(fields.raw_table(data)) == data


@given(st.binary())
def test_bytes_come_back_as_text_only_if_they_are_utf8(data: bytes) -> None:
    decoded = fields.decode_value(fields.encode_value(data))
    assert (decoded.encode() if isinstance(decoded, str) else decoded) == data


# Other libraries' opinion

# Left out: py-amqp reads timestamps as naive and writes integers beyond 32 bits as `L`.
SHARED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**31) + 1, 2**31 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)
# pamqp cuts keys at 128 octets.
SHORT_KEYS = st.text(st.characters(codec="utf-8"), max_size=32)
SHARED_TABLES = st.dictionaries(SHORT_KEYS, SHARED, max_size=6)


@given(SHARED_TABLES)
def test_py_amqp_writes_the_same_octets_and_reads_them(table: dict[str, Any]) -> None:
    serialization = pytest.importorskip("amqp.serialization")
    data = fields.encode_table(table)
    assert serialization.dumps("F", [table]) == data
    assert serialization.loads("F", data, 0)[0] == [table]


@given(SHARED_TABLES)
def test_pamqp_reads_what_is_written(table: dict[str, Any]) -> None:
    decode = pytest.importorskip("pamqp.decode")
    data = fields.encode_table(table)
    assert decode.field_table(data) == (len(data), table)


@given(
    st.dictionaries(SHORT_KEYS, st.integers(-(2**63), 2**63 - 1) | st.lists(st.integers(-(2**40), 2**40)), max_size=6)
)
def test_pamqps_narrow_integers_are_read(table: dict[str, Any]) -> None:
    encode = pytest.importorskip("pamqp.encode")
    data = encode.field_table(table)
    assert fields.decode_table(data) == (table, len(data))


@pytest.mark.parametrize("raw", [raw for raw, _, _ in GOLDEN], ids=repr)
def test_pamqp_reads_every_type_the_same(raw: bytes) -> None:
    decode = pytest.importorskip("pamqp.decode")
    consumed, value = decode.embedded_value(raw)
    assert (consumed, value) == (len(raw), fields.decode_value(raw))


# Malformed


def nested(depth: int, tag: bytes) -> bytes:
    """A table in which tables or arrays lie within one another, `depth` containers in all."""
    content = b""
    for _ in range(depth - 1):
        content = tag + sized(content) if tag == b"A" else entry("", tag + sized(content))
    return sized(content if tag == b"F" else entry("", content) if content else b"")


@pytest.mark.parametrize("tag", [b"F", b"A"])
def test_tables_nest_up_to_the_limit_and_no_deeper(tag: bytes) -> None:
    assert fields.decode_table(nested(DEPTH_MAX, tag))[1] == len(nested(DEPTH_MAX, tag))
    for depth in (DEPTH_MAX + 1, 1000, 5000):
        with pytest.raises(FieldError, match="deep"):
            fields.decode_table(nested(depth, tag))


def test_encoding_nests_up_to_the_limit_and_no_deeper() -> None:
    table: dict[str, Any] = {}
    for _ in range(DEPTH_MAX - 1):
        table = {"": table}
    assert fields.decode_table(fields.encode_table(table))[0] == table
    with pytest.raises(FieldError, match="deep"):
        fields.encode_table({"": table})


def test_a_list_that_holds_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(FieldError, match="deep"):
        fields.encode_table({"k": circle})


WHOLE = sized(b"".join(entry(f"k{i}", raw) for i, (raw, _, _) in enumerate(GOLDEN)))


def test_every_cut_is_refused() -> None:
    for length in range(len(WHOLE)):
        with pytest.raises(FieldError):
            fields.decode_table(WHOLE[:length])
        with pytest.raises(FieldError):
            fields.raw_table(WHOLE[:length])


@pytest.mark.parametrize(("raw", "name", "value"), GOLDEN, ids=[f"{name}-{raw.hex()}" for raw, name, _ in GOLDEN])
def test_a_value_cut_short_within_its_table_is_refused(raw: bytes, name: str, value: Any) -> None:
    for length in range(len(raw)):
        with pytest.raises(FieldError):
            fields.decode_table(sized(entry("k", raw[:length])) + raw[length:])
        with pytest.raises(FieldError):
            fields.decode_value(raw[:length])
    with pytest.raises(FieldError, match="after"):
        fields.decode_value(raw + b"V")


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\xff" + bytes(100),
        sized(b"\xffkey"),
        sized(b"\x01k"),
        sized(b"\x00"),
        sized(entry("k", b"S\xff\xff\xff\xff")),
        sized(entry("k", b"F\x00\x00\x00\x01")) + b"\x00",
        sized(entry("k", b"A" + sized(b"S\x00\x00\x00\x02a"))) + b"a",
        sized(entry("k", b"F" + sized(b"\x09k"))) + bytes(20),
        sized(entry("k", b"Z")),
        sized(entry("k", b"\x00")),
        sized(b"\x01\xffV"),
    ],
    ids=bytes.hex,
)
def test_lengths_that_lie_and_types_that_are_not_are_refused(data: bytes) -> None:
    with pytest.raises(FieldError):
        fields.decode_table(data)


@given(st.binary(max_size=200))
def test_any_octets_are_a_table_or_a_field_error(data: bytes) -> None:
    for read in (fields.decode_table, fields.raw_table, fields.decode_value, fields.type_name):
        try:
            read(data)
        except FieldError:
            pass


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_changed_octet_gives_a_table_or_a_field_error(at: int, octet: int) -> None:
    data = WHOLE[:at] + bytes((octet,)) + WHOLE[at + 1 :]
    try:
        fields.decode_table(data)
    except FieldError:
        pass


BOMBS = {
    "voids": entry("", b"A" + sized(b"V" * 100_000)),
    "empty arrays": entry("", b"A" + sized(b"A\x00\x00\x00\x00" * 20_000)),
    "small tables": entry("", b"A" + sized((b"F" + sized(b"\x00V")) * 14_000)),
    "distinct keys": b"".join(struct.pack(">BHs", 2, key, b"V") for key in range(0x7F7F) if not key & 0x8080),
    "one key again and again": b"\x00V" * 50_000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_memory_is_linear_in_the_input(bomb: str) -> None:
    data = sized(BOMBS[bomb])
    assert peak_bytes(data) < 64 * len(data)


def test_a_length_that_lies_reserves_nothing() -> None:
    assert peak_bytes(sized(entry("k", b"S\xff\xff\xff\xf0"))) < 10_000


def peak_bytes(data: bytes) -> int:
    tracemalloc.start()
    try:
        fields.decode_table(data)
    except FieldError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak
