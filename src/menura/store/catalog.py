"""The catalog: every definition on disk, changed from the broker's thread without waiting for the disk.

`put` and `delete` only take a change and give it the next number. `flush`, called at the end of each tick, hands
all changes gathered so far to a worker, which carries them out in one transaction; what comes meanwhile makes the
next one, which starts by itself. So the cost of a sync is shared by all who wait for one, and changes reach the
disk in the order in which they were made: what is on disk is always all changes up to some number.

`committed` and `on_committed` move in the broker's thread. Whoever promises a definition to a client waits until
`committed` has reached what `changed` was after the change.

The first commit that fails is the last: later changes are built on what is not there. `on_failure` is called once,
and nothing is reported as committed any more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from menura.core.definitions import Definition, Definitions
from menura.store.database import Database
from menura.store.schema import TABLES, Change

Task = Callable[[], None]

# Queue ids of one start of the broker lie this far from those of the next. As the count of starts is on disk before
# the first id is handed out, no id comes twice, even if the queue's definition never reached the disk (while
# messages in a journal may have).
_IDS_PER_START = 10**12


class Catalog:
    """All definitions, in the file `path`.

    `run_in_worker` runs a task in another thread, `call_back` one in the broker's thread, both without waiting.
    """

    def __init__(
        self,
        path: Path,
        *,
        run_in_worker: Callable[[Task], object],
        call_back: Callable[[Task], object],
        sync: bool = True,
    ) -> None:
        self.changed = 0
        """The number of the last change taken."""
        self.committed = 0
        """All changes up to this number are on disk."""
        self.on_committed: Callable[[int], None] = lambda number: None
        self.on_failure: Callable[[str], None] = lambda reason: None
        self.failure: str | None = None
        self._path = path
        self._sync = sync
        self._run_in_worker = run_in_worker
        self._call_back = call_back
        self._gathered: list[Change] = []
        self._committing = False
        self._began_at = 0.0
        self._closed = False
        self._worker_idle = threading.Event()
        self._worker_idle.set()

    def open(self) -> Definitions:
        """Open or make the file; what is in it. Works in the calling thread. Raises StoreError."""
        self._database = Database(self._path, sync=self._sync)
        try:
            definitions = self._database.load()
        except BaseException:
            self._database.close()
            raise
        self._next_queue_id = self._database.starts * _IDS_PER_START + 1
        return definitions

    def new_queue_id(self) -> int:
        """An id that no queue ever had or will have."""
        number = self._next_queue_id
        self._next_queue_id += 1
        return number

    def put(self, definition: Definition) -> int:
        """Keep a definition, in place of the one with the same key; the change's number.

        Raises ValueError, and changes nothing, for what cannot be kept: text without a UTF-8 form.
        """
        return self._take(TABLES[type(definition)].put(definition))

    def delete(self, definition: Definition) -> int:
        """Drop the definition with this one's key, and what depends on it; the change's number."""
        return self._take(TABLES[type(definition)].delete(definition))

    def _take(self, change: Change) -> int:
        if self.failure is None:
            self._gathered.append(change)
        self.changed += 1
        return self.changed

    def flush(self) -> None:
        """Start committing what was gathered, unless a commit is under way, which will be followed by the next."""
        if self._gathered and not self._committing and not self._closed and self.failure is None:
            changes, self._gathered = self._gathered, []
            number = self.changed
            self._committing = True
            self._began_at = time.monotonic()
            self._worker_idle.clear()
            self._run_in_worker(lambda: self._work(changes, number))

    @property
    def busy(self) -> bool:
        """A commit is under way."""
        return self._committing

    @property
    def stalled_seconds(self) -> float:
        """For how long the disk has been at the commit under way."""
        return time.monotonic() - self._began_at if self._committing else 0.0

    def discard(self) -> None:
        """Never commit what was gathered."""
        self._gathered.clear()

    def close(self) -> None:
        """Commit what was gathered and close the file, waiting for both."""
        if self._closed:
            return
        self._closed = True
        self._worker_idle.wait()
        if self._gathered and self.failure is None:
            failed = self._commit(self._gathered)
            self._finished(self.changed, failed)
        self._database.close()

    # -- in the worker ---------------------------------------------------------------------------------------

    def _work(self, changes: list[Change], number: int) -> None:
        failed = self._commit(changes)
        self._worker_idle.set()
        self._call_back(lambda: self._finished(number, failed))

    def _commit(self, changes: list[Change]) -> bool:
        try:
            self._database.commit(changes)
        except Exception as error:  # whatever it is, the changes are not on disk
            self.failure = str(error)
            return True
        return False

    # -- back in the broker's thread -------------------------------------------------------------------------

    def _finished(self, number: int, failed: bool) -> None:
        self._committing = False
        if failed:
            self._gathered.clear()
            self.on_failure(str(self.failure))
        elif number > self.committed:
            self.committed = number
            self.on_committed(number)
        self.flush()
