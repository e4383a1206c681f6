"""The files of the log, each a piece of it, named by the position of its first octet: `%020d.log`.

A position is an octet offset over the whole life of the log, headers counted. Segments follow each other without a
gap: the first position of one is that of the one before plus its size. A segment is written once, from its
header to its last record, and removed as a whole; only the oldest may go, and the next one only when that is
certain to be on the disk, so what is there is always the end of the log without a hole.

    magic(8) version(2) flags(2) salt(4) first position(8) crc32(4) 0(4)     twice

The header stands twice so that one flipped bit does not cost the file its salt, and it is on the disk before any
record follows: a file without one is either damaged or, if it has nothing else, was just being created.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from struct import Struct
from zlib import crc32

from menura.store.errors import StoreError

VERSION = 1
MAGIC = b"MENURA-J"
SEGMENT_BYTES = 64 * 1024 * 1024
UNSYNCED = 1  # flag: written by a broker that did not sync

_HEADER = Struct("<8sHHIQ")
_SUM = Struct("<II")
_COPY_BYTES = _HEADER.size + _SUM.size
HEADER_BYTES = 2 * _COPY_BYTES
_NAME = re.compile(r"(\d{20})\.log")


class Segment:
    """One file: positions `first` to `end`.

    `messages` counts what its records put into queues, once per queue; `live` counts those of them that are still
    there and have no later place.
    """

    __slots__ = ("end", "first", "flags", "live", "messages")

    def __init__(self, first: int, end: int, flags: int = 0) -> None:
        self.first = first
        self.end = end
        self.flags = flags
        self.live = 0
        self.messages = 0

    @property
    def name(self) -> str:
        return f"{self.first:020d}.log"

    @property
    def size_bytes(self) -> int:
        return self.end - self.first

    @property
    def live_bytes(self) -> int:
        """The share of the file that is needed, by number of messages."""
        return self.size_bytes * self.live // self.messages if self.live else 0


class Segments(list[Segment]):
    """All segments, in order."""

    def at(self, position: int) -> Segment:
        """The segment that has this position."""
        index = bisect_right(self, position, key=_first) - 1
        assert index >= 0
        assert position < self[index].end
        return self[index]


def _first(segment: Segment) -> int:
    return segment.first


def position_in_name(name: str) -> int | None:
    """The first position of the segment with this file name; None if it is not a segment's name."""
    match = _NAME.fullmatch(name)
    return int(match.group(1)) if match else None


def encode_header(segment: Segment, salt: int) -> bytes:
    fields = _HEADER.pack(MAGIC, VERSION, segment.flags, salt, segment.first)
    return (fields + _SUM.pack(crc32(fields), 0)) * 2


def decode_header(data: bytes, first: int, path: str) -> tuple[int, int] | None:
    """(salt, flags) from the beginning of a segment's file; None if both copies are damaged.

    Raises StoreError when it is sound but not for this program.
    """
    for start in (0, _COPY_BYTES):
        if len(data) < start + _COPY_BYTES:
            break
        magic, version, flags, salt, own_first = _HEADER.unpack_from(data, start)
        checksum, _ = _SUM.unpack_from(data, start + _HEADER.size)
        if checksum != crc32(data[start : start + _HEADER.size]):
            continue
        if magic != MAGIC:
            continue
        if version > VERSION:
            raise StoreError(
                f"{path} has format {version} of the journal, and this version knows formats up to {VERSION}. "
                "A newer version wrote it: start that one again."
            )
        if own_first != first:
            raise StoreError(
                f"{path} says that it begins at {own_first}, not where its name says. Somebody has renamed files "
                "of the journal: give them their names back."
            )
        return salt, flags
    return None
