"""How much the journal asks of its disk, and how long the disk takes."""

from __future__ import annotations

from menura.core.histogram import Histogram


class DiskUse:
    """Writes and syncs are counted by the one thread that makes them, reads by the one that reads; times in seconds."""

    __slots__ = ("copied_bytes", "read_bytes", "read_seconds", "reads", "sync_times", "write_seconds", "writes")

    def __init__(self) -> None:
        self.reads = self.read_bytes = self.writes = 0
        self.read_seconds = self.write_seconds = 0.0
        self.sync_times = Histogram()
        self.copied_bytes = 0
        """Written a second time, to let go of the place where they were."""

    @property
    def syncs(self) -> int:
        return sum(self.sync_times.counts)
