"""A program that writes a known sequence of definitions until it is killed.

It prints each number as the catalog reports it. Change n of the sequence is a function of n, so whoever reads the
catalog afterwards knows what must be in it. Every binding comes after its queue and every fourth change deletes a
queue with its bindings, so a change that got lost, or came out of order, shows.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import NamedTuple

from tests.store.workers import Worker

from menura.core.definitions import BindingDefinition, QueueDefinition
from menura.store.catalog import Catalog


class Step(NamedTuple):
    deletes: bool
    definition: QueueDefinition | BindingDefinition


def step(number: int) -> Step:
    """Change `number` (from 1): queue n, two bindings to it, and the end of queue n // 2."""
    group, part = divmod(number - 1, 4)
    queue = QueueDefinition("/", f"queue {group}", number)
    if part == 0:
        return Step(False, queue)
    if part == 3:
        return Step(True, QueueDefinition("/", f"queue {group // 2}", 0))
    return Step(False, BindingDefinition("/", f"source {part}", "queue", queue.name, f"key {group}"))


def apply(content: tuple[dict[str, QueueDefinition], set[tuple[str, str]]], number: int) -> None:
    """Make change `number` in a model: queues by name, bindings as (source, queue)."""
    queues, bindings = content
    deletes, definition = step(number)
    if isinstance(definition, BindingDefinition):
        bindings.add((definition.source, definition.destination))
    elif deletes:
        queues.pop(definition.name, None)
        bindings.difference_update({binding for binding in bindings if binding[1] == definition.name})
    else:
        queues[definition.name] = definition


def write(path: Path, first: int) -> None:
    """Write from change `first` on until killed, or for some changes beyond a failure."""
    with Worker() as worker:
        catalog = Catalog(path, run_in_worker=worker.run_in_worker, call_back=worker.call_back)
        catalog.open()
        catalog.on_committed = lambda number: print(first + number - 1, flush=True)
        catalog.on_failure = lambda reason: print(f"failed: {reason}", flush=True)
        number = first
        while catalog.failure is None:
            # Batches of different sizes; some are taken while a commit is under way.
            for _ in range(1 + number % 7):
                take(catalog, number)
                number += 1
            catalog.flush()
            worker.run_until(lambda: catalog.failure is not None or catalog.committed > catalog.changed - 20)
        for beyond in range(number, number + 100):
            take(catalog, beyond)
            catalog.flush()
        catalog.close()
        worker.run_all()


def take(catalog: Catalog, number: int) -> None:
    deletes, definition = step(number)
    (catalog.delete if deletes else catalog.put)(definition)


if __name__ == "__main__":
    for file_bytes_max in map(int, sys.argv[3:]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes_max, file_bytes_max))
    write(Path(sys.argv[1]), int(sys.argv[2]))
