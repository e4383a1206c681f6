"""Runs and the packed form of their messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.domain import numbered, numbers_of, run_of

from menura.core import content as packed
from menura.core.memory import SharedCharge
from menura.core.properties import Properties
from menura.core.routing import Route
from menura.core.run import MERGE_BYTES_MAX

ROUTE = Route("x", "k")
BODIES = st.binary(max_size=300)
BLOCKS = st.builds(Properties, message_id=st.text(max_size=9), priority=st.integers(0, 255)).map(Properties.encode)


@given(BLOCKS, BODIES)
def test_what_is_packed_can_be_unpacked(block: bytes, body: bytes) -> None:
    content = packed.pack(block, body)
    assert packed.properties_of(content) == block
    assert packed.body_of(content) == body
    assert packed.body_length(content) == len(body)
    assert content[packed.properties_end(content) :][:1] == packed.END
    assert content[-1:] == packed.END


@given(BLOCKS, BLOCKS, BODIES)
def test_other_properties_leave_the_body_alone(block: bytes, other: bytes, body: bytes) -> None:
    assert packed.with_properties(packed.pack(block, body), other) == packed.pack(other, body)


def test_the_packed_form_is_two_parts_with_constant_octets() -> None:
    header = bytes.fromhex("02 0001 0000000e 003c 0000 0000000000000002 8000 ce")
    assert packed.pack(b"\x80\0", b"hi") == header + bytes.fromhex("03 0001 00000002") + b"hi\xce"
    assert packed.pack(b"\x80\0", b"") == header.replace(b"\x02\x80\0", b"\x00\x80\0")


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.data())
def test_a_piece_is_a_run_of_the_same_kind_over_some_of_the_messages(paddings: list[int], data: st.DataObject) -> None:
    whole = run_of(ROUTE, [packed.pack(b"\0\0", bytes(n)) for n in paddings], persistent=data.draw(st.booleans()))
    start = data.draw(st.integers(0, len(paddings) - 1))
    stop = data.draw(st.integers(start + 1, len(paddings)))
    before = list(whole.contents)
    piece = whole.piece(start, stop)
    assert piece.contents == before[start:stop]
    assert piece.size_bytes == sum(map(len, piece.contents))
    assert max(map(len, piece.contents)) <= piece.longest_bytes
    assert (piece.route, piece.persistent, piece.shared) == (whole.route, whole.persistent, whole.shared)
    piece.contents.clear()
    assert whole.contents == before


def test_a_run_absorbs_what_follows_on_the_same_route() -> None:
    run, longer = numbered(ROUTE, [1, 2]), numbered(ROUTE, [3], padding=10)
    assert run.absorb(longer)
    assert numbers_of(run) == [1, 2, 3]
    assert run.size_bytes == sum(map(len, run.contents))
    assert run.longest_bytes == longer.longest_bytes
    assert numbers_of(longer) == [3]


@pytest.mark.parametrize("difference", ["route", "persistence", "shared by queues", "other shared by queues", "size"])
def test_a_run_does_not_absorb_what_could_be_told_from_it(difference: str) -> None:
    run = numbered(ROUTE, [1])
    other = numbered(
        Route("x", "k") if difference == "route" else ROUTE,
        [2],
        padding=MERGE_BYTES_MAX if difference == "size" else 0,
        persistent=difference == "persistence",
    )
    if "shared" in difference:
        (other if "other" in difference else run).shared = SharedCharge(2, 100)
    size_bytes = run.size_bytes
    assert not run.absorb(other)
    assert numbers_of(run) == [1]
    assert run.size_bytes == size_bytes


def test_a_run_grows_to_a_bound() -> None:
    run, one = numbered(ROUTE, [0]), len(numbered(ROUTE, [0]).contents[0])
    absorbed = sum(run.absorb(numbered(ROUTE, [n])) for n in range(1, 10_000))
    assert run.size_bytes <= MERGE_BYTES_MAX < run.size_bytes + one
    assert len(run) == absorbed + 1
