"""Message properties: golden octets for each field, partial reading and rewriting, round trips, hostile input."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from menura.core import properties
from menura.core.properties import PROPERTIES, Properties, PropertiesError

HEADERS = b"\x00\x00\x00\x07\x01kI\x00\x00\x00\x05"

# Field, flag word, octets of the field, value.
GOLDEN: list[tuple[str, bytes, bytes, Any]] = [
    ("content_type", b"\x80\x00", b"\x04json", "json"),
    ("content_encoding", b"\x40\x00", b"\x05utf-8", "utf-8"),
    ("headers", b"\x20\x00", HEADERS, {"k": 5}),
    ("delivery_mode", b"\x10\x00", b"\x02", 2),
    ("priority", b"\x08\x00", b"\xff", 255),
    ("correlation_id", b"\x04\x00", b"\x02\xc3\xa9", "é"),
    ("reply_to", b"\x02\x00", b"\x01q", "q"),
    ("expiration", b"\x01\x00", b"\x0260", "60"),
    ("message_id", b"\x00\x80", b"\x01m", "m"),
    ("timestamp", b"\x00\x40", b"\x00\x00\x00\x00\x5e\x0b\xe1\x00", 1577836800),
    ("type", b"\x00\x20", b"\x01t", "t"),
    ("user_id", b"\x00\x10", b"\x05guest", "guest"),
    ("app_id", b"\x00\x08", b"\x00", ""),
    ("cluster_id", b"\x00\x04", b"\x01c", "c"),
]
ALL = b"\xff\xfc" + b"".join(octets for _, _, octets, _ in GOLDEN)
VALUES = {name: value for name, _, _, value in GOLDEN}
IDS = [name for name, *_ in GOLDEN]


def raw(name: str) -> Any:
    """What `field` gives: the headers stay encoded."""
    return HEADERS if name == "headers" else VALUES[name]


# Each field


def test_the_golden_fields_are_all_fields_in_order() -> None:
    assert list(PROPERTIES) == IDS == list(Properties.__slots__)


@pytest.mark.parametrize(("name", "flags", "octets", "value"), GOLDEN, ids=IDS)
def test_each_field_alone(name: str, flags: bytes, octets: bytes, value: Any) -> None:
    block = flags + octets
    assert Properties.decode(block).present() == {name: value}
    assert Properties(**{name: value}).encode() == block
    assert properties.field(block, name) == raw(name)
    assert all(properties.field(block, other) is None for other in IDS if other != name)


def test_all_fields_together() -> None:
    assert Properties.decode(ALL) == Properties(**VALUES)
    assert Properties(**VALUES).encode() == ALL
    assert {name: properties.field(ALL, name) for name in IDS} == {name: raw(name) for name in IDS}


def test_no_fields_at_all() -> None:
    assert Properties.decode(b"\x00\x00") == Properties()
    assert Properties().encode() == b"\x00\x00"
    assert properties.headers_raw(b"\x00\x00") is None
    assert properties.delivery_mode(b"\x00\x00") is None


def test_the_readers_of_single_fields() -> None:
    assert properties.delivery_mode(ALL) == 2
    assert properties.priority(ALL) == 255
    assert properties.timestamp(ALL) == 1577836800
    assert properties.headers_raw(ALL) == HEADERS
    assert properties.text(ALL, "expiration") == "60"


def test_an_empty_flag_word_may_follow_the_first() -> None:
    block = b"\x10\x01\x00\x01\x00\x00\x02"
    assert Properties.decode(block) == Properties(delivery_mode=2)
    assert properties.delivery_mode(block) == 2
    replaced = properties.replace_field(block, "priority", 1)
    assert Properties.decode(replaced) == Properties(delivery_mode=2, priority=1)


def test_any_timestamp_comes_back() -> None:
    block = Properties(timestamp=2**64 - 1).encode()
    assert block == b"\x00\x40" + b"\xff" * 8
    assert Properties.decode(block).timestamp == 2**64 - 1


# Rewriting


@pytest.mark.parametrize(("name", "flags", "octets", "value"), GOLDEN, ids=IDS)
def test_a_field_can_be_put_in_and_taken_out(name: str, flags: bytes, octets: bytes, value: Any) -> None:
    without = properties.replace_field(ALL, name, None)
    rest = b"".join(each for other, _, each, _ in GOLDEN if other != name)
    word = 0xFFFC ^ int.from_bytes(flags, "big")
    assert without == word.to_bytes(2, "big") + rest
    assert properties.replace_field(without, name, None) == without
    assert properties.replace_field(without, name, raw(name)) == ALL
    assert properties.replace_field(b"\x00\x00", name, raw(name)) == flags + octets


def test_headers_are_replaced_and_nothing_else() -> None:
    other = b"\x00\x00\x00\x03\x01zV"
    replaced = properties.replace_headers(ALL, other)
    assert replaced == ALL.replace(HEADERS, other)
    assert Properties.decode(properties.replace_headers(ALL, None)) == Properties(**{**VALUES, "headers": None})


def test_rewriting_leaves_text_alone_that_is_not_utf8() -> None:
    block = b"\x84\x00\x01\xff\x01\xfe"
    assert properties.replace_field(block, "priority", 3) == b"\x8c\x00\x01\xff\x03\x01\xfe"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content_type", "x" * 256),
        ("content_type", "é" * 128),
        ("content_type", "\ud800"),
        ("content_type", 1),
        ("priority", 256),
        ("priority", -1),
        ("priority", "1"),
        ("timestamp", 2**64),
        ("headers", b"\x00\x00"),
        ("headers", b"\x00\x00\x00\x02x"),
        ("headers", "text"),
        ("headers", {"k": object()}),
        ("headers", {"k" * 256: 1}),
    ],
    ids=repr,
)
def test_a_value_that_does_not_fit_is_refused(name: str, value: Any) -> None:
    with pytest.raises(PropertiesError):
        Properties(**{name: value}).encode()
    with pytest.raises(PropertiesError):
        properties.replace_field(ALL, name, value)


# Round trips and pamqp's opinion

TEXT = st.text(st.characters(codec="utf-8"), max_size=60)
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "octet": st.integers(0, 255),
    "time": st.integers(0, 2**64 - 1),
    "table": st.dictionaries(TEXT, st.none() | st.booleans() | TEXT | st.integers(-(2**63), 2**63 - 1), max_size=4),
}
ANY = st.fixed_dictionaries({}, optional={name: KINDS[kind] for name, kind in PROPERTIES.items()})


@given(ANY)
def test_what_is_encoded_is_decoded(values: dict[str, Any]) -> None:
    block = Properties(**values).encode()
    assert Properties.decode(block).present() == values
    properties.check(block)
    for name in IDS:
        assert (properties.field(block, name) is None) == (name not in values)


@given(ANY, ANY)
def test_replacing_field_by_field_is_encoding_anew(before: dict[str, Any], after: dict[str, Any]) -> None:
    block = Properties(**before).encode()
    target = Properties(**after).encode()
    for name in IDS:
        block = properties.replace_field(block, name, properties.field(target, name))
    assert block == target


# pamqp leaves empty text out, and knows only empty cluster ids.
FOR_PAMQP = ANY.map(lambda values: {name: value for name, value in values.items() if value != ""}).map(
    lambda values: {name: value for name, value in values.items() if name not in ("cluster_id", "timestamp", "headers")}
)


@given(FOR_PAMQP, st.integers(0, 2**32))
def test_pamqp_writes_the_same_octets(values: dict[str, Any], seconds: int) -> None:
    commands = pytest.importorskip("pamqp.commands")
    values.pop("delivery_mode", None)
    theirs = commands.Basic.Properties(
        **{"message_type" if name == "type" else name: value for name, value in values.items()},
        headers={"k": "v"},
        delivery_mode=2,
        timestamp=datetime.fromtimestamp(seconds, UTC),
    )
    ours = Properties(**values, headers={"k": "v"}, delivery_mode=2, timestamp=seconds)
    assert theirs.marshal() == ours.encode()


# Malformed


def read_everything(block: bytes) -> None:
    Properties.decode(block)
    properties.check(block)
    for name in IDS:
        properties.field(block, name)
        properties.replace_field(block, name, None)


def test_every_cut_is_refused() -> None:
    for length in range(len(ALL)):
        with pytest.raises(PropertiesError):
            Properties.decode(ALL[:length])
        with pytest.raises(PropertiesError):
            properties.check(ALL[:length])
        with pytest.raises(PropertiesError):
            properties.field(ALL[:length], "cluster_id")
        with pytest.raises(PropertiesError):
            properties.replace_field(ALL[:length], "cluster_id", "d")


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\x80",
        b"\x00\x01",
        b"\x00\x01\x80\x00",
        b"\x00\x01\x00\x02",
        b"\x00\x01" * 50_000,
        b"\x00\x00\x00",
        b"\x80\x00\xff",
        b"\x20\x00\xff\xff\xff\xff",
        b"\x20\x00\x00\x00\x00",
        b"\x00\x40\x00\x00\x00\x00",
    ],
    ids=lambda block: block[:8].hex(),
)
def test_flags_and_lengths_that_lie_are_refused(block: bytes) -> None:
    with pytest.raises(PropertiesError):
        Properties.decode(block)
    with pytest.raises(PropertiesError):
        properties.check(block)


def test_text_must_be_utf8_when_it_is_read() -> None:
    block = b"\x80\x00\x01\xff"
    properties.check(block)
    for read in (Properties.decode, lambda block: properties.field(block, "content_type")):
        with pytest.raises(PropertiesError):
            read(block)


def test_a_malformed_table_of_headers_is_refused() -> None:
    with pytest.raises(PropertiesError, match="headers"):
        Properties.decode(b"\x20\x00\x00\x00\x00\x03\x01kZ")


@given(st.binary(max_size=120))
def test_any_octets_are_properties_or_a_properties_error(block: bytes) -> None:
    try:
        read_everything(block)
    except PropertiesError:
        pass


@given(st.integers(0, len(ALL) - 1), st.integers(0, 255))
def test_a_changed_octet_gives_properties_or_a_properties_error(at: int, octet: int) -> None:
    try:
        read_everything(ALL[:at] + bytes((octet,)) + ALL[at + 1 :])
    except PropertiesError:
        pass


def test_a_length_that_lies_reserves_nothing() -> None:
    block = b"\x20\x00\xff\xff\xff\xf0" + bytes(100)
    tracemalloc.start()
    try:
        with pytest.raises(PropertiesError):
            Properties.decode(block)
        assert tracemalloc.get_traced_memory()[1] < 20_000
    finally:
        tracemalloc.stop()
