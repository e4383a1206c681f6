"""How records look on the disk. Octets are written out, so that no change of the format goes unnoticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from menura.core.ports import Published
from menura.store import records
from menura.store.errors import StoreError
from menura.store.records import COPIED, COUNTED, DELIVERED, NOTED, PUBLISHED, SETTLED, Messages

SALT = 0x01020304
POSITION, SYNCED = 0x140, 0x40

ONE_QUEUE = Published([(7, 5)], "x", ("k", "ä"), [b"", b"abc"], 0x018B_CFE5_6800)
TWO_QUEUES = Published([(7, 5), (300, 0)], "", ("",), [b"m"])

# What the octets mean is said in the head of records.py.
PUBLISHED_BODY = """
    0068e5cf8b010000 02000000 01000000 0200 0a000000
    0700000000000000 0500000000000000
    00000000 03000000
    0100 78  0100 6b  0200 c3a4
    61 62 63
"""
COPIED_BODY = """
    0000000000000000 01000000 02000000 0100 04000000
    0700000000000000 0500000000000000  2c01000000000000 0000000000000000
    01000000
    0000  0000
    6d
"""
SETTLED_BODY = """
    0700000000000000 0500000000000000 0900000000000000
    2c01000000000000 0000000000000000 0000000000000000
"""
DELIVERED_BODY = "0700000000000000 0a00000000000000"
NOTED_BODY = "4000000000000000 7f00000000000000"
COUNTED_BODY = "0700000000000000 0500000000000000 0200000000000000 e803000000000000"

GOLDEN = {
    "published": (PUBLISHED, records.encode_messages(ONE_QUEUE)[0], PUBLISHED_BODY),
    "copied": (COPIED, records.encode_messages(TWO_QUEUES)[0], COPIED_BODY),
    "settled": (SETTLED, records.numbers_to_bytes([7, 5, 9, 300, 0, 0]), SETTLED_BODY),
    "delivered": (DELIVERED, records.numbers_to_bytes([7, 10]), DELIVERED_BODY),
    "noted": (NOTED, records.numbers_to_bytes([64, 127]), NOTED_BODY),
    "counted": (COUNTED, records.numbers_to_bytes([7, 5, 2, 1000]), COUNTED_BODY),
}
HEADS = {
    "published": "d74d6e0a 54c484fc 40000000 4001000000000000 4000000000000000  01 3b000000",
    "copied": "d74d6e0a 7a9394f9 44000000 4001000000000000 4000000000000000  02 3f000000",
    "settled": "d74d6e0a 4411a5fd 35000000 4001000000000000 4000000000000000  03 30000000",
    "delivered": "d74d6e0a ffa70ac8 15000000 4001000000000000 4000000000000000  04 10000000",
    "noted": "d74d6e0a 1ab5e760 15000000 4001000000000000 4000000000000000  05 10000000",
    "counted": "d74d6e0a cdec75fc 25000000 4001000000000000 4000000000000000  06 20000000",
}
TOGETHER = """
    d74d6e0a 7152421a 75000000 4001000000000000 4000000000000000
    01 3b000000 PUBLISHED_BODY
    03 30000000 SETTLED_BODY
"""


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


def whole(data: bytes, position: int = POSITION, salt: int = SALT) -> bool:
    return records.record_end(data, memoryview(data), 0, position, salt) == len(data)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_record_of_each_kind_has_these_octets(name: str) -> None:
    kind, body, golden = GOLDEN[name]
    written = b"".join(records.record_of(kind, body, POSITION, SYNCED, SALT))
    assert written.hex() == (octets(HEADS[name]) + octets(golden)).hex()
    assert whole(written)


def test_what_happens_together_is_one_record_of_several_parts() -> None:
    parts = [GOLDEN["published"][:2], GOLDEN["settled"][:2]]
    written = b"".join(records.record_around(records.parts_to_bytes(parts), POSITION, SYNCED, SALT))
    golden = TOGETHER.replace("PUBLISHED_BODY", PUBLISHED_BODY).replace("SETTLED_BODY", SETTLED_BODY)
    assert written.hex() == octets(golden).hex()
    assert whole(written)
    found = records.parts_of(written, records.HEAD_BYTES, len(written))
    assert [(kind, written[start:end]) for kind, start, end in found] == parts


def test_one_part_is_written_as_several_are() -> None:
    kind, body, _ = GOLDEN["published"]
    alone = records.record_of(kind, body, POSITION, SYNCED, SALT)
    around = records.record_around(records.parts_to_bytes([(kind, body)]), POSITION, SYNCED, SALT)
    assert b"".join(alone) == b"".join(around)


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_anywhere_is_noticed(bit: int) -> None:
    kind, body, _ = GOLDEN["published"]
    written = b"".join(records.record_of(kind, body, POSITION, SYNCED, SALT))
    for offset in range(len(written)):
        damaged = bytearray(written)
        damaged[offset] ^= 1 << bit
        assert not whole(bytes(damaged))


def test_a_record_counts_only_where_it_was_written_and_in_its_own_log() -> None:
    written = b"".join(records.record_of(NOTED, b"", POSITION, SYNCED, SALT))
    assert whole(written)
    assert not whole(written, position=POSITION + 1)
    assert not whole(written, salt=SALT + 1)


def test_a_record_that_was_not_written_to_its_end_is_none() -> None:
    written = b"".join(records.record_of(PUBLISHED, GOLDEN["published"][1], POSITION, SYNCED, SALT))
    assert not any(whole(written[:size]) for size in range(1, len(written)))


def test_an_unknown_kind_asks_for_the_newer_version() -> None:
    payload = records.parts_to_bytes([(7, b"")])
    with pytest.raises(StoreError, match=r"kind \(7\).*newer version.*start that one"):
        list(records.parts_of(payload, 0, len(payload)))


@given(
    st.lists(st.tuples(st.integers(0, 1 << 63), st.integers(0, 1 << 63)), min_size=1, max_size=4),
    st.text(max_size=20),
    st.lists(st.text(max_size=20), max_size=3),
    st.lists(st.binary(max_size=40), max_size=5),
    st.integers(0, 1 << 63),
)
def test_messages_come_back_as_they_went_in(
    queues: list[tuple[int, int]], exchange: str, keys: list[str], contents: list[bytes], at_ms: int
) -> None:
    published = Published(queues, exchange, tuple(keys), contents, at_ms)
    body, content_bytes = records.encode_messages(published)
    assert content_bytes == sum(map(len, contents))
    messages = Messages(b"--" + body, 2)
    assert (messages.queues, messages.at_ms, messages.count) == (queues, at_ms, len(contents))
    assert messages.names() == (exchange, tuple(keys))
    for start in range(len(contents)):
        assert messages.contents(start, len(contents)) == contents[start:]
        assert messages.size_bytes(0, start) == sum(map(len, contents[:start]))


@given(st.lists(st.integers(0, (1 << 64) - 1)))
def test_numbers_come_back_as_they_went_in(numbers: list[int]) -> None:
    data = records.numbers_to_bytes(numbers)
    assert records.decode_numbers(b"--" + data, 2, 2 + len(data)).tolist() == numbers
