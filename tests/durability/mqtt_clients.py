"""Clients of MQTT that outlive the broker: they remember what the specification has them remember (4.1, 4.3).

A `Sender` publishes numbers with QoS 1 or 2, a `Receiver` takes them from a session that is kept, a `Retainer` changes
what is retained. What was promised to them they note, and what is wrong goes into `complaints`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from tests.durability.load import Fuse, body_of, number_of
from tests.durability.wire import Wire
from tests.protocols.mqtt.peer import (
    PINGREQ,
    Packet,
    Packets,
    connect,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    subscribe,
    will,
)

NEVER = b"\x11\xff\xff\xff\xff"
WINDOW = 100
RETAINED = 20


class Client:
    """One client identifier and its connections, one after the other."""

    def __init__(self, id: str, clean: bool = False) -> None:
        self.id = id
        self.known = False
        """Whether a broker has a session of it."""
        self.complaints: list[str] = []
        self._clean = clean

    def open(self, port: int, last: object = None) -> None:
        self._packets = Packets()
        self._wire = Wire(port)
        self._heard: list[Packet] = []
        self._wire.send(connect(self.id, clean=self._clean, last=last, properties=b"" if self._clean else NEVER))
        answer = self.expect("CONNACK")
        assert answer.code == 0, answer
        if self.known and not answer.codes[0]:
            self.complaints.append(f"the session of {self.id} is forgotten")
        self.known = not self._clean

    def close(self) -> None:
        self._wire.close()

    def send(self, octets: bytes) -> None:
        self._wire.send(octets)

    def read(self) -> list[Packet]:
        """At least one packet; waits for it."""
        heard, self._heard = self._heard, []
        while not heard:
            heard = self._packets.feed(self._wire.read())
        return heard

    def expect(self, name: str) -> Packet:
        """The next packet, of that name; those behind it are left for `read`."""
        first, *self._heard = self.read()
        assert first.name == name, first
        return first


class Sender(Client):
    """`confirmed` are the numbers that the broker has taken responsibility for."""

    def __init__(self, id: str, topic: str, qos: int, numbers: Iterator[int]) -> None:
        super().__init__(id)
        self.sent: set[int] = set()
        self.confirmed: set[int] = set()
        self.topic = topic
        self.qos = qos
        self._numbers = numbers
        self._free = list(range(WINDOW, 0, -1))
        self._unanswered: dict[int, int] = {}
        self._unreleased: dict[int, None] = {}

    def work(self, port: int, chance: random.Random, fuse: Fuse) -> None:
        """Publish until the broker is gone."""
        self.open(port)
        self._resume()
        fuse.join(id(self))
        burst = chance.choice((5, WINDOW))
        while True:
            out = []
            while self._free and len(self._unanswered) < burst:
                number = next(self._numbers)
                self.sent.add(number)
                self._unanswered[self._free[-1]] = number
                out.append(publish(f"{self.topic}/{number % 5}", body_of(number), self.qos, self._free.pop()))
                fuse.step()
            self.send(b"".join(out))
            self._hear()

    def finish(self, port: int) -> None:
        """Publish nothing new; complete what was begun."""
        self.open(port)
        self._resume()
        while self._unanswered or self._unreleased:
            self._hear()
        self.close()

    def _resume(self) -> None:
        """Section 4.4: everything that is not complete, in its order, once more."""
        again = [
            publish(f"{self.topic}/{number % 5}", body_of(number), self.qos, id, dup=True)
            for id, number in self._unanswered.items()
        ]
        self.send(b"".join([*again, *map(pubrel, self._unreleased)]))

    def _hear(self) -> None:
        out = []
        for packet in self.read():
            if packet.name == "PUBCOMP":
                del self._unreleased[packet.id]
                self._free.append(packet.id)
                continue
            if packet.code:
                self.complaints.append(f"{packet.name} of {self.id} with code {packet.code:#x}")
            number = self._unanswered.pop(packet.id, None)
            if number is not None:
                self.confirmed.add(number)
            if packet.name == "PUBACK":
                assert self.qos == 1
                self._free.append(packet.id)
            else:
                assert packet.name == "PUBREC", packet
                self._unreleased[packet.id] = None
                out.append(pubrel(packet.id))
        self.send(b"".join(out))


class Mortal(Client):
    """Leaves a will with a number of a sender, to be published when the broker is gone and has come back."""

    def __init__(self, id: str, numbers: Iterator[int]) -> None:
        super().__init__(id)
        self._numbers = numbers

    def leave_will(self, port: int, sender: Sender) -> None:
        number = next(self._numbers)
        sender.sent.add(number)
        self.open(port, will(f"{sender.topic}/will", body_of(number), sender.qos))
        sender.confirmed.add(number)


class Receiver(Client):
    """`got` are the numbers it was sent, over all lives; members of a group have it together."""

    def __init__(self, id: str, filter: str, qos: int, got: set[int]) -> None:
        super().__init__(id)
        self.got = got
        self._filter = filter
        self._qos = qos
        self._begun: dict[int, int] = {}  # messages of QoS 2 by their identifiers

    def subscribe(self, port: int) -> None:
        self.open(port)
        self.send(subscribe((self._filter, self._qos)))
        assert self.expect("SUBACK").codes == (self._qos,)
        self.close()

    def work(self, port: int, chance: random.Random, fuse: Fuse) -> None:
        """Take what comes until the broker is gone; answer late now and then."""
        self.open(port)
        fuse.join(id(self))
        answers: list[bytes] = []
        while True:
            answers += self._hear()
            fuse.step()
            if chance.random() < 0.8:
                self.send(b"".join(answers))
                answers.clear()

    def drain(self, port: int, enough: Callable[[], bool]) -> None:
        """Take what comes until that is enough and nothing is left to be completed."""
        self.open(port)
        try:
            self._catch_up()
            while not enough() or self._begun:
                self.send(b"".join(self._hear()))
                self._catch_up()
        finally:
            self.close()

    def _catch_up(self) -> None:
        """Take what was sent before a PINGRESP."""
        self.send(PINGREQ)
        while b"" not in (answers := self._hear()):
            self.send(b"".join(answers))
        self.send(b"".join(answers))

    def _hear(self) -> list[bytes]:
        """Answers; an empty one for PINGRESP."""
        return [self._answer(packet) for packet in self.read()]

    def _answer(self, packet: Packet) -> bytes:
        if packet.name == "PINGRESP":
            return b""
        if packet.name == "PUBREL":
            self._begun.pop(packet.id, None)
            return pubcomp(packet.id)
        assert packet.name == "PUBLISH", packet
        number = number_of(packet.payload)
        if packet.payload != body_of(number):
            self.complaints.append(f"{number} is not what was published")
        if packet.qos != self._qos:
            self.complaints.append(f"{number} came with QoS {packet.qos}, not {self._qos}")
        if self._qos == 1:
            self.got.add(number)
            return puback(packet.id)
        if packet.id not in self._begun:
            if number in self.got:
                self.complaints.append(f"{number} was delivered twice with QoS 2")
            self._begun[packet.id] = number
            self.got.add(number)
        elif self._begun[packet.id] != number:
            self.complaints.append(f"identifier {packet.id} was {self._begun[packet.id]} and is {number}")
        return pubrec(packet.id)


class Retainer(Client):
    """Replaces and clears retained messages, one at a time. `may` has for each topic what may be retained: its last
    body that is certain, and the one under way; none at all is b""."""

    def __init__(self, id: str, numbers: Iterator[int]) -> None:
        super().__init__(id, clean=True)
        self.may: dict[str, set[bytes]] = {f"kill/retained/{number}": {b""} for number in range(RETAINED)}
        self._numbers = numbers

    def work(self, port: int, chance: random.Random, fuse: Fuse) -> None:
        self.open(port)
        fuse.join(id(self))
        while True:
            topic = chance.choice(sorted(self.may))
            body = body_of(next(self._numbers)) if chance.random() < 0.8 else b""
            self.may[topic].add(body)
            fuse.step()
            self.send(publish(topic, body, 1, 1, retain=True))
            self.expect("PUBACK")
            self.may[topic] = {body}

    def look(self, port: int) -> int:
        """Compare what is retained; how many messages are."""
        self.open(port)
        self.send(subscribe(("kill/retained/#", 0)))
        self.expect("SUBACK")
        self.send(PINGREQ)
        found = dict.fromkeys(self.may, b"")
        packets: list[Packet] = []
        while not packets or packets[-1].name != "PINGRESP":
            packets += self.read()
        for packet in packets[:-1]:
            assert packet.retain, packet
            found[packet.topic] = packet.payload
        for topic, body in found.items():
            if body not in self.may[topic]:
                self.complaints.append(f"{body[:20]!r} is retained under {topic}")
            self.may[topic] = {body}
        self.close()
        return len(packets) - 1
