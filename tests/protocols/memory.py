"""What clients in memory have in common, whatever they speak: the other end of a session, on a node in memory.

Octets in, octets out, and a clock that is a number. `End` is the part without a protocol; each protocol's own client
adds how octets are written and read.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from tests.core.kept import fold

from menura.core.definitions import Definitions
from menura.core.node import Node
from menura.core.peers import Peer, Surroundings
from menura.core.run import Run
from menura.store.memory import MemoryCatalog, MemoryJournal


def make_node(journal: MemoryJournal | None = None, catalog: MemoryCatalog | None = None, **settings: Any) -> Node:
    """A node with the user guest, and with names that are the same in every run.

    With a journal it is kept; with a catalog that has been used before it is the next life of the node that did.
    """
    count = 0

    def not_so_random(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_128(count.to_bytes(4, "big")).digest(size)

    node = Node(not_so_random, **settings)
    if journal is not None:
        catalog = catalog or MemoryCatalog()
        node.keep(catalog, journal, fold(catalog.changes) if catalog.changes else Definitions())
    node.add_user("guest", "guest", frozenset(("administrator",)))
    node.users.permit("guest", "/")
    return node


class End:
    """One session that `make` has made, what it has written to the log, and how often it has asked to be heard."""

    session: Any

    def __init__(self, node: Node | None, peer: Peer | None, now: float, make: Callable[[Surroundings], Any]) -> None:
        self.node = node or make_node()
        self.now = now
        self.wakes = 0
        self.log: list[tuple[str, str]] = []
        self.octets = b""
        self.node.agenda.tick(now)
        self.session = make(Surroundings(self.node, peer or Peer("memory"), self._note, self._wake, now))

    def decode(self, octets: bytes) -> list[Any]:
        """What it has said as answers."""
        raise NotImplementedError

    def _note(self, level: str, line: str, event: str = "") -> None:
        self.log.append((level, line))

    def _wake(self) -> None:
        self.wakes += 1

    @property
    def defects(self) -> list[str]:
        """What only the safety net caught."""
        return [line for level, line in self.log if level == "defect"]

    def feed(self, *pieces: bytes) -> None:
        """Send without looking at what comes back."""
        for piece in pieces:
            self.session.receive(piece)
        assert not self.defects, self.defects

    def take(self) -> list[Any]:
        """What has come since the last time."""
        octets = self.session.flush()
        self.octets += octets
        return self.decode(octets)

    def send(self, *pieces: bytes) -> list[Any]:
        self.feed(*pieces)
        return self.take()

    def pass_time(self, seconds: float) -> None:
        """As the broker's clock does it: first the connections, then what has none."""
        self.now += seconds
        self.session.tick(self.now)
        self.node.agenda.tick(self.now)


def chunkings(octets: bytes, seed: int) -> Iterator[tuple[str, list[bytes]]]:
    """The same octets, as many kinds of reads could bring them."""
    yield "at once", [octets]
    for size in (1, 2, 3, 7, 21, 64, 4096):
        yield f"by {size}", [octets[at : at + size] for at in range(0, len(octets), size)]
    chance = random.Random(seed)
    for number in range(12):
        cuts = sorted(chance.randrange(len(octets) + 1) for _ in range(chance.choice((1, 2, 5, 40))))
        edges = [0, *cuts, len(octets)]
        pieces = [octets[low:high] for low, high in pairwise(edges) if low < high]
        yield f"random {seed}/{number}", pieces


def assert_balanced(node: Node) -> None:
    """Every queue's counts agree with what it holds, and the memory account with all of them."""
    for vhost in node.vhosts.values():
        assert not vhost.touched
        for queue in vhost.queues.values():
            entries = [run for _, run, *_ in queue.places]
            assert queue.ready_count == sum(map(len, entries))
            assert queue.ready_bytes == sum(run.size_bytes for run in entries)
            runs = [run for run in entries if isinstance(run, Run)]
            assert all(run.size_bytes == sum(map(len, run.contents)) for run in runs)
            assert queue.unsettled_count >= 0
            assert queue.unsettled_bytes >= 0
            for consumer in queue.consumers.all:
                assert consumer.unsettled >= 0


def assert_empty_after_all(node: Node) -> None:
    """With every connection gone, nothing is unsettled; with every queue gone, nothing is held."""
    assert_balanced(node)
    for vhost in node.vhosts.values():
        for queue in list(vhost.queues.values()):
            assert (queue.unsettled_count, queue.unsettled_bytes) == (0, 0), queue.name
            assert not len(queue.consumers), queue.name
            assert queue.owner is None, queue.name
            vhost.remove_queue(queue)
        assert not vhost.queues
        assert not vhost.reply_queues
    assert node.memory.used_bytes == 0
