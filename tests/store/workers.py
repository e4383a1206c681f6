"""Ways to run a store's worker tasks: at once, or in a thread whose results wait until the test collects them."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from menura.store.catalog import Catalog

Task = Callable[[], None]


def at_once(task: Task) -> None:
    task()


def open_at_once(path: Path) -> Catalog:
    """An open catalog that does everything in the calling thread."""
    catalog = Catalog(path, run_in_worker=at_once, call_back=at_once, sync=False)
    catalog.open()
    return catalog


class HeldWorker:
    """Keeps tasks until they are asked for."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def run_in_worker(self, task: Task) -> None:
        self.tasks.append(task)

    def work(self) -> None:
        self.tasks.pop(0)()


class Worker:
    """A worker thread, and the broker's thread: the one that calls `run_until`."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1)
        self._calls: queue.Queue[Task] = queue.Queue()

    def run_in_worker(self, task: Task) -> None:
        self._executor.submit(task)

    def call_back(self, task: Task) -> None:
        self._calls.put(task)

    def run_until(self, condition: Callable[[], bool], seconds_max: float = 20.0) -> None:
        while not condition():
            self._calls.get(timeout=seconds_max)()

    def run_all(self) -> None:
        """Run all there is to run, the end of the work under way included."""
        done: list[None] = []
        self.run_in_worker(lambda: self.call_back(lambda: done.append(None)))
        self.run_until(lambda: bool(done))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown()
