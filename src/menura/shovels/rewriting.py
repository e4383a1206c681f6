"""What a shovel changes in the properties of a message, where it is asked to.

Set are single properties, then the header `x-shovelled` (an array of tables, one for each shovel on the way, the last
one first), then `x-shovelled-timestamp` in seconds since 1970. All other octets stay what they are. Messages of a queue
have few different properties, so that what they become is remembered, for as long as the second lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Any

from menura.core import fields, properties

FORWARDED = "x-shovelled"
STAMP = "x-shovelled-timestamp"
_BLOCKS_MAX = 1024
_long = Struct(">cq").pack


class Rewriting:
    """A function on blocks of properties. `forwarded` is the table to put in front, or None; `clock` gives seconds."""

    def __init__(
        self, changes: Mapping[str, Any], forwarded: Mapping[str, str] | None, clock: Callable[[], float] | None
    ) -> None:
        self._changes = dict(changes)
        self._forwarded = None if forwarded is None else fields.encode_value(dict(forwarded))
        self._clock = clock
        self._second = 0
        self._known: dict[bytes, bytes] = {}

    @property
    def needed(self) -> bool:
        return bool(self._changes or self._forwarded or self._clock)

    def __call__(self, block: bytes) -> bytes:
        if self._clock is not None and (second := int(self._clock())) != self._second:
            self._second = second
            self._known.clear()
        changed = self._known.get(block)
        if changed is None:
            if len(self._known) >= _BLOCKS_MAX:
                self._known.clear()
            changed = self._known[block] = self._changed_if_read(block)
        return changed

    def _changed_if_read(self, block: bytes) -> bytes:
        """A block that is not in order passes as it came: whoever gets it may say what is wrong."""
        try:
            return self._changed(block)
        except ValueError:
            return block

    def _changed(self, block: bytes) -> bytes:
        for name, value in self._changes.items():
            block = properties.replace_field(block, name, value)
        if self._forwarded is None and self._clock is None:
            return block
        headers = properties.headers_raw(block)
        table = {} if headers is None else fields.raw_table(headers)
        if self._forwarded is not None:
            table[FORWARDED] = _array(self._forwarded, table.get(FORWARDED, b""))
        if self._clock is not None:
            table[STAMP] = _long(b"l", self._second)
        return properties.replace_headers(block, fields.pack_raw_table(table))


def _array(first: bytes, before: bytes) -> bytes:
    """An array of one item and those of an array that was there; of anything else that was there, nothing is left."""
    rest = fields.raw_items(before) if before[:1] == b"A" else []
    return fields.pack_raw_items([first, *rest])
