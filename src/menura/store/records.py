"""How the journal's records look on the disk, and the values they are made from.

    mark(4) crc32(4) size(4) position(8) synced(8) | payload: parts of kind(1) size(4) body, one after another

Numbers are little-endian and unsigned. A record is valid as a whole or not at all, so the parts of one record
happen together. The checksum covers everything behind it, `size` is that of the payload. `position` is the
record's own place in the log: stale or misplaced octets do not pass for a record. Everything below `synced` was
on the disk before this record was written, which tells damage from a write the power cut off. The checksum starts
from the log's `salt`, a random number no client knows: a message that looks like a record is not one.

    PUBLISHED, COPIED   at_ms(8) messages(4) queues(4) keys(2) names_size(4),
                        queues * (id(8) first position in that queue(8)), messages * length(4),
                        exchange and keys as length(2) text, the messages
    SETTLED             (queue(8) first(8) last(8)) ...   these messages have left the queue for good
    DELIVERED           (queue(8) high(8)) ...            everything below `high` was handed out at least once
    NOTED               (first(8) last(8)) ...            octets of the log that need not be whole: known before
    COUNTED             (queue(8) position(8) times(8) due_ms(8)) ...
                                                          handed out so often, and to wait until then unless that is 0

Nothing depends on the order of records: the messages of a queue are those PUBLISHED or COPIED anywhere less those
SETTLED anywhere, and of several places for one message the last counts; of several counts the highest. So records may
be repeated, which is how recovery and compaction move what they must keep. Programs that do not know COUNTED refuse a
log that has it.

To change the format: (1) add a part kind, never give a used number another meaning; (2) if older programs must not
read it, raise VERSION in `segments`, and keep reading the older version; (3) keep a folder written by the older
version among the tests; (4) describe it here.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, chain
from struct import Struct
from zlib import crc32

from menura.core.ports import Published
from menura.store.errors import StoreError

PUBLISHED, COPIED, SETTLED, DELIVERED, NOTED, COUNTED = 1, 2, 3, 4, 5, 6

MARK = b"\xd7Mn\x0a"
HEAD = Struct("<4sIIQQ")
PART = Struct("<BI")
MESSAGES = Struct("<QIIHI")
PAIR = Struct("<QQ")
HEAD_BYTES = HEAD.size
CHECKED_AT = 8
PAYLOAD_BYTES_MAX = 0xFFFFFFFF

_ONE_MESSAGE = Struct("<QIIHIQQI")
_CHECKED = Struct("<IQQ")
_CHECKED_PART = Struct("<IQQBI")
_MARK_AND_SUM = Struct("<4sI")
_LENGTH = Struct("<H")
_SWAP = sys.byteorder == "big"


# -- to octets ---------------------------------------------------------------------------------------------------


def encode_messages(published: Published) -> tuple[bytes, int]:
    """The body of a PUBLISHED or COPIED part, and how much of it are the messages themselves."""
    queues, exchange, keys, contents, at_ms = published
    names = _names(exchange, keys)
    if len(contents) == 1 and len(queues) == 1:
        content = contents[0]
        size_bytes = len(content)
        head = _ONE_MESSAGE.pack(at_ms, 1, 1, len(keys), len(names), *queues[0], size_bytes)
        return b"".join((head, names, content)), size_bytes
    head = MESSAGES.pack(at_ms, len(contents), len(queues), len(keys), len(names))
    if len(queues) == 1:
        places = PAIR.pack(*queues[0])
    else:
        places = numbers_to_bytes(chain.from_iterable(queues))
    lengths = array("I", map(len, contents))
    if _SWAP:
        lengths.byteswap()
    body = b"".join((head, places, lengths.tobytes(), names, *contents))
    return body, len(body) - len(head) - len(places) - 4 * len(lengths) - len(names)


def numbers_to_bytes(numbers: Iterator[int] | Sequence[int]) -> bytes:
    values = array("Q", numbers)
    if _SWAP:
        values.byteswap()
    return values.tobytes()


def record_of(kind: int, body: bytes, position: int, synced: int, salt: int) -> list[bytes]:
    """A record of one part, as chunks: the body is not copied again."""
    checked = _CHECKED_PART.pack(PART.size + len(body), position, synced, kind, len(body))
    return [_MARK_AND_SUM.pack(MARK, crc32(body, crc32(checked, salt))) + checked, body]


def record_around(payload: bytes, position: int, synced: int, salt: int) -> list[bytes]:
    """A record of parts that are encoded already."""
    checked = _CHECKED.pack(len(payload), position, synced)
    return [_MARK_AND_SUM.pack(MARK, crc32(payload, crc32(checked, salt))) + checked, payload]


def parts_to_bytes(parts: Sequence[tuple[int, bytes]]) -> bytes:
    """The payload of a record: bodies with their kinds."""
    return b"".join(chain.from_iterable((PART.pack(kind, len(body)), body) for kind, body in parts))


@lru_cache(maxsize=1024)
def _names(exchange: str, keys: tuple[str, ...]) -> bytes:
    encoded = [name.encode() for name in (exchange, *keys)]
    return b"".join(chain.from_iterable((_LENGTH.pack(len(name)), name) for name in encoded))


# -- from octets -------------------------------------------------------------------------------------------------


def record_end(data: bytes, view: memoryview, offset: int, position: int, salt: int) -> int:
    """Where the record at `offset`, which should lie at `position` of the log, ends; 0 if it is not valid."""
    if len(data) - offset < HEAD_BYTES:
        return 0
    mark, checksum, size, own_position, _ = HEAD.unpack_from(data, offset)
    end = offset + HEAD_BYTES + int(size)
    if mark != MARK or own_position != position or end > len(data):
        return 0
    return end if crc32(view[offset + CHECKED_AT : end], salt) == checksum else 0


def parts_of(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(kind, start, end) of each part's body in a valid record's payload data[start:end]."""
    while start < end:
        kind, size = PART.unpack_from(data, start)
        if not PUBLISHED <= kind <= COUNTED:
            raise StoreError(
                f"The journal has a record of a kind ({kind}) that this version does not know. "
                "A newer version wrote it: start that one again."
            )
        start += PART.size + size
        yield kind, start - size, start


def decode_numbers(data: bytes, start: int, end: int) -> array[int]:
    """The numbers of a body that has no messages."""
    values = array("Q", data[start:end])
    if _SWAP:
        values.byteswap()
    return values


def decode_counts(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Queue, position, times and due_ms of each message in a COUNTED body."""
    numbers = decode_numbers(data, start, end)
    return zip(numbers[::4], numbers[1::4], numbers[2::4], numbers[3::4], strict=True)


class Messages:
    """A PUBLISHED or COPIED body that lies in `data`; the messages are cut out when asked for."""

    __slots__ = ("_data", "_names_at", "_offsets", "at_ms", "count", "queues")

    def __init__(self, data: bytes, start: int) -> None:
        self._data = data
        self.at_ms, self.count, queue_count, key_count, names_size = MESSAGES.unpack_from(data, start)
        start += MESSAGES.size
        places = decode_numbers(data, start, start + 16 * queue_count)
        self.queues = list(zip(places[::2], places[1::2], strict=True))
        start += 16 * queue_count
        lengths = array("I", data[start : start + 4 * self.count])
        if _SWAP:
            lengths.byteswap()
        start += 4 * self.count
        self._names_at = start, key_count
        self._offsets: list[int] = list(accumulate(lengths, initial=start + names_size))

    def names(self) -> tuple[str, tuple[str, ...]]:
        """The exchange and the keys."""
        offset, key_count = self._names_at
        names = []
        for _ in range(1 + key_count):
            (size,) = _LENGTH.unpack_from(self._data, offset)
            offset += _LENGTH.size + size
            names.append(self._data[offset - size : offset].decode())
        return names[0], tuple(names[1:])

    def contents(self, start: int, stop: int) -> list[bytes]:
        """Messages start..stop-1."""
        data, offsets = self._data, self._offsets
        return [data[offsets[index] : offsets[index + 1]] for index in range(start, stop)]

    def size_bytes(self, start: int, stop: int) -> int:
        return self._offsets[stop] - self._offsets[start]
