"""The load under which a broker is killed, whatever client library carries it.

Each `Worker` publishes to a queue of its own and consumes from that of its neighbour, with many confirms open:
persistent messages mostly, transient ones in between, some through a fanout exchange to all queues at once, some to a
queue that nobody consumes from. It acknowledges one by one or in ranges, gives some back, drops some, keeps some. A
`Mover` publishes into one queue and moves messages from there to another one in transactions. Each notes what it does.

The broker is killed by a `Fuse` in the middle of whatever a worker is doing, after a number of steps.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from threading import Event
from typing import Protocol

from tests.durability.books import Found, Group, Notes

WORKERS = 3
OWN = tuple(f"kill.own.{index}" for index in range(WORKERS))
IDLE, SOURCE, TARGET, PASSING = "kill.idle", "kill.source", "kill.target", "kill.passing"
FANOUT = "kill.all"
KEPT = (*OWN, IDLE, SOURCE, TARGET)
PREFETCH = 300
WINDOW = 400


class Gone(Exception):
    """The broker is not there any more."""


class Fuse:
    """Calls `kill` at the given step, in the thread that takes it; steps count once all workers are at work."""

    def __init__(self, steps: int, kill: Callable[[], None], workers: int = WORKERS) -> None:
        self.burnt = Event()
        self.at = steps
        self._kill = kill
        self._wanted = workers
        self._steps = count(1)
        self._workers: set[int] = set()

    def join(self, worker: int) -> None:
        self._workers.add(worker)

    def step(self) -> None:
        if len(self._workers) == self._wanted and next(self._steps) == self.at:
            self._kill()
            self.burnt.set()


def until_gone(work: Callable[[int, random.Random, Fuse], None], port: int, chance: random.Random, fuse: Fuse) -> None:
    """Work with the broker on that port for as long as there is one."""
    with suppress(Gone):
        work(port, chance, fuse)


def body_of(number: int) -> bytes:
    """What the message of that number says, mostly shorter than 300 octets, sometimes longer than a frame."""
    dice = number * 2654435761 % 1000
    size = 10 + dice % 290 if dice < 950 else 4 * dice if dice < 997 else 180 * dice
    return b"%d|" % number + b"%016x" % (number * 0x9E3779B97F4A7C15 % (1 << 64)) * (size // 16)


def found(body: bytes, redelivered: bool) -> Found:
    head = body.split(b"|", 1)[0]
    number = int(head) if head.isdigit() else -1
    return Found(number, redelivered, number >= 0 and body == body_of(number))


def number_of(body: bytes) -> int:
    return int(body[: body.index(b"|")])


class Line(Protocol):
    """What a worker asks of its client library. Nothing is waited for."""

    def publish(self, exchange: str, key: str, body: bytes, kept: bool) -> None: ...

    def ack(self, tag: int, multiple: bool) -> None: ...

    def nack(self, tag: int, multiple: bool, requeue: bool) -> None: ...


class Desk(Protocol):
    """Requests that are answered before the next one is made, on a transactional channel. Raises Gone."""

    def declare_queue(self, name: str, durable: bool) -> None: ...

    def delete_queue(self, name: str) -> None: ...

    def declare_exchange(self, name: str, kind: str, durable: bool) -> None: ...

    def delete_exchange(self, name: str) -> None: ...

    def bind(self, queue: str, exchange: str, key: str) -> None: ...

    def unbind(self, queue: str, exchange: str, key: str) -> None: ...

    def publish(self, key: str, body: bytes) -> None:
        """A persistent message to the queue of that name."""

    def get(self, queue: str) -> tuple[int, bool, bytes] | None:
        """Delivery tag, whether redelivered, and body of the first message."""

    def ack(self, tag: int) -> None: ...

    def commit(self) -> None: ...


def prepare(desk: Desk) -> None:
    """Declare what the load uses."""
    for queue in KEPT:
        desk.declare_queue(queue, True)
    desk.declare_queue(PASSING, False)
    desk.declare_exchange(FANOUT, "fanout", True)
    for queue in (*OWN, PASSING):
        desk.bind(queue, FANOUT, "")


class Worker:
    """Told by its line what was confirmed and delivered; publishes whenever `fill` is called."""

    def __init__(self, index: int, chance: random.Random, numbers: Iterator[int], fuse: Fuse) -> None:
        self.notes = Notes(index)
        self.line: Line
        self.queue = OWN[(index + 1) % WORKERS]
        """Where it consumes from."""
        self._own = OWN[index]
        self._chance = chance
        self._numbers = numbers
        self._fuse = fuse
        self._published = 0
        self._open: dict[int, int] = {}  # number by publishing tag
        self._held: list[tuple[int, int]] = []  # delivery tag and number
        self._batch = 1
        self._burst = chance.choice((20, WINDOW))

    # -- publishing ------------------------------------------------------------------------------------------

    def fill(self) -> None:
        """Publish until so many confirms are open."""
        self._fuse.join(self.notes.worker)
        while len(self._open) < self._burst:
            self._publish()
            self._fuse.step()

    def _publish(self) -> None:
        exchange, key, queues, kept = self._choose()
        number = next(self._numbers)
        self._published += 1
        self._open[self._published] = number
        self.notes.publishes(number, queues, kept)
        self.line.publish(exchange, key, body_of(number), kept)

    def _choose(self) -> tuple[str, str, tuple[str, ...], bool]:
        dice = self._chance.random()
        if dice < 0.75:
            return "", self._own, (self._own,), True
        if dice < 0.85:
            return "", self._own, (self._own,), False
        if dice < 0.92:
            return FANOUT, "", OWN, True
        if dice < 0.97:
            return "", IDLE, (IDLE,), True
        return "", PASSING, (), True

    def confirmed(self, tag: int, multiple: bool) -> None:
        tags = [tag]
        if multiple:
            tags = []
            for each in self._open:  # in the order of publishing
                if each > tag:
                    break
                tags.append(each)
        for each in tags:
            self.notes.confirms(self._open.pop(each))
        self._fuse.step()

    def refused(self, tag: int) -> None:
        self.notes.complaints.append(f"publish {tag} was refused")

    # -- consuming -------------------------------------------------------------------------------------------

    def delivered(self, tag: int, redelivered: bool, body: bytes) -> None:
        number = number_of(body)
        self.notes.receives(self.queue, number, redelivered)
        self._held.append((tag, number))
        self._fuse.step()
        if len(self._held) >= self._batch:
            self._settle()
            self._batch = min(len(self._held) + self._chance.choice((1, 5, 50)), PREFETCH)

    def _settle(self) -> None:
        dice = self._chance.random()
        if dice < 0.5 or len(self._held) > PREFETCH // 2:
            self._end_all()
            self.line.ack(self._last_tag, True)
        elif dice < 0.55:
            self._end_all()
            self.line.nack(self._last_tag, True, False)
        elif dice < 0.6:
            tag, _ = self._held.pop(self._chance.randrange(len(self._held)))
            self.line.nack(tag, False, True)
        elif dice < 0.8:
            for _ in range(self._chance.randrange(len(self._held) + 1)):
                tag, number = self._held.pop(self._chance.randrange(len(self._held)))
                self.notes.settles(self.queue, number)
                self.line.ack(tag, False)

    def _end_all(self) -> None:
        self._last_tag = self._held[-1][0]
        for _, number in self._held:
            self.notes.settles(self.queue, number)
        self._held.clear()


class Mover:
    """Transactions: some publish to SOURCE, some take from it, publish as much to TARGET and acknowledge."""

    def __init__(self, index: int, chance: random.Random, numbers: Iterator[int], fuse: Fuse) -> None:
        self.notes = Notes(index)
        self._chance = chance
        self._numbers = numbers
        self._fuse = fuse

    def run(self, desk: Desk) -> None:
        """Until the broker is gone."""
        try:
            while True:
                self._transact(desk)
        except Gone:
            pass

    def _transact(self, desk: Desk) -> None:
        group = self.notes.begins()
        wanted = self._chance.choice((1, 2, 5, 20))
        if self._chance.random() < 0.5:
            self._publish(desk, group, SOURCE, wanted)
        else:
            taken = self._take(desk, group, wanted)
            self._publish(desk, group, TARGET, taken)
        self._fuse.step()
        desk.commit()
        group.committed = True
        for _, number in group.published:
            self.notes.confirms(number)

    def _take(self, desk: Desk, group: Group, wanted: int) -> int:
        for taken in range(wanted):
            message = desk.get(SOURCE)
            if message is None:
                return taken
            tag, redelivered, body = message
            number = number_of(body)
            self.notes.receives(SOURCE, number, redelivered)
            self.notes.settles(SOURCE, number)
            group.settled.append((SOURCE, number))
            desk.ack(tag)
        return wanted

    def _publish(self, desk: Desk, group: Group, queue: str, wanted: int) -> None:
        for _ in range(wanted):
            number = next(self._numbers)
            self.notes.publishes(number, (queue,), True)
            group.published.append((queue, number))
            desk.publish(queue, body_of(number))
