"""The method codec: golden octets of every method, another library's opinion of them, and hostile payloads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocols.amqp.golden_methods import GOLDEN_METHODS

from menura.core.fields import EMPTY_TABLE, encode_table
from menura.protocols.amqp import spec, wire
from menura.protocols.amqp.wire import Table, WireError

GOLDEN = [(name, arguments, bytes.fromhex(octets)) for name, arguments, octets in GOLDEN_METHODS]
PAYLOADS = [payload for _, _, payload in GOLDEN]
each_method = pytest.mark.parametrize(("name", "arguments", "payload"), GOLDEN, ids=[name for name, *_ in GOLDEN])


def plain(method: wire.Method) -> dict[str, Any]:
    """The arguments with tables decoded."""
    pairs = zip(method.argument_names, method, strict=True)
    return {name: value.decode() if isinstance(value, Table) else value for name, value in pairs}


# Every method


def test_the_golden_methods_are_all_methods() -> None:
    assert [name for name, *_ in GOLDEN] == [method.name for method in spec.METHODS]


@each_method
def test_each_method_is_decoded(name: str, arguments: dict[str, Any], payload: bytes) -> None:
    ids, method = wire.decode_method(payload)
    assert (method.name, method.ids, ids) == (name, ids, (int.from_bytes(payload[:2]), int.from_bytes(payload[2:4])))
    assert plain(method) == arguments
    for argument, value in arguments.items():
        found = getattr(method, argument)
        assert (found.decode() if isinstance(found, Table) else found) == value
    assert method.has_content == (name in ("basic.publish", "basic.return", "basic.deliver", "basic.get-ok"))


@each_method
def test_each_method_is_encoded(name: str, arguments: dict[str, Any], payload: bytes) -> None:
    assert wire.encode_method(wire.IDS_BY_NAME[name], **arguments) == payload
    framed = b"\x01\x01\x02" + len(payload).to_bytes(4) + payload + b"\xce"
    assert wire.frame(0x102, name, **arguments) == wire.method_frame(0x102, payload) == framed


@each_method
def test_each_method_is_shown_by_name_and_arguments(name: str, arguments: dict[str, Any], payload: bytes) -> None:
    shown = repr(wire.decode_method(payload)[1])
    assert shown.startswith(name + "(")
    assert all(f"{argument}=" in shown for argument in arguments)


@each_method
@pytest.mark.filterwarnings("ignore:This command is deprecated")  # basic.recover-async
def test_pamqp_reads_the_same_arguments(name: str, arguments: dict[str, Any], payload: bytes) -> None:
    commands = pytest.importorskip("pamqp.commands")
    theirs = commands.INDEX_MAPPING.get(int.from_bytes(payload[:4]))
    if theirs is None:
        assert name.startswith("access.")  # pamqp has left that class out
        return
    command = theirs()
    command.unmarshal(payload[4:])
    found = [getattr(command, slot) for slot in command.__slots__]
    assert found == [in_pamqp(value) for value in arguments.values()]


def in_pamqp(value: Any) -> Any:
    """It takes long strings for text where they are UTF-8, and 64-bit numbers for signed."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    return value - 2**64 if type(value) is int and value >= 2**63 else value


@each_method
def test_pamqp_says_the_same_of_who_waits(name: str, arguments: dict[str, Any], payload: bytes) -> None:
    commands = pytest.importorskip("pamqp.commands")
    theirs = commands.INDEX_MAPPING.get(int.from_bytes(payload[:4]))
    if theirs is not None:
        assert spec.METHOD_BY_NAME[name].synchronous == theirs.synchronous


# Values


def test_arguments_left_out_are_zero_empty_or_false() -> None:
    payload = bytes.fromhex("0032000a 0000 00 00 00000000")
    assert wire.encode_method((50, 10)) == payload
    _, method = wire.decode_method(payload)
    assert plain(method) == {
        "ticket": 0, "queue": "", "passive": False, "durable": False, "exclusive": False, "auto_delete": False,
        "nowait": False, "arguments": {},
    }  # fmt: skip


def test_an_argument_that_does_not_exist_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="nothing"):
        wire.encode_method((50, 10), nothing=1)


@pytest.mark.parametrize(
    "value",
    [{"a": 1}, encode_table({"a": 1}), Table(encode_table({"a": 1}))],
    ids=["mapping", "octets", "table"],
)
def test_a_table_may_be_given_in_three_ways(value: Any) -> None:
    _, method = wire.decode_method(wire.encode_method((50, 10), arguments=value))
    assert method.arguments.decode() == {"a": 1}


def test_a_table_keeps_its_octets_and_the_types_in_them() -> None:
    raw = b"\x00\x00\x00\x05\x01as\x00\x07"
    table = wire.decode_method(wire.encode_method((50, 10), arguments=raw))[1].arguments
    assert table.raw == raw
    assert table.raw_items() == {"a": b"s\x00\x07"}
    assert table.decode() == {"a": 7}
    assert table == Table(raw)
    assert hash(table) == hash(Table(raw))
    assert table != Table()
    assert Table().raw == EMPTY_TABLE


def test_any_octet_of_bits_is_read_bit_by_bit() -> None:
    for octet in range(256):
        _, method = wire.decode_method(bytes.fromhex("0032000a 0000 00") + bytes((octet,)) + EMPTY_TABLE)
        bits = (method.passive, method.durable, method.exclusive, method.auto_delete, method.nowait)
        assert bits == tuple(octet >> bit & 1 == 1 for bit in range(5))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("basic.cancel", {"consumer_tag": "c" * 256}),
        ("basic.cancel", {"consumer_tag": "é" * 128}),
        ("basic.cancel", {"consumer_tag": "\ud800"}),
        ("basic.qos", {"prefetch_count": 65536}),
        ("basic.qos", {"prefetch_count": -1}),
        ("basic.ack", {"delivery_tag": 2**64}),
        ("queue.declare", {"arguments": {"k" * 256: 1}}),
        ("queue.declare", {"arguments": {"k": object()}}),
    ],
    ids=repr,
)
def test_a_value_that_does_not_fit_is_refused(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(WireError) as caught:
        wire.frame(1, name, **arguments)
    assert (caught.value.kind, caught.value.ids) == ("unencodable", wire.IDS_BY_NAME[name])


def _argument(kind: str) -> st.SearchStrategy[Any]:
    bits = {"octet": 8, "short": 16, "long": 32, "longlong": 64, "timestamp": 64}
    if kind in bits:
        return st.integers(0, 2 ** bits[kind] - 1)
    text = st.text(st.characters(codec="utf-8"), max_size=60)
    return {
        "bit": st.booleans(),
        "shortstr": text,
        "longstr": st.binary(max_size=400),
        "table": st.dictionaries(text, st.integers(-(2**63), 2**63 - 1) | text | st.none(), max_size=4),
    }[kind]


CALLS = st.sampled_from(spec.METHODS).flatmap(
    lambda method: st.tuples(
        st.just(method), st.fixed_dictionaries({name: _argument(kind) for name, kind in method.arguments})
    )
)


@given(CALLS)
def test_what_is_encoded_is_decoded(call: tuple[spec.MethodSpec, dict[str, Any]]) -> None:
    method, arguments = call
    ids, decoded = wire.decode_method(wire.encode_method(method.ids, **arguments))
    assert ids == method.ids
    assert plain(decoded) == arguments


# Other frames


def test_content_is_announced_and_framed() -> None:
    assert wire.header_frame(1, 5, b"\x10\x00\x02") == bytes.fromhex(
        "02 0001 0000000f 003c 0000 0000000000000005 1000 02 ce"
    )
    assert wire.body_frame(1, b"hello") == bytes.fromhex("03 0001 00000005 68656c6c6f ce")
    assert bytes.fromhex("08 0000 00000000 ce") == wire.HEARTBEAT


# Malformed


def kind_of(payload: bytes) -> tuple[str, tuple[int, int]]:
    with pytest.raises(WireError) as caught:
        wire.decode_method(payload)
    return caught.value.kind, caught.value.ids


@each_method
def test_every_cut_is_truncated(name: str, arguments: dict[str, Any], payload: bytes) -> None:
    for length in range(4):
        assert kind_of(payload[:length]) == ("truncated", (0, 0))
    for length in range(4, len(payload)):
        assert kind_of(payload[:length]) == ("truncated", wire.IDS_BY_NAME[name])


@each_method
def test_octets_after_the_last_argument_are_refused(name: str, arguments: dict[str, Any], payload: bytes) -> None:
    assert kind_of(payload + b"\x00") == ("trailing", wire.IDS_BY_NAME[name])


def test_an_unknown_class_is_told_from_an_unknown_method() -> None:
    assert kind_of(bytes.fromhex("0063 000a")) == ("unknown-class", (99, 10))
    assert kind_of(bytes.fromhex("0032 0063")) == ("unknown-method", (50, 99))


def test_a_short_string_must_be_utf8() -> None:
    assert kind_of(bytes.fromhex("003c 001f 01ff")) == ("bad-utf8", (60, 31))


@pytest.mark.parametrize(
    "table",
    [
        b"\x00\x00\x00\x03\x01kZ",
        b"\x00\x00\x00\x02\x01k",
        b"\x00\x00\x00\x03\x01\xffV",
        b"\x00\x00\x00\x07\x01kS\xff\xff\xff\xff",
        b"\x00\x00\x00\x01\xff",
    ],
    ids=bytes.hex,
)
def test_a_table_must_be_well_formed(table: bytes) -> None:
    assert kind_of(bytes.fromhex("0032 000a 0000 00 00") + table) == ("bad-table", (50, 10))


def test_a_table_nested_too_deep_is_refused() -> None:
    table = EMPTY_TABLE
    for _ in range(1000):
        content = b"\x00F" + table
        table = len(content).to_bytes(4) + content
    assert kind_of(bytes.fromhex("0032 000a 0000 00 00") + table) == ("bad-table", (50, 10))


@given(st.sampled_from(PAYLOADS).map(lambda payload: payload[:4]), st.binary(max_size=60))
def test_any_arguments_are_a_method_or_a_wire_error(ids: bytes, rest: bytes) -> None:
    try:
        wire.decode_method(ids + rest)
    except WireError:
        pass


@given(st.sampled_from(PAYLOADS), st.data())
def test_a_changed_octet_gives_a_method_or_a_wire_error(payload: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(payload) - 1))
    octet = data.draw(st.binary(min_size=1, max_size=1))
    try:
        wire.decode_method(payload[:at] + octet + payload[at + 1 :])
    except WireError:
        pass


# The tables of the protocol


def test_no_argument_hides_an_attribute_of_methods() -> None:
    arguments = {name for method in spec.METHODS for name, _ in method.arguments}
    assert not arguments & set(dir(wire.Method)) - set(dir(object))
    assert not arguments & set(wire.Method.__annotations__)


def test_names_and_ids_are_unique_and_types_are_known() -> None:
    assert len(spec.METHOD_BY_NAME) == len(spec.METHOD_BY_IDS) == len(spec.METHODS)
    kinds = {kind for method in spec.METHODS for _, kind in method.arguments}
    assert kinds <= set(spec.ARGUMENT_TYPES)


def test_reply_codes_are_soft_or_hard_as_specified() -> None:
    soft = {reply.code for reply in spec.REPLY_CODES if not reply.hard}
    hard = {reply.code for reply in spec.REPLY_CODES if reply.hard}
    assert soft == {200, 311, 312, 313, 403, 404, 405, 406}
    assert hard == {320, 402, 501, 502, 503, 504, 505, 506, 530, 540, 541}
