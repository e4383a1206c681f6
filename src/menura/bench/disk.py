"""The disk by itself: a small append and fdatasync, over and over.

What a broker that syncs before it confirms can't be faster than, one message at a time. The file grows like a
journal, so each sync has its new length to write as well. Disks wander, so a figure to compare with belongs to
the same stretch of time: `durable_latency` takes turns with this.
"""

import os
import tempfile
from array import array
from time import perf_counter_ns
from types import TracebackType
from typing import Self

from menura.bench.errors import UnavailableError
from menura.bench.latencies import latency_metrics
from menura.bench.meter import Meter
from menura.bench.result import Metric, Result, Settings, measured

BLOCK_SYNCS = 200
_sync = getattr(os, "fdatasync", os.fsync)  # not every system has both


class SyncedFile:
    """A new file on the disk to be measured; removed at the end of the `with` block."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.disk_path or tempfile.gettempdir()
        try:
            self._file = tempfile.NamedTemporaryFile(dir=self.folder, prefix="menura-bench-", buffering=0)
        except OSError as error:
            raise UnavailableError(f"no file can be made in {self.folder}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, data: bytes, times: int) -> "array[int]":
        """Append and sync `data` so often; what each took in nanoseconds."""
        descriptor, samples = self._file.fileno(), array("q")
        for _ in range(times):
            begun = perf_counter_ns()
            os.write(descriptor, data)
            _sync(descriptor)
            samples.append(perf_counter_ns() - begun)
        return samples


def disk_sync(settings: Settings) -> Result:
    data, samples = b"x" * settings.body_bytes, array("q")
    warmup, meter = Meter(None), Meter(None)
    with SyncedFile(settings) as file:
        while warmup.seconds < settings.warmup_seconds:
            warmup.start()
            file.append(data, BLOCK_SYNCS)
            warmup.stop()
        while meter.seconds < settings.seconds:
            meter.start()
            samples += file.append(data, BLOCK_SYNCS)
            meter.stop()
    rate = Metric("rate", len(samples) / meter.seconds, "/s")
    note = f"appends of {settings.body_bytes:,} B in {file.folder}"
    return measured(settings, meter, rate, *latency_metrics(samples), notes=(note,))
