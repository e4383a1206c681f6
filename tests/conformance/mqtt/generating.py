"""Random conversations of a few clients, as lists of steps that are the same for every broker.

A case is of one of three kinds, since not all that the specification leaves open can be compared at once:
`overlapping` has filters that match the same topics, whose messages are acknowledged at once; in `holding` no two
filters of a client match the same topic, and messages wait for their acknowledgement; in `sharing` there are groups.
"""

from __future__ import annotations

from random import Random
from typing import Any

from tests.conformance.steps import Step
from tests.protocols.mqtt.peer import V3_1, V3_1_1, V5, text

CLIENTS = ("ann", "bob", "cid", "dee")
TOPICS = ("a", "a/b", "a/b/c", "b", "b/b", "a//b", "/", "/a", "a/", "$x/y", "$x", "ä/b", "v1.2/*", "*", "a b", "\\*")
WILD = ("#", "+", "a/#", "+/b", "a/+", "a/+/c", "+/+", "$x/#", "$x/+", "/+", "+/", "a//#", "/#", "+/+/#", "+/#", "ä/#")
NEVER = 0xFFFFFFFF
# What both brokers close the connection for, with whatever code.
_WRONG = ("36 06 0001 61 0007 78", "30 00", "20 02 00 00", "00 00", "82 02 0001")
_WRONG_5 = ("30 07 0001 61 03 23 0000", "30 04 0001 23 00", "82 08 0001 00 0002 612b 01", "f0 00",
            "82 03 0001 00", "32 07 0001 61 0000 00 78", "30 08 0001 61 04 03 0001 ff", "40 01 00")  # fmt: skip
WRONG = {
    version: [bytes.fromhex(each) for each in (*_WRONG, *(_WRONG_5 if version == V5 else ("f0 00", "32 03 0001 61")))]
    for version in (V3_1, V3_1_1, V5)
}


class Writer:
    """Writes the steps of one case."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.kind = chance.choice(("overlapping", "overlapping", "holding", "sharing"))
        self.steps: list[Step] = []
        self.versions: dict[str, int] = {}  # of those connected
        self.wills: set[str] = set()
        # Who always speaks version 5 uses its options. In mosquitto they stay when an older version subscribes again.
        self.modern = {each for each in CLIENTS if chance.random() < 0.6}
        self.number = 0

    def write(self, count: int) -> list[Step]:
        for each in CLIENTS[: self.chance.choice((2, 3, 4))]:
            self.connect(each)
        actions = [self.publish] * 8 + [self.subscribe] * 4 + [self.unsubscribe, self.leave, self.connect]
        if self.kind == "holding":
            actions += [self.acknowledge, self.acknowledge, self.receive_only]
        actions += [self.qos_2_in_pieces, self.qos_2_across, self.break_rules]
        while len(self.steps) < count:
            client = self.chance.choice(CLIENTS)
            action = self.chance.choice(actions) if client in self.versions else self.connect
            action(client)
        return self.steps

    def add(self, verb: str, client: str, **arguments: Any) -> None:
        self.steps.append(Step(verb, client, arguments))

    def connect(self, client: str) -> None:
        chance = self.chance
        version = V5 if client in self.modern else chance.choice((V3_1, V3_1_1, V5))
        clean = chance.random() < 0.5 if self.kind != "sharing" else True
        properties = b""
        if version == V5:
            if self.kind != "sharing" and chance.random() < 0.5:
                properties += b"\x11" + chance.choice((0, 3600, NEVER)).to_bytes(4, "big")
            if self.kind == "holding" and chance.random() < 0.6:
                properties += b"\x21" + chance.choice((1, 2, 5)).to_bytes(2, "big")
            if chance.random() < 0.3:
                properties += b"\x22" + chance.choice((0, 1, 5)).to_bytes(2, "big")
            if chance.random() < 0.1:
                properties += b"\x27" + chance.choice((60, 100)).to_bytes(4, "big")
        last = self.will(version)
        if client in self.versions and client in self.wills:
            self.add("drop", client)  # mosquitto forgets the will of a client that is taken over, against 3.1.2-8
        self.add(
            "connect", client, version=version, clean=clean, properties=properties, last=last,
            hold=self.kind == "holding",
        )  # fmt: skip
        self.versions[client] = version
        if last is None:
            self.wills.discard(client)
        else:
            self.wills.add(client)

    def will(self, version: int) -> Any:
        if self.chance.random() < 0.6:
            return None
        found = self.properties(expiry=False) if version == V5 else b""
        retain = self.chance.random() < 0.3 and self.kind != "sharing"
        return self.topic(), self.payload(), self.qos(), retain, found

    def qos(self) -> int:
        return self.chance.choice((1, 2)) if self.kind == "holding" else self.chance.choice((0, 1, 2))

    def topic(self) -> str:
        return self.chance.choice(TOPICS)

    def payload(self) -> bytes:
        self.number += 1
        size = self.chance.choice((0, 0, 0, 3, 60, 130))
        return f"{self.number}".encode() + b"." * size

    def properties(self, expiry: bool = True) -> bytes:
        chance = self.chance
        if chance.random() < 0.6:
            return b""
        parts = [b"\x01" + bytes((chance.choice((0, 1)),)), b"\x03" + text("text/plain"), b"\x08" + text("a/reply"),
                 b"\x09" + text(b"\x00\xff1"), b"\x26" + text("name") + text("value"), b"\x26" + text("") + text("ü"),
                 b"\x26" + text("name") + text("other")]  # fmt: skip
        if expiry:
            parts.append(b"\x02" + (3600).to_bytes(4, "big"))
        return b"".join(sorted(chance.sample(parts, chance.choice((1, 2, 4)))))

    def filters(self, client: str) -> list[str]:
        chance = self.chance
        if self.kind == "overlapping":
            return [chance.choice((*TOPICS, *WILD, *WILD)) for _ in range(chance.choice((1, 1, 2, 3)))]
        if self.kind == "holding":
            return [chance.choice(TOPICS)]
        own = TOPICS[CLIENTS.index(client) :: len(CLIENTS)]
        # mosquitto finds no shared subscription for topics with a '$'.
        return [chance.choice((*(f"$share/g/{each}" for each in TOPICS if each[0] != "$"), *own))]

    def subscribe(self, client: str) -> None:
        chance, v5 = self.chance, self.versions[client] == V5
        filters = []
        for each in dict.fromkeys(self.filters(client)):
            options = self.qos()
            shared = each.startswith("$share")
            if shared:
                if not v5:
                    continue
                options = len(each) % 3
            elif client in self.modern:
                # Other options do not replace the old ones in mosquitto, against 3.8.4-3; and what is retained comes
                # back to its publisher in spite of no-local, against 3.8.3-3.
                options |= (0, 0x08, 0x24, 0x2C)[len(each) % 4] or chance.choice((0, 0x10, 0x20))
            filters.append((each, options))
        if filters:
            id = chance.choice((0, 0, 1, 200, 268435455)) if v5 else 0
            self.add("subscribe", client, filters=filters, subscription_id=id)

    def unsubscribe(self, client: str) -> None:
        if self.kind != "sharing" or self.versions[client] == V5:
            self.add("unsubscribe", client, filters=self.filters(client))

    def publish(self, client: str) -> None:
        chance, v5 = self.chance, self.versions[client] == V5
        payload = self.payload() if chance.random() < 0.9 else b""
        found = self.properties() if v5 else b""
        alias = chance.choice((0, 0, 0, 1, 2, 10)) if v5 else 0
        retain = chance.random() < 0.3 and self.kind != "sharing"
        self.add(
            "publish", client, topic=self.topic(), payload=payload, qos=self.qos(), retain=retain, properties=found,
            alias=alias,
        )  # fmt: skip

    def qos_2_in_pieces(self, client: str) -> None:
        """A message of QoS 2, sent again before it is released, and perhaps by way of another connection."""
        retain = self.chance.random() < 0.2 and self.kind != "sharing"  # mosquitto sends those to groups, against 4.8.2
        self.add("publish_twice", client, topic=self.topic(), payload=self.payload(), retain=retain)

    def qos_2_across(self, client: str) -> None:
        """The same over two connections of a client of its own, whose session is kept."""
        version = self.chance.choice((V3_1, V3_1_1, V5))
        self.add("publish_across", "eve", topic=self.topic(), payload=self.payload(), version=version)

    def break_rules(self, client: str) -> None:
        self.add("raw", client, octets=self.chance.choice(WRONG[self.versions[client]]))
        del self.versions[client]

    def receive_only(self, client: str) -> None:
        """Say of messages of QoS 2 that they have come, and not that their identifiers are free again."""
        self.add("acknowledge", client, count=self.chance.choice((1, 2, 10)), half=True)

    def acknowledge(self, client: str) -> None:
        self.add("acknowledge", client, count=self.chance.choice((1, 2, 10)))

    def leave(self, client: str) -> None:
        how = self.chance.choice(("disconnect", "disconnect", "drop"))
        if how == "drop":
            self.add("drop", client)
        else:
            found = b""
            if self.versions[client] == V5:
                # mosquitto publishes the will with 4 and with no other code, against 3.1.2-8.
                code = self.chance.choice((0, 0, 4))
                found = bytes((code, 0)) if self.chance.random() < 0.8 else b"\x00\x05\x11" + bytes(4)
            self.add("disconnect", client, body=found)
        del self.versions[client]


def conversation(seed: int, count: int = 30) -> list[Step]:
    return Writer(Random(seed)).write(count)
