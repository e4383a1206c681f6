"""What a start would find out by reading the whole log, in one file, written by a clean stop.

    magic(8) version(2) 0(2) crc32(4) | end of the log(8) salt(4) segments(4) queues(4)
    segments * (first(8) end(8) messages(8) content(8) records(8) live(8) live content(8))
    queues * (id(8) size(4), end(8) floor(8) next position(8) delivered(8) sorted from(8) settled(4) entries(4),
              firsts and lasts of what is settled, columns of `places`, counts * (position(8) times(8) due_ms(8)))

It is removed, for certain, before the log changes. So it counts if the log is as it says, file by file, and if not the
log has lost something. One that is damaged or of a newer version is not used: the log itself has everything. Version 1
had no counts, and is read like a version 2 without any.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from struct import Struct, error
from zlib import crc32

from menura.store.disk import Disk
from menura.store.places import Places
from menura.store.segments import Segment, Segments

NAME = "checkpoint"
NEW_NAME = "checkpoint.new"
VERSION = 2
# The columns of `places` are in the machine's own byte order, and so are checkpoints of the other one no use.
MAGIC = b"MENURA-C" if sys.byteorder == "little" else b"MENURA-c"
_HEAD = Struct("<8sHHI")
_LOG = Struct("<QIII")
_SEGMENT = Struct("<7Q")
_QUEUE = Struct("<QI")


class Checkpoint:
    """The state of a journal at `end`."""

    def __init__(self, end: int, salt: int, segments: Segments, queues: Mapping[int, Places]) -> None:
        self.end = end
        self.salt = salt
        self.segments = segments
        self.queues = queues

    def fits(self, segments: Segments, salt: int | None) -> bool:
        """Nothing was written or removed since."""
        mine = [(segment.first, segment.end) for segment in self.segments]
        return mine == [(segment.first, segment.end) for segment in segments] and salt in (None, self.salt)

    def encode(self) -> bytes:
        chunks = [_LOG.pack(self.end, self.salt, len(self.segments), len(self.queues))]
        chunks += [_SEGMENT.pack(*_numbers(segment)) for segment in self.segments]
        for queue, places in self.queues.items():
            state = places.encode()
            chunks += (_QUEUE.pack(queue, len(state)), state)
        data = b"".join(chunks)
        return _HEAD.pack(MAGIC, VERSION, 0, crc32(data)) + data

    @classmethod
    def decode(cls, data: bytes) -> Checkpoint | None:
        """None if it cannot be used."""
        if len(data) < _HEAD.size:
            return None
        magic, version, _, checksum = _HEAD.unpack_from(data)
        if magic != MAGIC or not 1 <= version <= VERSION or crc32(memoryview(data)[_HEAD.size :]) != checksum:
            return None
        try:
            return cls._decode(data, _HEAD.size)
        except (error, ValueError):
            return None

    @classmethod
    def _decode(cls, data: bytes, offset: int) -> Checkpoint:
        end, salt, segment_count, queue_count = _LOG.unpack_from(data, offset)
        offset += _LOG.size
        segments = Segments()
        for _ in range(segment_count):
            first, segment_end, *counts = _SEGMENT.unpack_from(data, offset)
            segment = Segment(first, segment_end)
            segment.messages, segment.content_bytes, segment.record_bytes, *live = counts
            segment.live, segment.live_content_bytes = live
            segments.append(segment)
            offset += _SEGMENT.size
        queues = {}
        for _ in range(queue_count):
            queue, size = _QUEUE.unpack_from(data, offset)
            offset += _QUEUE.size
            queues[queue] = Places.decode(data[offset : offset + size])
            offset += size
        return cls(end, salt, segments, queues)


def _numbers(segment: Segment) -> tuple[int, ...]:
    return (
        segment.first,
        segment.end,
        segment.messages,
        segment.content_bytes,
        segment.record_bytes,
        segment.live,
        max(segment.live_content_bytes, 0),  # a sum of rounded shares, which may be off by some octets
    )


def load(disk: Disk, folder: str) -> Checkpoint | None:
    """The checkpoint of a journal's folder, if there is one that can be read."""
    path = f"{folder}/{NAME}"
    try:
        file = disk.open(path)
    except OSError:
        return None
    try:
        return Checkpoint.decode(file.read_at(0, disk.size(path)))
    except OSError:
        return None
    finally:
        file.close()


def save(disk: Disk, folder: str, checkpoint: Checkpoint, sync: bool) -> None:
    """Write it under another name first: a half-written one is never seen."""
    new_path = f"{folder}/{NEW_NAME}"
    if NEW_NAME in disk.list(folder):
        disk.remove(new_path)
    file = disk.create(new_path)
    try:
        file.write([checkpoint.encode()])
        if sync:
            file.sync()
    finally:
        file.close()
    disk.rename(new_path, f"{folder}/{NAME}")
    if sync:
        disk.sync_folder(folder)


def discard(disk: Disk, folder: str, sync: bool) -> None:
    """The log is about to change."""
    present = [name for name in disk.list(folder) if name in (NAME, NEW_NAME)]
    for name in present:
        disk.remove(f"{folder}/{name}")
    if present and sync:
        disk.sync_folder(folder)
