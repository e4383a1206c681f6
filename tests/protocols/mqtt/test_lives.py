"""Random lives: connections break, the broker crashes and loses what it had not written, and QoS 2 holds all the same.

The clients are models of the specification's own (section 4.3.3) and survive everything. After each crash the broker
goes on with what was on the disk at the last flush, and what it had said until then is all that was heard.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from tests.protocols.mqtt.peer import V5, Packet, Peer, connect, make_node, pubcomp, publish, pubrec, pubrel, subscribe
from tests.simulation.disk import SimulatedDisk

from menura.store.journal import Journal
from menura.store.memory import MemoryCatalog, MemoryJournal

NEVER = b"\x11\xff\xff\xff\xff"
SEEDS = range(30)


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
        self.clients: list[Sender | Receiver] = []
        self.begin()
        self.flush()

    def begin(self) -> None:
        self.journal = MemoryJournal()
        self.node = make_node(self.journal, self.catalog)

    def flush(self) -> None:
        self.catalog.flush()
        self.journal.flush()
        self.written = copied(self.catalog, self.journal)

    def crash(self) -> None:
        for client in self.clients:
            client.peer = None
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
            client.peer = None
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
        world.clients.append(self)  # type: ignore[arg-type]

    def open(self) -> None:
        self.peer = Peer(self.world.node)
        self.peer.packets.version = V5
        self.connected = False
        self.peer.feed(connect(self.id, clean=False, properties=NEVER))

    def lose(self) -> None:
        if self.peer is not None:
            self.peer.lose()
            self.peer = None

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


class Sender(Client):
    """Publishes numbers with QoS 2, at most five at a time."""

    id = "sender"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.next = 0
        self.unreceived: dict[int, int] = {}
        self.unreleased: dict[int, None] = {}
        self.done = 0

    def publish(self) -> None:
        free = [id for id in range(1, 6) if id not in self.unreceived and id not in self.unreleased]
        if free and self.connected and self.peer is not None:
            self.unreceived[free[0]] = self.next
            self.say(publish("n", b"%d" % self.next, 2, free[0]))
            self.next += 1

    def welcome(self, present: bool) -> None:
        assert present or not self.done, "the session was lost"
        for id, number in self.unreceived.items():
            self.say(publish("n", b"%d" % number, 2, id, dup=True))
        for id in self.unreleased:
            self.say(pubrel(id))

    def hear(self, packet: Packet) -> None:
        if packet.name == "PUBREC":
            if self.unreceived.pop(packet.id, None) is not None:
                self.unreleased[packet.id] = None
            self.say(pubrel(packet.id))
        elif packet.name == "PUBCOMP":
            self.unreleased.pop(packet.id, None)
            self.done += 1


class Receiver(Client):
    """Takes what it is sent with QoS 2."""

    id = "receiver"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.subscribed = False
        self.ids: set[int] = set()
        self.got: list[bytes] = []

    def welcome(self, present: bool) -> None:
        assert present or not self.subscribed, "the session was lost"
        if not self.subscribed:
            self.say(subscribe(("n", 2)))

    def hear(self, packet: Packet) -> None:
        if packet.name == "SUBACK":
            self.subscribed = True
        elif packet.name == "PUBLISH":
            assert packet.qos == 2
            if packet.id not in self.ids:
                self.ids.add(packet.id)
                self.got.append(packet.payload)
            self.say(pubrec(packet.id))
        elif packet.name == "PUBREL":
            self.ids.discard(packet.id)
            self.say(pubcomp(packet.id))


@pytest.mark.parametrize("seed", SEEDS)
def test_4_3_3_every_message_arrives_exactly_once_whatever_breaks(seed: int) -> None:
    live(seed, World())


@pytest.mark.parametrize("seed", SEEDS)
def test_4_3_3_it_does_so_on_a_disk_whose_power_fails(seed: int) -> None:
    live(seed, DiskWorld(seed))


def live(seed: int, world: World) -> None:
    print(f"seed {seed}")
    chance = Random(seed)
    receiver, sender = Receiver(world), Sender(world)
    while not receiver.subscribed:
        receiver.listen()
        world.flush()
    for _ in range(400):
        step = chance.randrange(20)
        if step < 6:
            sender.publish()
        elif step < 14:
            chance.choice((sender, receiver)).listen()
        elif step < 18:
            world.flush()
        elif step == 18:
            chance.choice((sender, receiver)).lose()
        else:
            world.crash()
    for _ in range(100):
        sender.listen()
        receiver.listen()
        world.flush()
    assert not sender.unreceived
    assert not sender.unreleased
    assert not receiver.ids
    assert sender.next > 20
    assert sorted(map(int, receiver.got)) == list(range(sender.next))
