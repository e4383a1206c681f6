"""Brokers that crash and clients that survive it, for random lives.

A `World` goes on with what was written at the last flush; a `DiskWorld` has the real journal on a disk whose power
fails. A `Client` remembers what the specification has it remember, and hears only what the broker has said by then.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tests.protocols.memory import make_node
from tests.protocols.mqtt.peer import V5, Packet, Peer, connect
from tests.simulation.disk import SimulatedDisk

from menura.store.journal import Journal
from menura.store.memory import MemoryCatalog, MemoryJournal

NEVER = b"\x11\xff\xff\xff\xff"


def copied(catalog: MemoryCatalog, journal: MemoryJournal) -> tuple[MemoryCatalog, MemoryJournal]:
    """What the disk has now."""
    one, other = MemoryCatalog(), MemoryJournal()
    for name, value in vars(catalog).items():
        if not name.startswith("on_"):
            setattr(one, name, value.copy() if hasattr(value, "copy") else value)
    for name, value in vars(journal).items():
        if not name.startswith("on_"):
            setattr(other, name, value.copy() if hasattr(value, "copy") else value)
    other._queues = {queue: dict(held) for queue, held in journal._queues.items()}
    return one, other


class World:
    """A broker on a disk that forgets."""

    def __init__(self) -> None:
        self.catalog = MemoryCatalog()
        self.clients: list[Client] = []
        self.now = 100.0
        self.begin()
        self.flush()

    def begin(self) -> None:
        self.journal = MemoryJournal()
        self.node = make_node(self.journal, self.catalog)

    def flush(self) -> None:
        self.catalog.flush()
        self.journal.flush()
        self.written = copied(self.catalog, self.journal)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.node.agenda.tick(self.now)

    def crash(self) -> None:
        for client in self.clients:
            client.crashed()
        self.catalog, self.journal = self.written
        self.node = make_node(self.journal, self.catalog)
        self.flush()


class DiskWorld(World):
    """A broker with the real journal, on a disk whose power fails: what was not synced is there in any part, or not."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.disk = SimulatedDisk(self.chance)
        self.jobs: list[Callable[[], None]] = []
        super().__init__()

    def begin(self) -> None:
        self.jobs = []
        self.journal: Any = Journal(
            self.disk, "journal", run_in_worker=self.jobs.append, call_back=lambda task: task(), segment_bytes=8192
        )
        self.journal.open()
        self.node = make_node(self.journal, self.catalog)

    def flush(self) -> None:
        self.catalog.flush()
        self.kept, _ = copied(self.catalog, MemoryJournal())
        self.journal.flush(marks=self.chance.random() < 0.7)
        if self.chance.random() < 0.8:
            self.work()

    def work(self) -> None:
        while self.jobs:
            self.jobs.pop(0)()

    def crash(self) -> None:
        for client in self.clients:
            client.crashed()
        cut = self.disk.power_cut if self.chance.random() < 0.5 else self.disk.killed
        self.disk = cut(self.chance)
        self.kept._last_queue_id = self.catalog._last_queue_id  # a catalog never gives one twice
        self.catalog = self.kept
        self.begin()
        self.flush()


class Client:
    id = ""

    def __init__(self, world: World) -> None:
        self.world = world
        self.peer: Peer | None = None
        self.connected = False
        world.clients.append(self)

    def hello(self) -> bytes:
        return connect(self.id, clean=False, properties=NEVER)

    def open(self) -> None:
        self.peer = Peer(self.world.node, now=self.world.now)
        self.peer.packets.version = V5
        self.connected = False
        self.peer.feed(self.hello())

    def lose(self) -> None:
        if self.peer is not None:
            self.peer.lose()
            self.peer = None

    def crashed(self) -> None:
        """The broker is gone, and with it the connection."""
        self.peer = None
        self.connected = False

    def listen(self) -> None:
        """Hear what has been said, and answer."""
        if self.peer is None:
            self.open()
        assert self.peer is not None
        for packet in self.peer.take():
            if packet.name == "CONNACK":
                assert packet.code == 0
                self.connected = True
                self.welcome(bool(packet.codes[0]))
            else:
                self.hear(packet)

    def say(self, octets: bytes) -> None:
        if self.peer is not None and self.connected:
            self.peer.feed(octets)

    def welcome(self, present: bool) -> None:
        raise NotImplementedError

    def hear(self, packet: Packet) -> None:
        raise NotImplementedError
