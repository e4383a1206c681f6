"""Appending the last batch again after a start without a clean stop.

It may be in the system's cache only, even in one that a failed sync has made look clean. What is whole in it is
appended once more, messages first, as the records they are in (a transaction stays one); marks follow, for a
settlement must lie behind every place of its message: the oldest segments go first. The old octets are noted as
known, whatever becomes of them. A batch that is repeated again and again, because no disk takes it, does not grow.
"""

from __future__ import annotations

from menura.store import records
from menura.store.errors import StoreError
from menura.store.log import Log
from menura.store.marks import Marks
from menura.store.places import Entry, Places
from menura.store.recovery import Recovery


def repeat(recovery: Recovery, log: Log, queues: dict[int, Places], marks: Marks) -> None:
    done: set[bytes] = set()
    for found in log.load(recovery.tail):
        if found is None:
            raise StoreError(f"The journal in {log.folder} changes while it is being read. Is it in use?")
        data, start = found
        size = records.HEAD.unpack_from(data, start)[2]
        start += records.HEAD_BYTES
        payload = data[start : start + size]
        if payload not in done:
            done.add(payload)
            _repeat_record(payload, log, queues, marks)
    for queue, places in queues.items():
        # Its marks may lie in a segment that goes, whose messages were copied forward: the crash may have cost just
        # the repeated marks.
        if places.delivered > places.floor:
            marks.deliver(queue, places.delivered)
        for each in places.counts.all():
            marks.count(queue, *each)
    recovery.noted.add(recovery.certain, recovery.end - 1)
    recovery.noted.forget_below(recovery.segments[0].first if recovery.segments else recovery.end)
    log.append(records.NOTED, records.numbers_to_bytes(recovery.noted.flat()))


def _repeat_record(payload: bytes, log: Log, queues: dict[int, Places], marks: Marks) -> None:
    found = []
    for kind, start, end in records.parts_of(payload, 0, len(payload)):
        if kind <= records.COPIED:
            found.append(records.Messages(payload, start))
            continue
        numbers = records.decode_numbers(payload, start, end)
        if kind == records.SETTLED:
            for queue, first, last in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True):
                marks.settle(queue, first, last)
        elif kind == records.DELIVERED:
            for queue, high in zip(numbers[::2], numbers[1::2], strict=True):
                marks.deliver(queue, high)
        elif kind == records.COUNTED:
            for counted in records.decode_counts(payload, start, end):
                marks.count(*counted)
    if not found:
        return
    place, size = log.append_payload(payload)
    segment = log.segments[-1]
    segment.record_bytes += size
    skip = 0
    for messages in found:
        content_bytes = messages.size_bytes(0, messages.count)
        segment.hold(messages.count * len(messages.queues), content_bytes * len(messages.queues))
        for queue, first in messages.queues:
            queues[queue].move([Entry(first, messages.count, place, skip, size, content_bytes)], log.segments)
        skip += messages.count
