"""The data directory of a running broker: opened, tied to the node, written at the end of each turn of the loop.

Two threads wait for the disk, one for the catalog and one for the journal; everything else happens in the loop's.
What nobody waits for (which messages were settled, which delivered) is written along with the next message, or after
`MARKS_SECONDS_MAX` if none comes. The journal's oldest segments are copied forward piece by piece, each piece after the
one before is on the disk, so that clients are served in between.

A disk that refuses to write or sync ends the broker: from then on it could keep nothing of what it promises.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import NamedTuple

from menura.core.node import Node
from menura.store.catalog import Catalog
from menura.store.directory import DataDirectory
from menura.store.disk import RealDisk
from menura.store.errors import StoreError, explained
from menura.store.journal import Journal
from menura.store.recovery import Progress, Report, find_segments
from menura.store.worker import Worker

MARKS_SECONDS_MAX = 0.02
LOOK_SECONDS = 0.5
# After so long a batch under way counts as stalled.
STALL_SECONDS = 2.0
_STEP_BYTES = 1024 * 1024
# The disk counts as full until there is so much more than the limit, so that the alarm does not flutter.
_CLEAR_AT = 1.05
_log = logging.getLogger("menura")


class Recovered(NamedTuple):
    """What a start found."""

    first: bool
    """There was nothing, so this is a new data directory."""
    queue_count: int
    message_count: int
    report: Report


class Storage:
    """What keeps a node's definitions and messages."""

    def __init__(
        self,
        path: str,
        *,
        version: str,
        sync: bool,
        disk_free_bytes_min: int,
        on_certain: Callable[[], None],
        on_failure: Callable[[str], None],
    ) -> None:
        """`on_certain` is called when messages have become durable, once those who waited have been told."""
        self.directory = DataDirectory(path, version=version)
        self.sync = sync
        self.problem: str | None = None
        """What is wrong with the disk now, if anything: confirms wait, or publishers do."""
        self.disk_free_bytes_min = disk_free_bytes_min
        """May be changed at any time."""
        self._on_certain = on_certain
        self._on_failure = on_failure
        self._failed = False
        self._disk = RealDisk()
        self._workers: list[Worker] = []
        self._marks_timer: asyncio.TimerHandle | None = None
        self._look_timer: asyncio.TimerHandle | None = None
        self._copying = False

    # -- start and end ---------------------------------------------------------------------------------------

    async def open(self, node: Node, progress: Progress | None = None) -> Recovered:
        """Lock and read the directory, and fill the node from it. Raises StoreError; then nothing is left open."""
        self._loop = asyncio.get_running_loop()
        self._node = node
        call_back = self._loop.call_soon_threadsafe
        self.directory.open()
        try:
            self._check_journal()
        except BaseException:
            self.directory.close()
            raise
        self._workers = [Worker(f"menura-{name}") for name in ("catalog", "journal")]
        catalog_worker, journal_worker = self._workers
        try:
            self.catalog = Catalog(
                self.directory.catalog, run_in_worker=catalog_worker.run, call_back=call_back, sync=self.sync
            )
            definitions = await asyncio.to_thread(self.catalog.open)
            try:
                self.journal = Journal(
                    self._disk,
                    os.fspath(self.directory.journal),
                    run_in_worker=journal_worker.run,
                    call_back=call_back,
                    sync=self.sync,
                )
                report = await asyncio.to_thread(self.journal.open, progress)
                for unfit in node.keep(self.catalog, self.journal, definitions):
                    _log.warning("definitions: %s", unfit)
            except BaseException:
                self.catalog.close()
                raise
        except BaseException:
            self._release()
            raise
        self.catalog.on_failure = self.journal.on_failure = self._fail
        self.journal.on_damage = lambda damage: _log.error("%s", damage)
        self._tell_durable = self.journal.on_durable
        self.journal.on_durable = self._durable
        if not self.sync:
            _log.warning("disk: confirms do not wait for it: a crash of the machine may lose confirmed messages")
        queues = [queue for vhost in node.vhosts.values() for queue in vhost.queues.values()]
        message_count = sum(queue.ready_count for queue in queues)
        return Recovered(definitions.are_new, len(queues), message_count, report)

    def _check_journal(self) -> None:
        """Find out whether it can be read before anything is written, into the catalog for example."""
        folder = self.directory.journal
        if folder.is_dir():
            try:
                find_segments(self._disk, os.fspath(folder))
            except OSError as error:
                raise explained(error, folder) from error

    def begin(self) -> None:
        """Start to write, and to look after the disk.

        What was done with the node before, at a first start, reaches the disk together or not at all.
        """
        self._look()

    def give_up(self) -> None:
        """Let go of the directory instead of `begin`: nothing that was done with the node is kept."""
        self.catalog.discard()
        self.close()

    def close(self) -> None:
        """Write everything down and let go of the directory. To be called when nobody is served any more."""
        for timer in (self._marks_timer, self._look_timer):
            if timer is not None:
                timer.cancel()
        if self.problem is not None:
            _log.warning("disk: %s; waiting for it before the end", self.problem)
        # What waits for its deletion to be certain is certain after this.
        try:
            self.catalog.flush()
            self.catalog.close()
            self.journal.close()
        except StoreError as error:
            self._fail(str(error))
        finally:
            self._release()

    def _release(self) -> None:
        for worker in self._workers:
            worker.close()
        self.directory.close()

    # -- writing ---------------------------------------------------------------------------------------------

    def end_of_tick(self) -> None:
        """Start to write what has been done in this turn of the loop."""
        self.catalog.flush()
        journal = self.journal
        journal.flush(marks=False)
        if journal.has_marks and self._marks_timer is None:
            self._marks_timer = self._loop.call_later(MARKS_SECONDS_MAX, self._write_marks)
        if self._node.keeper is not None:
            self._node.keeper.weigh()

    @property
    def busy(self) -> bool:
        """Whether a thread of ours is at the disk."""
        return self.journal.busy or self.catalog.busy

    def _write_marks(self) -> None:
        self._marks_timer = None
        self.journal.flush()

    def _durable(self, position: int) -> None:
        self._tell_durable(position)
        self._on_certain()
        if self._copying:
            self._copy()
            self.journal.flush()

    def _copy(self) -> None:
        self._copying = self.journal.compact(_STEP_BYTES)

    # -- looking after the disk ------------------------------------------------------------------------------

    def _look(self) -> None:
        self._look_timer = self._loop.call_later(LOOK_SECONDS, self._look)
        self._copy()
        self.end_of_tick()
        self._watch_room()
        self._watch_speed()

    def _watch_room(self) -> None:
        alarms = self._node.alarms
        short = "disk" in alarms.short
        try:
            free_bytes = self._disk.free_bytes(os.fspath(self.directory.path))
        except OSError as error:
            _log.error("%s", explained(error, self.directory.path))
            return
        limit = self.disk_free_bytes_min * (_CLEAR_AT if short else 1)
        if (free_bytes < limit) is short:
            return
        if short:
            _log.info("disk: %d MiB free again: publishers may go on", free_bytes >> 20)
        else:
            _log.warning(
                "disk: %d MiB free at %s, less than the %d MiB wanted: publishers are blocked until there is room",
                free_bytes >> 20,
                self.directory.path,
                self.disk_free_bytes_min >> 20,
            )
        alarms.set("disk", not short)

    def _watch_speed(self) -> None:
        seconds = max(self.journal.stalled_seconds, self.catalog.stalled_seconds)
        if seconds < STALL_SECONDS:
            if self.problem is not None:
                _log.info("disk: writing again; confirms go on")
                self.problem = None
            return
        if self.problem is None:
            _log.error("disk: %s has not finished a write for %.0f s: confirms wait", self.directory.path, seconds)
        self.problem = f"the disk has not finished a write for {seconds:.0f} s; confirms wait for it"

    def _fail(self, reason: str) -> None:
        if not self._failed:
            self._failed = True
            self._on_failure(reason)
