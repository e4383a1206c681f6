"""The load tool's own codec, against bytes written out by hand from the specification."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from menura.bench import wire

PUBLISH = bytes.fromhex(
    "01 0001 0000000c 003c 0028 0000 01 78 02 6b31 00 ce"  # basic.publish, exchange "x", key "k1"
    "02 0001 0000000f 003c 0000 0000000000000003 1000 01 ce"  # header: 3 octets, delivery mode 1
    "03 0001 00000003 616263 ce"
)


def test_a_publish_is_method_header_and_body_frame() -> None:
    assert wire.publish("x", "k1", b"abc", wire.properties(delivery_mode=1)) == PUBLISH


def test_properties_stand_in_the_order_of_their_flag_bits() -> None:
    encoded = wire.properties(timestamp_s=5, message_id="m", reply_to="r", correlation_id="c", delivery_mode=2)
    flags = 1 << 12 | 1 << 10 | 1 << 9 | 1 << 7 | 1 << 6
    assert encoded == struct.pack(">HB", flags, 2) + b"\x01c\x01r\x01m" + struct.pack(">Q", 5)


def test_a_body_larger_than_a_frame_is_cut() -> None:
    message = wire.publish("", "k", b"x" * 20, frame_bytes=16)
    header_end = len(wire.publish("", "k", b""))
    sizes = []
    while header_end < len(message):
        sizes.append(struct.unpack_from(">I", message, header_end + 3)[0])
        header_end += 8 + sizes[-1]
    assert sizes == [8, 8, 4]


@pytest.mark.parametrize("body_bytes", [0, 1, 100, 5_000])
def test_a_message_ends_only_where_its_last_frame_ends(body_bytes: int) -> None:
    message = wire.publish("x", "key", b"x" * body_bytes, frame_bytes=1_000)
    assert wire.message_end(b"?" + message + b"more", 1) == 1 + len(message)
    for cut in {0, 6, 7, 20, len(message) // 2, len(message) - 1}:
        assert wire.message_end(message[:cut]) is None


@given(first=st.integers(1, 2**40), count=st.integers(0, 300))
def test_many_acks_packed_are_the_acks_one_by_one(first: int, count: int) -> None:
    head, tail = bytes.fromhex("01 0001 0000000d 003c 0050"), bytes.fromhex("00 ce")
    single = [head + struct.pack(">Q", first + number) + tail for number in range(count)]
    assert wire.ack_each(first, count) == b"".join(single)


def test_a_range_ack_has_the_multiple_bit() -> None:
    assert wire.ack_range(7) == bytes.fromhex("01 0001 0000000d 003c 0050 0000000000000007 01 ce")


@pytest.mark.parametrize("index", [wire.CONNECTION_CLOSE, wire.CHANNEL_CLOSE])
def test_the_reason_of_a_close_is_found(index: wire.Index) -> None:
    text = "NOT_FOUND - no queue"
    close = wire.method(index, struct.pack(">H", 404) + wire.short_string(text) + bytes(4))
    assert wire.close_reason(close) == f"404 {text}"


@pytest.mark.parametrize("data", [b"", b"\x01\x00", PUBLISH, wire.ack_range(1)])
def test_what_is_no_close_has_no_reason(data: bytes) -> None:
    assert wire.close_reason(data) is None


def test_a_text_field_is_found_in_an_encoded_table() -> None:
    encoded = wire.table({"capabilities": {"basic.nack": True}, "product": "Menura", "version": "1"})
    assert wire.text_field(encoded, "product") == "Menura"
    assert wire.text_field(encoded, "capabilities") is None
    assert wire.text_field(encoded[:-2], "platform") is None
