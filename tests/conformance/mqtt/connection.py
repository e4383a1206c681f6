"""One client's connection to one broker, with blocking calls.

What was said is known to be complete after a PINGRESP: both brokers answer in order, and queue what goes to others
before they answer. Messages are acknowledged as they come, unless they are `held`.
"""

from __future__ import annotations

import contextlib
import socket
from typing import NamedTuple

from tests.protocols.mqtt.peer import PINGREQ, V5, Packet, Packets, puback, pubcomp, pubrec

ALIAS, EXPIRY, SUBSCRIPTION_ID = 0x23, 0x02, 0x0B
# Of an expiry of an hour, this much may have passed.
_MARGIN_SECONDS = 60


class Delivery(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    properties: tuple[tuple[int, str], ...]
    ids: tuple[int, ...]


class Connection:
    def __init__(self, sock: socket.socket, version: int, hold: bool = False) -> None:
        self.sock = sock
        self.version = version
        self.hold = hold
        self.half = False
        self.packets = Packets(version)
        self.alive = True
        self.answers: list[str] = []
        self.deliveries: list[Delivery] = []
        self.held: list[Packet] = []
        self.aliases: dict[int, str] = {}
        self._acknowledged = False

    def send(self, octets: bytes) -> None:
        if self.alive:
            with contextlib.suppress(ConnectionError):  # what it said before is still to be read
                self.sock.sendall(octets)

    def read_until(self, name: str) -> Packet | None:
        """The next packet of that name; None if the connection ends before."""
        found = None
        while self.alive and found is None:
            try:
                octets = self.sock.recv(65536)
            except ConnectionError:
                octets = b""
            if not octets:
                self.end()
            for each in self.packets.feed(octets):
                self._take(each)
                if each.name == name and found is None:
                    found = each
        return found

    def settle(self) -> None:
        """Until nothing more is to come of what has been said."""
        while self.alive:
            self._acknowledged = False
            self.send(PINGREQ)
            self.read_until("PINGRESP")
            if not self._acknowledged:
                return

    def acknowledge(self, count: int, half: bool = False) -> None:
        """The oldest of the messages held; `half`: PUBREL is not answered any more."""
        self.half = half
        held, self.held = self.held[:count], self.held[count:]
        for each in held:
            self._acknowledge(each)

    def hang_up(self) -> None:
        """Say no more, and wait until the broker knows."""
        if self.alive:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)
            while self.alive:
                self.read_until("nothing")

    def end(self) -> None:
        self.alive = False
        self.answers.append("closed")
        self.sock.close()

    def _take(self, each: Packet) -> None:
        if each.name == "PUBLISH":
            self.deliveries.append(self._delivery(each))
            if each.qos and self.hold:
                self.held.append(each)
            elif each.qos:
                self._acknowledge(each)
        elif each.name == "PUBREL":
            self.answers.append(f"PUBREL {each.code:#04x}")
            if not self.half:
                self._acknowledged = True
                self.send(pubcomp(each.id))
        elif each.name == "DISCONNECT":
            self.answers.append(f"DISCONNECT {each.code:#04x}")
            self.end()
        elif each.name == "CONNACK":
            found = sorted(id for id in each.properties if id in (0x12, 0x24, 0x25, 0x28, 0x29, 0x2A))
            self.answers.append(f"CONNACK {each.codes[0]} {each.code:#04x} {found}")
        elif each.name in ("SUBACK", "UNSUBACK"):
            self.answers.append(f"{each.name} {' '.join(map(hex, each.codes))}")
        elif each.name != "PINGRESP":
            self.answers.append(f"{each.name} {each.code:#04x}")

    def _acknowledge(self, each: Packet) -> None:
        self._acknowledged = True
        self.send(puback(each.id) if each.qos == 1 else pubrec(each.id))

    def _delivery(self, each: Packet) -> Delivery:
        found = dict(each.properties)
        (alias,) = found.pop(ALIAS, [0])
        topic = each.topic or self.aliases[alias]
        if alias:
            self.aliases[alias] = topic
        if EXPIRY in found and 3600 - _MARGIN_SECONDS < found[EXPIRY][0] <= 3600:
            found[EXPIRY] = [3600]
        ids = tuple(sorted(found.pop(SUBSCRIPTION_ID, [])))
        assert not found or self.version == V5
        return Delivery(
            topic,
            each.payload,
            each.qos,
            each.retain,
            each.dup,
            tuple(sorted((id, repr(value)) for id, value in found.items())),
            ids,
        )
