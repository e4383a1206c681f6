"""The real journal on a disk in memory, with a worker that works at once: for comparing, not for crashes."""

from __future__ import annotations

from random import Random

from tests.simulation.disk import SimulatedDisk
from tests.store.workers import at_once

from menura.store.journal import Journal

# Small, so that the messages of a queue lie in many segments.
SEGMENT_BYTES = 2048


def open_journal(disk: SimulatedDisk | None = None) -> Journal:
    """The journal of this disk, or of a new one. Nothing in it may be damaged."""
    disk = disk or SimulatedDisk(Random(1))
    journal = Journal(disk, "journal", run_in_worker=at_once, call_back=at_once, segment_bytes=SEGMENT_BYTES)
    assert journal.open().damages == []
    return journal


def open_again(journal: Journal) -> Journal:
    """Stopped and started."""
    journal.close()
    assert journal.failure is None
    assert isinstance(journal._disk, SimulatedDisk)
    return open_journal(journal._disk)
