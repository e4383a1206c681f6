"""What the tests of the core are built from: numbered messages, a subscriber that keeps what it gets, and a way to
count work.

Cost is counted in executed lines and in messages copied from one list to another, never in time: both are the same on
every machine.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, NamedTuple

import pytest

from menura.core.consumer import Consumer
from menura.core.content import body_of, pack
from menura.core.memory import MemoryAccount
from menura.core.presence import Connected
from menura.core.queue import Queue
from menura.core.routing import Route
from menura.core.run import Run
from menura.core.vhost import VHost

NO_PROPERTIES = b"\x00\x00"


def message(number: int, padding: int = 0) -> bytes:
    """A packed message that can be told from all others; `padding` makes it longer."""
    return pack(NO_PROPERTIES, number.to_bytes(8, "big") + bytes(padding))


def number_of(content: bytes) -> int:
    return int.from_bytes(body_of(content)[:8], "big")


def run_of(route: Route, contents: Iterable[bytes], persistent: bool = False) -> Run:
    contents = list(contents)
    return Run(route, contents, sum(map(len, contents)), max(map(len, contents)), persistent)


def numbered(route: Route, numbers: Iterable[int], padding: int = 0, persistent: bool = False) -> Run:
    return run_of(route, [message(number, padding) for number in numbers], persistent)


def numbers_of(run: Run) -> list[int]:
    return [number_of(content) for content in run.contents]


def a_vhost(**settings: Any) -> VHost:
    return VHost("/", MemoryAccount(), **settings)


def publish(vhost: VHost, exchange: str, key: str, numbers: Iterable[int], persistent: bool = False) -> list[int]:
    """Publish numbered messages in one run; the numbers of those that no queue wanted."""
    route = Route(exchange, key)
    return [number_of(content) for content in vhost.publish(route, numbered(route, numbers, persistent=persistent))]


def take_all(queue: Queue) -> list[int]:
    """Take and settle everything; the numbers in order."""
    taken = []
    while queue.ready_count:
        position, run, _ = queue.take(1 << 20)
        taken += numbers_of(run)
        queue.settle(position, run)
    return taken


class Delivery(NamedTuple):
    consumer: Consumer
    position: int
    run: Run
    redelivered: bool

    def settle(self) -> None:
        """What a channel does when its peer accepts."""
        self.consumer.queue.settle(self.position, self.run)
        self.consumer.taking.ack += len(self.run)
        self.consumer.settled(len(self.run))

    def give_back(self) -> None:
        """What a channel does when its peer wants the messages to be delivered again."""
        self.consumer.queue.requeue(self.position, self.run)
        self.consumer.settled(len(self.run))


class Receiver:
    """A subscriber that keeps what it is given, and an owner that keeps what it is told."""

    who: tuple[Connected | None, int] = (None, 0)

    def __init__(self) -> None:
        self.writable = True
        self.deliveries: list[Delivery] = []
        self.gone: list[Consumer] = []
        self.disowned: list[Queue] = []

    def deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> None:
        self.deliveries.append(Delivery(consumer, position, run, redelivered))

    def cancelled(self, consumer: Consumer) -> None:
        self.gone.append(consumer)

    def disown(self, queue: Queue) -> None:
        self.disowned.append(queue)

    def numbers(self, consumer: Consumer | None = None) -> list[int]:
        """Everything delivered, in order; to one consumer if it is named."""
        wanted = [each for each in self.deliveries if consumer in (None, each.consumer)]
        return [number for each in wanted for number in numbers_of(each.run)]


def consume(queue: Queue, receiver: Receiver | None = None, **settings: Any) -> Consumer:
    """A new consumer of the queue."""
    consumer = Consumer("tag", queue, receiver or Receiver(), **settings)
    queue.subscribe(consumer)
    return consumer


def operations(work: Callable[[], object]) -> int:
    """How many lines of Python `work` executes."""
    count = 0

    def step(frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        nonlocal count
        count += event == "line"
        return step

    before = sys.gettrace()
    collecting = gc.isenabled()
    gc.disable()  # somebody may have asked to be called at each collection, in Python
    sys.settrace(step)
    try:
        work()
    finally:
        sys.settrace(before)
        if collecting:
            gc.enable()
    return count


def count_copies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From now on, a list to which each cutting of a run appends the number of messages it copied."""
    copied: list[int] = []
    cut = Run.piece

    def piece(self: Run, start: int, stop: int) -> Run:
        copied.append(stop - start)
        return cut(self, start, stop)

    monkeypatch.setattr(Run, "piece", piece)
    return copied
