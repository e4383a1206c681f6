"""The hot loop of a consumer: octets to runs of deliveries.

Messages of a queue often differ from the one before them in tag and body alone. Such deliveries stand in the buffer at
equal distances, so two comparisons of constant octets tell that the next has come, and a run of them is what the
receiver gets: where it lies, and how long each is. The rest takes the same path as a run of one. A message that has not
wholly arrived stays in the buffer.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from menura.core import content as packed
from menura.protocols.amqp.spec import FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_METHOD

DELIVER = b"\x00\x3c\x00\x3c"
_lead = Struct(">BHI").unpack_from
_tag = Struct(">Q").unpack_from
_HEADER_AHEAD = 22  # header frame up to and including its first property flags


class DeliveryError(ValueError):
    """A server sent something that is no delivery."""


class Deliveries:
    """A run of deliveries that differ in tag and body only: `count` of `length` octets each, from `start` on."""

    __slots__ = ("address", "body_at", "count", "data", "first_tag", "header_at", "length", "start")

    def __init__(
        self, data: bytes, place: tuple[int, int, int], header_at: int, body_at: int, first_tag: int, tag_at: int
    ) -> None:
        self.data = data
        self.start, self.count, self.length = place
        self.header_at = header_at
        self.body_at = body_at
        self.first_tag = first_tag
        self.address = data[self.start + tag_at + 9 : self.start + header_at - 1]
        """Exchange and routing key, as the octets of two short strings."""

    def cut(self, count: int) -> None:
        """Forget all but the first so many."""
        self.count = min(self.count, count)

    @property
    def last_tag(self) -> int:
        return self.first_tag + self.count - 1

    def _slices(self, at: int) -> list[bytes]:
        data, length = self.data, self.length
        skipped = length - at
        first = self.start + at
        return [data[here : here + skipped] for here in range(first, first + self.count * length, length)]

    def contents(self) -> list[bytes]:
        """Header and body frames of each."""
        return self._slices(self.header_at)

    def bodies(self) -> list[bytes]:
        """Body frames of each, without the header."""
        return self._slices(self.body_at)

    def properties(self) -> bytes:
        """The properties block, the same for all."""
        return self.data[self.start + self.header_at + packed.PROPERTIES_AT : self.start + self.body_at - 1]

    @property
    def body_bytes(self) -> int:
        return packed.body_length(self.data[self.start + self.header_at : self.start + self.header_at + 19])

    @property
    def longest_frame_bytes(self) -> int:
        """Of the first body frame, which is the longest; 0 where there is no body."""
        at = self.start + self.body_at
        return 0 if self.body_at == self.length else int.from_bytes(self.data[at + 3 : at + 7], "big") + 8


def take_deliveries(data: bytes, position: int, end: int, on_run: Callable[[Deliveries], None]) -> tuple[int, int]:
    """Cut the whole deliveries that begin at `position`; where they end, and how many octets the next needs.

    0 is needed where something else follows.
    """
    startswith = data.startswith
    while end - position >= 11 and data[position] == FRAME_METHOD and startswith(DELIVER, position + 7):
        header = position + _lead(data, position)[2] + 8
        if end - header < _HEADER_AHEAD:
            return position, header + _HEADER_AHEAD - position
        kind, _, header_bytes = _lead(data, header)
        if kind != FRAME_HEADER or data[header - 1] != FRAME_END:
            raise DeliveryError("a delivery without content")
        body = header + header_bytes + 8
        body_bytes = int.from_bytes(data[header + 11 : header + 19], "big")
        stop, single = _end_of_body(data, body, body_bytes, end)
        if stop > end:
            return position, stop - position
        if data[stop - 1] != FRAME_END or data[body - 1] != FRAME_END:
            raise DeliveryError("a frame that does not end where it should")
        tag_at = 12 + data[position + 11]
        first_tag = _tag(data, position + tag_at)[0]
        length = stop - position
        begin, position = position, stop
        if single:
            lead = data[begin : begin + tag_at]
            skipped = tag_at + 8
            repeated = data[begin + skipped : body + 7 if body_bytes else body]
            last = end - length
            while position <= last and startswith(lead, position) and startswith(repeated, position + skipped):
                position += length
            if data[position - 1] != FRAME_END:
                raise DeliveryError("a frame that does not end where it should")
        count = (position - begin) // length
        on_run(Deliveries(data, (begin, count, length), header - begin, body - begin, first_tag, tag_at))
    return position, 0


def _end_of_body(data: bytes, body: int, body_bytes: int, end: int) -> tuple[int, bool]:
    """Where a body ends, at least, if it has not wholly arrived; and whether it is in at most one frame."""
    left = body_bytes
    at = body
    while left > 0:
        if end - at < 7:
            return at + left + 8, False
        kind, _, size = _lead(data, at)
        if kind != FRAME_BODY or not 0 < size <= left:
            raise DeliveryError("a body that is not as long as announced")
        left -= size
        at += size + 8
        if at > end:
            return at + left + (8 if left else 0), False
    return at, at == body or at == body + body_bytes + 8
