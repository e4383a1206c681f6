"""The last message of each routing key, kept for those who ask later.

A trie of the keys' words: what a pattern finds costs what it finds, not what there is. The messages are those of one
durable queue, taken from it for good, so that they weigh on the memory account, are written to the journal and come
back after a restart; a new message of a key is added before the old one is settled, and the later one wins. What
clients have sent to that queue by its name, through no exchange, is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from menura.core.run import Run

if TYPE_CHECKING:
    from menura.core.queue import Queue
    from menura.core.vhost import VHost

QUEUE = "amq.retained"
_ALL = 1 << 30


class _Node:
    __slots__ = ("children", "held")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.held: tuple[int, Run] | None = None


class Retained:
    """The retained messages of a virtual host, by routing key."""

    def __init__(self, vhost: VHost) -> None:
        self._vhost = vhost
        self._root = _Node()
        self._queue: Queue | None = None
        self.count = 0
        if QUEUE in vhost.queues:
            self._load(vhost.queues[QUEUE])

    def _load(self, queue: Queue) -> None:
        self._queue = queue
        found = []
        while (taken := queue.take(_ALL)) is not None:
            position, run, _ = taken
            if run.route.exchange:
                found.append((position, run))
            else:
                self._settle((position, run))
        # What was handed out before comes first, so the order is not that of the positions.
        for position, run in sorted(found, key=lambda entry: entry[0]):
            for at in range(len(run)):
                piece = run if len(run) == 1 else run.piece(at, at + 1)
                self._hold(run.route.key, position + at, piece)

    def keep(self, run: Run) -> None:
        """Keep the one message of a run, in place of the one with the same routing key."""
        queue = self._queue
        if queue is None or not queue.alive:
            for held in list(self.match("#")):
                self.drop(held.route.key)
            queue = self._queue = self._vhost.declare_queue(QUEUE, durable=True, reserved=True)
        while (strange := queue.take(_ALL)) is not None:
            self._settle(strange[:2])
        self._vhost.append(queue, run)
        taken = queue.take(1)
        if taken is not None:
            position, run, _ = taken
            self._hold(run.route.key, position, run)

    def _hold(self, key: str, position: int, run: Run) -> None:
        node = self._root
        for word in key.split("."):
            child = node.children.get(word)
            if child is None:
                child = node.children[word] = _Node()
            node = child
        if node.held is None:
            self.count += 1
        else:
            self._settle(node.held)
        node.held = position, run

    def drop(self, key: str) -> None:
        """Keep nothing under this key."""
        words = key.split(".")
        path = [self._root]
        for word in words:
            child = path[-1].children.get(word)
            if child is None:
                return
            path.append(child)
        last = path[-1]
        if last.held is None:
            return
        self._settle(last.held)
        last.held = None
        self.count -= 1
        for node, parent, word in zip(path[:0:-1], path[-2::-1], reversed(words), strict=True):
            if node.children or node.held is not None:
                break
            del parent.children[word]

    def _settle(self, held: tuple[int, Run]) -> None:
        """For certain, before anything is promised: what was cleared or replaced must not come back."""
        if self._queue is not None:
            with self._vhost.together():
                self._queue.settle(*held)

    def match(self, pattern: str) -> Iterator[Run]:
        """Runs of one message each, of the keys that match; each once."""
        words = pattern.split(".")
        last = len(words)
        seen: set[tuple[int, int]] = set()
        stack = [(self._root, 0)]
        while stack:
            node, at = stack.pop()
            if (id(node), at) in seen:
                continue
            seen.add((id(node), at))
            if at == last:
                if node.held is not None:
                    yield node.held[1]
                continue
            word = words[at]
            if word == "#":
                stack.append((node, at + 1))
                stack += [(child, at) for child in node.children.values()]
            elif word == "*":
                stack += [(child, at + 1) for child in node.children.values()]
            elif (child := node.children.get(word)) is not None:
                stack.append((child, at + 1))
