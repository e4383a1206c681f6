"""A thread that waits for the disk, so that nobody else has to.

Plainer than an executor of the standard library, which makes an object with a lock for every task: what a client waits
for is a sync and two hand-overs between threads, and on a fast disk those count.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue


class Worker:
    """Runs tasks one after another, in the order in which they came. Tasks must not raise."""

    def __init__(self, name: str) -> None:
        self._tasks: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()
        self.run = self._tasks.put

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()

    def close(self) -> None:
        """Return when everything is done."""
        self._tasks.put(None)
        self._thread.join()
