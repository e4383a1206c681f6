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
# What a message weighs besides its content, for comparing: even an empty one does.
_MESSAGE_BYTES = 16
_NAME = re.compile(r"(\d{20})\.log")


class Segment:
    """One file: positions `first` to `end`.

    `messages` counts what its records put into queues, once per queue, and `content_bytes` adds up their sizes;
    `live` and `live_content_bytes` do so for those that are still there and have no later place. `record_bytes` is
    what the records with messages take, marks not counted.
    """

    __slots__ = (
        "content_bytes", "end", "first", "flags", "live", "live_content_bytes", "messages", "record_bytes",
    )  # fmt: skip

    def __init__(self, first: int, end: int, flags: int = 0) -> None:
        self.first = first
        self.end = end
        self.flags = flags
        self.live = self.live_content_bytes = 0
        self.messages = self.content_bytes = self.record_bytes = 0

    def hold(self, messages: int, content_bytes: int) -> None:
        """A record in it has messages that may come to live here."""
        self.messages += messages
        self.content_bytes += content_bytes

    def lose(self, messages: int, content_bytes: int) -> None:
        """So many live no longer."""
        self.live -= messages
        self.live_content_bytes -= content_bytes

    @property
    def name(self) -> str:
        return f"{self.first:020d}.log"

    @property
    def size_bytes(self) -> int:
        return self.end - self.first

    @property
    def live_bytes(self) -> int:
        """What is needed of its records, about: as much of them as of the messages in them.

        By octets and not by number, or large messages that stay would count for nothing among small ones that go.
        """
        if not self.live:
            return 0
        live = self.live_content_bytes + _MESSAGE_BYTES * self.live
        return self.record_bytes * live // (self.content_bytes + _MESSAGE_BYTES * self.messages)


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
