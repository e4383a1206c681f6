"""Queues, exchanges and bindings that come and go while the broker is killed.

A `Topologist` changes one thing at a time and waits for the answer, so that after a kill there must be either what
was answered last, or that and the one change that was asked for. What is called passing is not durable and goes with
the process. A queue has messages, by number only, which go with it: a queue that is declared again must be empty.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import product

from tests.durability.load import Desk, Fuse, Gone

QUEUES = tuple(f"topology.{life}.{index}" for life in ("lasting", "passing") for index in range(4))
EXCHANGES = tuple(f"topology.{life}.{kind}" for life in ("lasting", "passing") for kind in ("direct", "topic"))


def lasts(name: str) -> bool:
    return ".lasting." in name


@dataclass
class Topology:
    """What there is: queues with the number of their messages, exchanges, and bindings as (exchange, queue)."""

    queues: dict[str, int] = field(default_factory=dict)
    exchanges: set[str] = field(default_factory=set)
    bindings: set[tuple[str, str]] = field(default_factory=set)

    def copy(self) -> Topology:
        return Topology(dict(self.queues), set(self.exchanges), set(self.bindings))

    def restarted(self) -> Topology:
        """What is left when the process has ended."""
        return Topology(
            {queue: number for queue, number in self.queues.items() if lasts(queue)},
            set(filter(lasts, self.exchanges)),
            {binding for binding in self.bindings if all(map(lasts, binding))},
        )

    def drop_queue(self, name: str) -> None:
        del self.queues[name]
        self.bindings = {binding for binding in self.bindings if binding[1] != name}

    def drop_exchange(self, name: str) -> None:
        self.exchanges.remove(name)
        self.bindings = {binding for binding in self.bindings if binding[0] != name}


class Topologist:
    """`answered` is what must be there; `asked` is that with the change under way."""

    def __init__(self, chance: random.Random, topology: Topology, fuse: Fuse) -> None:
        self.answered = topology
        self.asked = topology
        self._chance = chance
        self._fuse = fuse

    def run(self, desk: Desk) -> None:
        """Until the broker is gone."""
        try:
            while True:
                self.asked = self.answered.copy()
                self._change(desk, self.asked)
                self.answered = self.asked
        except Gone:
            pass

    def candidates(self) -> list[Topology]:
        """What may be there after the next start."""
        return [self.answered.restarted(), self.asked.restarted()]

    def _change(self, desk: Desk, topology: Topology) -> None:
        """Note the change in the topology, and ask for it."""
        self._fuse.step()
        dice = self._chance.random()
        if dice < 0.4:
            self._change_queue(desk, topology, self._chance.choice(QUEUES))
        elif dice < 0.6:
            self._change_exchange(desk, topology, self._chance.choice(EXCHANGES))
        elif pairs := sorted(product(topology.exchanges, topology.queues)):
            self._change_binding(desk, topology, self._chance.choice(pairs))

    def _change_queue(self, desk: Desk, topology: Topology, queue: str) -> None:
        if queue not in topology.queues:
            topology.queues[queue] = 0
            desk.declare_queue(queue, lasts(queue))
        elif self._chance.random() < 0.5:
            topology.drop_queue(queue)
            desk.delete_queue(queue)
        else:
            topology.queues[queue] += 3
            for _ in range(3):
                desk.publish(queue, b"topology")
            desk.commit()

    def _change_exchange(self, desk: Desk, topology: Topology, exchange: str) -> None:
        if exchange in topology.exchanges:
            topology.drop_exchange(exchange)
            desk.delete_exchange(exchange)
        else:
            topology.exchanges.add(exchange)
            desk.declare_exchange(exchange, exchange.rsplit(".", 1)[1], lasts(exchange))

    def _change_binding(self, desk: Desk, topology: Topology, pair: tuple[str, str]) -> None:
        exchange, queue = pair
        if pair in topology.bindings:
            topology.bindings.remove(pair)
            desk.unbind(queue, exchange, queue)
        else:
            topology.bindings.add(pair)
            desk.bind(queue, exchange, queue)
