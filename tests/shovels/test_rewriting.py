"""What a shovel changes in properties, and that it leaves the rest alone."""

from __future__ import annotations

from typing import Any

from menura.core import fields
from menura.core.properties import Properties
from menura.shovels.rewriting import Rewriting

HEADERS = {"a": 1, "nested": {"b": [True, None]}}


def changed(rewriting: Rewriting, **properties: Any) -> dict[str, Any]:
    return Properties.decode(rewriting(Properties(**properties).encode())).present()


def test_nothing_asked_for_is_nothing_needed() -> None:
    assert not Rewriting({}, None, None).needed
    assert Rewriting({"priority": 3}, None, None).needed


def test_properties_are_set_and_others_stay() -> None:
    rewriting = Rewriting({"priority": 3, "content_type": "text/plain"}, None, None)
    before = {"headers": HEADERS, "delivery_mode": 2, "priority": 9, "expiration": "60000"}
    assert changed(rewriting, **before) == {**before, "priority": 3, "content_type": "text/plain"}


def test_the_last_shovel_stands_first() -> None:
    first, second = Rewriting({}, {"shovel-name": "one"}, None), Rewriting({}, {"shovel-name": "two"}, None)
    once = first(Properties(headers=HEADERS).encode())
    twice = Properties.decode(second(once)).headers
    assert twice == {**HEADERS, "x-shovelled": [{"shovel-name": "two"}, {"shovel-name": "one"}]}


def test_a_header_of_that_name_that_is_no_array_is_replaced() -> None:
    rewriting = Rewriting({}, {"shovel-name": "one"}, None)
    assert changed(rewriting, headers={"x-shovelled": 5}) == {"headers": {"x-shovelled": [{"shovel-name": "one"}]}}


def test_the_time_is_that_of_each_message() -> None:
    now = [100.9]
    rewriting = Rewriting({}, None, lambda: now[0])
    assert changed(rewriting) == {"headers": {"x-shovelled-timestamp": 100}}
    now[0] = 101.0
    block = rewriting(Properties().encode())
    assert Properties.decode(block).headers == {"x-shovelled-timestamp": 101}
    table = fields.raw_table(fields.encode_table({"x-shovelled-timestamp": 0}))
    assert table.keys() == {"x-shovelled-timestamp"}
    assert b"x-shovelled-timestampl" in block


def test_widths_of_other_headers_are_kept() -> None:
    headers = fields.pack_raw_table({"s": b"s\x00\x07", "u": b"u\x00\x07", "D": b"D\x02\x00\x00\x00\x07"})
    rewriting = Rewriting({}, {"shovel-name": "one"}, None)
    block = rewriting((0x2000).to_bytes(2, "big") + headers)
    for kept in (b"\x01ss\x00\x07", b"\x01uu\x00\x07", b"\x01DD\x02\x00\x00\x00\x07"):
        assert kept in block


def test_what_is_not_in_order_passes_as_it_came() -> None:
    rewriting = Rewriting({"priority": 3}, {"shovel-name": "one"}, None)
    for block in (b"\x20\x00\x00\x00\x00\x09", b"\x00\x01", b"\x80\x00\x05a"):
        assert rewriting(block) == block
