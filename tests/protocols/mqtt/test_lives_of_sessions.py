"""Random lives of what a broker remembers for its clients: subscriptions, retained messages, wills, QoS 1.

After each crash it is compared with models that know what was answered, and what was under way: that may have happened
or not.
"""

from __future__ import annotations

from random import Random

import pytest
from tests.protocols.mqtt.lives import NEVER, Client, DiskWorld, World
from tests.protocols.mqtt.peer import (
    DISCONNECT,
    Packet,
    connect,
    puback,
    pubcomp,
    publish,
    pubrec,
    subscribe,
    unsubscribe,
    will,
)

from menura.protocols.mqtt.client import clients_of

SEEDS = range(1000, 1025)
FILTERS = ("a", "a/+", "#", "$share/g/a", "$x/b")
TOPICS = ("a", "a/b", "a//", "c")
DELAY = b"\x18\x00\x00\x00\x05"


class Subscriber(Client):
    """Changes its subscriptions, one at a time. `may` has what they may be."""

    id = "subscriber"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.may: list[dict[str, int]] = [{}]
        self._wanted: dict[str, int] | None = None
        self._known = False

    def change(self, chance: Random) -> None:
        if not self.connected or self._wanted is not None:
            return
        filter = chance.choice(FILTERS)
        if chance.random() < 0.6:
            options = chance.choice((0, 1, 2, 0x09, 0x12, 0x28))
            self._want([{**each, filter: options} for each in self.may])
            self.say(subscribe((filter, options)))
        else:
            self._want([{name: each[name] for name in each if name != filter} for each in self.may])
            self.say(unsubscribe(filter))

    def _want(self, outcomes: list[dict[str, int]]) -> None:
        self._wanted = outcomes[-1]
        self.may += outcomes

    def welcome(self, present: bool) -> None:
        assert present or not self._known, "the session was lost"
        self._known = True
        clients = clients_of(self.world.node, self.world.node.vhosts["/"])
        found = {each.filter: each.options for each in clients[self.id].subscriptions.values()}
        assert found in self.may
        self.may = [found]

    def crashed(self) -> None:
        super().crashed()
        self._wanted = None

    def lose(self) -> None:
        super().lose()
        self._wanted = None

    def hear(self, packet: Packet) -> None:
        if packet.name in ("SUBACK", "UNSUBACK") and self._wanted is not None:
            self.may, self._wanted = [self._wanted], None
        elif packet.name == "PUBLISH" and packet.qos:
            self.say((puback if packet.qos == 1 else pubrec)(packet.id))
        elif packet.name == "PUBREL":
            self.say(pubcomp(packet.id))


class Retainer(Client):
    """Replaces and clears retained messages, one at a time. `may` has what each may be."""

    id = "retainer"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.may = {topic: {b""} for topic in TOPICS}
        self._next = 0
        self._under_way: tuple[str, bytes] | None = None

    def change(self, chance: Random) -> None:
        if self.connected and self._under_way is None:
            self._next += 1
            topic, body = chance.choice(TOPICS), b"%d" % self._next if chance.random() < 0.7 else b""
            self._under_way = topic, body
            self.may[topic].add(body)
            self.say(publish(topic, body, 1, 1, retain=True))

    def check(self) -> None:
        found = dict.fromkeys(TOPICS, b"")
        for run in self.world.node.vhosts["/"].retained.match("#"):
            content = run.contents[0]
            found[{"a": "a", "a.b": "a/b", "a..": "a//", "c": "c"}[run.route.key]] = content[-1 - _length(content) : -1]
        for topic, body in found.items():
            assert body in self.may[topic], topic

    def welcome(self, present: bool) -> None:
        self._under_way = None

    def hear(self, packet: Packet) -> None:
        if packet.name == "PUBACK" and self._under_way is not None:
            topic, body = self._under_way
            self._under_way = None
            self.may[topic] = {body}


def _length(content: bytes) -> int:
    return int.from_bytes(content[11:19], "big")


class Mortal(Client):
    """Leaves a will with its number each time it comes. `due` are those that must be published."""

    id = "mortal"

    def __init__(self, world: World, watcher: Receiver) -> None:
        super().__init__(world)
        self.due: set[int] = set()
        self._number = -1
        self._watcher = watcher

    def hello(self) -> bytes:
        # One that waits is cancelled by this, unless it has been published already.
        self.due &= self._watcher.got
        self._number += 1
        return connect(self.id, clean=False, properties=NEVER, last=will("w", b"%d" % self._number, 1, False, DELAY))

    def welcome(self, present: bool) -> None:
        pass

    def hear(self, packet: Packet) -> None:
        raise AssertionError(packet)

    def crashed(self) -> None:
        if self.connected:
            self.due.add(self._number)
        super().crashed()

    def lose(self) -> None:
        if self.connected:
            self.due.add(self._number)
        super().lose()
        self.connected = False

    def leave(self) -> None:
        if self.connected:
            self.say(DISCONNECT)
            self.connected = False
            self.lose()


class Sender(Client):
    """Publishes numbers with QoS 1."""

    id = "sender"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.next = 0
        self.unanswered: dict[int, int] = {}

    def publish(self) -> None:
        id = self.next % 50 + 1
        if self.connected and id not in self.unanswered:
            self.unanswered[id] = self.next
            self.say(publish("n", b"%d" % self.next, 1, id))
            self.next += 1

    def welcome(self, present: bool) -> None:
        for id, number in self.unanswered.items():
            self.say(publish("n", b"%d" % number, 1, id, dup=True))

    def hear(self, packet: Packet) -> None:
        assert packet.name == "PUBACK"
        self.unanswered.pop(packet.id, None)


class Receiver(Client):
    """Takes numbers with QoS 1 of one topic."""

    def __init__(self, world: World, id: str, topic: str) -> None:
        super().__init__(world)
        self.id = id
        self.topic = topic
        self.subscribed = False
        self.got: set[int] = set()

    def welcome(self, present: bool) -> None:
        assert present or not self.subscribed, "the session was lost"
        if not self.subscribed:
            self.say(subscribe((self.topic, 1)))

    def hear(self, packet: Packet) -> None:
        if packet.name == "SUBACK":
            self.subscribed = True
        else:
            assert packet.name == "PUBLISH"
            self.got.add(int(packet.payload))
            self.say(puback(packet.id))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_answered_outlives_the_broker(seed: int) -> None:
    live(seed, World())


@pytest.mark.parametrize("seed", SEEDS)
def test_it_does_so_on_a_disk_whose_power_fails(seed: int) -> None:
    live(seed, DiskWorld(seed))


def live(seed: int, world: World) -> None:
    print(f"seed {seed}")
    chance = Random(seed)
    watcher, receiver = Receiver(world, "watcher", "w"), Receiver(world, "receiver", "n")
    subscriber, retainer, mortal, sender = Subscriber(world), Retainer(world), Mortal(world, watcher), Sender(world)
    while not (watcher.subscribed and receiver.subscribed):
        watcher.listen()
        receiver.listen()
        world.flush()
    for _ in range(500):
        step = chance.randrange(24)
        if step < 3:
            subscriber.change(chance)
        elif step < 6:
            retainer.change(chance)
        elif step < 8:
            sender.publish()
        elif step < 16:
            chance.choice(world.clients).listen()
        elif step < 20:
            world.flush()
        elif step == 20:
            chance.choice(world.clients).lose()
        elif step == 21:
            world.pass_time(chance.choice((1, 1, 6)))
        elif step == 22:
            if chance.random() < 0.3:
                mortal.leave()
        else:
            world.crash()
            retainer.check()
    mortal.lose()
    for _ in range(60):
        for client in (watcher, receiver, sender):
            client.listen()
        world.pass_time(1)
        world.flush()
    retainer.check()
    assert not sender.unanswered
    assert receiver.got == set(range(sender.next))
    assert mortal.due <= watcher.got
