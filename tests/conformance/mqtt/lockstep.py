"""The same conversation with Menura and with mosquitto, step by step.

After each step everybody pings, so that all there was to come has come; then what each client was told is compared.
What the specification leaves open is taken out first: copies of a message for overlapping subscriptions are put
together (3.3.4: once with the highest QoS, or once for each subscription), messages are in order within a topic and
QoS only (4.6), and messages of QoS 0 need not be kept for a client that is away (4.1).

`python -m tests.conformance.mqtt.lockstep --cases N --seed S` runs further cases.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.conformance.mqtt.brokers import Dial, mosquitto, mosquitto_program, ours
from tests.conformance.mqtt.connection import Connection, Delivery
from tests.conformance.mqtt.generating import CLIENTS, NEVER, TOPICS, conversation
from tests.conformance.steps import Step
from tests.fuzz.hunting import smallest
from tests.protocols.mqtt import peer
from tests.protocols.mqtt.peer import V3_1_1, V5

Told = dict[str, Any]


class Difference(AssertionError):
    pass


class Side:
    """One broker, and the clients as it sees them."""

    def __init__(self, dial: Dial) -> None:
        self.dial = dial
        self.connections: dict[str, Connection] = {}
        self.aliases: dict[str, dict[int, str]] = {}
        self.unwanted: bytes | None = None

    def take(self, step: Step) -> Told:
        """Carry out one step; what everybody was told because of it."""
        getattr(self, step.verb)(step.client, **step.arguments)
        acting = self.connections.get(step.client)
        for each in (acting, *self.connections.values()):
            if each is not None:
                each.settle()
        self._check_unwanted()
        away = step.verb == "connect"
        told = {name: _told(each, away and name == step.client) for name, each in sorted(self.connections.items())}
        for name, each in list(self.connections.items()):
            if not each.alive:
                del self.connections[name]
        return told

    def _check_unwanted(self) -> None:
        unwanted, self.unwanted = self.unwanted, None
        if unwanted:
            heard = [each for found in self.connections.values() for each in found.deliveries]
            assert unwanted not in [each.payload for each in heard], "nobody was said to want this"

    def connect(self, client: str, version: int, hold: bool, **settings: Any) -> None:
        old = self.connections.pop(client, None)
        new = Connection(self.dial(), version, hold)
        new.send(peer.connect(client, version, user=None, password=None, **settings))
        new.read_until("CONNACK")
        if old is not None:
            while old.alive:
                old.read_until("nothing")
            # That it is told so is optional (3.1.4), and mosquitto does not always.
            assert old.answers[-1] == "closed"
        self.connections[client] = new
        self.aliases[client] = {}

    def subscribe(self, client: str, filters: list[tuple[str, int]], subscription_id: int) -> None:
        if (found := self.connections.get(client)) is not None:
            properties = b"\x0b" + peer.varint(subscription_id) if subscription_id else b""
            if found.version != V5:
                filters = [(name, options & 3) for name, options in filters]
            found.send(peer.subscribe(*filters, version=found.version, properties=properties))
            found.read_until("SUBACK")

    def unsubscribe(self, client: str, filters: list[str]) -> None:
        if (found := self.connections.get(client)) is not None:
            found.send(peer.unsubscribe(*filters, version=found.version))
            found.read_until("UNSUBACK")

    def publish(self, client: str, topic: str, alias: int, qos: int, properties: bytes, **settings: Any) -> None:
        found = self.connections.get(client)
        if found is None:
            return
        if alias and found.version == V5:
            properties += b"\x23" + alias.to_bytes(2, "big")
            aliases = self.aliases[client]
            topic, aliases[alias] = ("" if aliases.get(alias) == topic else topic), topic
        found.send(peer.publish(topic, qos=qos, id=7, version=found.version, properties=properties, **settings))
        if qos == 1:
            found.read_until("PUBACK")
            if found.answers[-1:] == ["PUBACK 0x10"]:
                # That nobody wants it may be said, and need not (3.4.2.1).
                found.answers[-1] = "PUBACK 0x00"
                self.unwanted = settings["payload"]
        elif qos == 2:
            answer = found.read_until("PUBREC")
            if answer is not None and answer.code < 0x80:
                self._release(found)

    def publish_twice(self, client: str, topic: str, payload: bytes, retain: bool) -> None:
        if (found := self.connections.get(client)) is not None:
            for dup in (False, True):
                found.send(peer.publish(topic, payload, 2, 9, retain=retain, dup=dup, version=found.version))
                found.read_until("PUBREC")
            self._release(found, 9)

    def publish_across(self, client: str, topic: str, payload: bytes, version: int) -> None:
        """A session that is kept remembers a message of QoS 2 that was not released (4.3.3)."""
        found = b"\x11" + NEVER.to_bytes(4, "big") if version == V5 else b""
        for dup in (False, True):
            self.connect(client, version, False, clean=version == V5 and not dup, properties=found)
            connection = self.connections[client]
            connection.send(peer.publish(topic, payload, 2, 9, dup=dup, version=version))
            connection.read_until("PUBREC")
            if not dup:
                connection.hang_up()
        self._release(connection, 9)

    def _release(self, found: Connection, id: int = 7) -> None:
        found.send(peer.pubrel(id))
        found.read_until("PUBCOMP")

    def acknowledge(self, client: str, count: int, half: bool = False) -> None:
        if (found := self.connections.get(client)) is not None:
            found.acknowledge(count, half)

    def disconnect(self, client: str, body: bytes) -> None:
        if (found := self.connections.get(client)) is not None:
            found.send(peer.packet(0xE0, body if found.version == V5 else b""))
            found.hang_up()

    def drop(self, client: str) -> None:
        if (found := self.connections.get(client)) is not None:
            found.hang_up()

    def raw(self, client: str, octets: bytes) -> None:
        """Octets that end the connection, or had better."""
        if (found := self.connections.get(client)) is not None:
            found.send(octets)
            found.settle()
            found.hang_up()
            found.answers = found.answers[-1:]  # not all codes are prescribed

    def close(self) -> None:
        for each in self.connections.values():
            each.sock.close()
        self.connections = {}

    def forget_all(self) -> None:
        """No sessions, nothing retained."""
        self.close()
        for name in (*CLIENTS, "eve"):
            self.connect(name, V3_1_1, False, clean=True)
        for topic in TOPICS:
            self.publish(CLIENTS[0], topic, alias=0, qos=1, properties=b"", payload=b"", retain=True)
        for each in self.connections.values():
            each.send(peer.DISCONNECT)
            each.hang_up()
        self.connections = {}


def _told(found: Connection, away: bool) -> tuple[list[str], dict[Any, list[Delivery]]]:
    answers, found.answers = [each for each in found.answers if each != "PUBREL 0x00"], []
    deliveries, found.deliveries = found.deliveries, []
    merged: dict[tuple[str, bytes, bool], Delivery] = {}
    for each in deliveries:
        key = each.topic, each.payload, each.dup
        other = merged.get(key, each)
        merged[key] = other._replace(
            qos=max(other.qos, each.qos),
            retain=other.retain or each.retain,
            ids=tuple(sorted({*other.ids, *each.ids})),
        )
    ordered: dict[Any, list[Delivery]] = {}
    for each in merged.values():
        if each.qos or not away:
            ordered.setdefault((each.topic, each.qos), []).append(each)
    return answers, dict(sorted(ordered.items()))


def compare(mine: Side, theirs: Side, steps: list[Step]) -> None:
    """Raises Difference at the first step that the two do not answer alike."""
    mine.forget_all()
    theirs.forget_all()
    for step in steps:
        ours_told, theirs_told = mine.take(step), theirs.take(step)
        same = ours_told == theirs_told
        if not same and "$share" in repr(steps):
            same = together(ours_told) == together(theirs_told)
        if not same:
            lines = [f"{step.verb}: the answers differ", repr(step)]
            for name in sorted({*ours_told, *theirs_told}):
                left, right = ours_told.get(name), theirs_told.get(name)
                if left != right:
                    lines += [f"{name}: Menura     {left}", f"{' ' * len(name)}  mosquitto  {right}"]
            raise Difference("\n".join(lines))


def together(told: Told) -> Told:
    """Who of a group gets a message is left open (4.8.2): what all clients got, by whoever got it."""
    answers = {name: answers for name, (answers, _) in told.items()}
    heard = [each._replace(ids=()) for _, found in told.values() for some in found.values() for each in some]
    return {**answers, "all": sorted(heard)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--keep-going", action="store_true")
    arguments = parser.parse_args()
    if mosquitto_program() is None:
        print("mosquitto is not installed")
        return 0
    print(f"seed {arguments.seed}")
    logging.getLogger("menura").addHandler(logging.NullHandler())
    failed = 0
    with tempfile.TemporaryDirectory() as folder, ours() as mine, mosquitto(Path(folder)) as theirs:
        sides = Side(mine), Side(theirs)
        for seed in range(arguments.seed, arguments.seed + arguments.cases):
            steps = conversation(seed)
            try:
                compare(*sides, steps)
            except Difference as difference:
                failed += 1
                print(f"--- seed {seed} ---\n{difference}")
                small = smallest(steps, lambda steps: compare(*sides, steps), attempts=200)
                print("smallest:", *small, sep="\n    ", flush=True)
                try:
                    compare(*sides, small)
                except Difference as difference:
                    print(difference, flush=True)
                if not arguments.keep_going:
                    return 1
    print(f"{arguments.cases} cases, {failed} with differences")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
