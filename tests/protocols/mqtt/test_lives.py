"""Random lives: connections break, the broker crashes and loses what it had not written, and QoS 2 holds all the same.

The clients are models of the specification's own (section 4.3.3) and survive everything. After each crash the broker
goes on with what was on the disk at the last flush, and what it had said until then is all that was heard.
"""

from __future__ import annotations

from random import Random

import pytest
from tests.protocols.mqtt.lives import Client, DiskWorld, World
from tests.protocols.mqtt.peer import Packet, pubcomp, publish, pubrec, pubrel, subscribe

SEEDS = range(30)


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
