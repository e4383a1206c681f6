"""Looks, after a restart, at all there is: every message of every queue, and what has been declared.

What it reads it leaves, or acknowledges, or does so with a part. That goes into its notes, like the work of any worker:
it ends with a message of its own whose confirm makes the rest certain.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product

from pamqp import base
from tests.durability.books import Found, Notes
from tests.durability.load import IDLE, KEPT, PASSING, body_of, found
from tests.durability.topology import EXCHANGES, QUEUES, Topology
from tests.net.peer import Peer
from tests.protocols.amqp.memory import Answer, Basic, Channel, Confirm, Exchange, Queue, ack, method, publish


class Reader:
    """One connection."""

    def __init__(self, index: int, peer: Peer, numbers: Iterator[int]) -> None:
        self.notes = Notes(index)
        self._peer = peer
        self._numbers = numbers
        peer.connect().call(Confirm.Select())

    # -- messages --------------------------------------------------------------------------------------------

    def read(self) -> dict[str, list[Found]]:
        """All messages, in the order in which they are delivered; none of them is acknowledged."""
        self._tags: dict[str, list[int]] = {}
        messages = {queue: self._read_queue(queue) for queue in KEPT}
        assert self._depth(PASSING) is None, "a queue that is not durable is there after a restart"
        return messages

    def _read_queue(self, queue: str) -> list[Found]:
        peer = self._peer
        count = self._depth(queue)
        assert count is not None, f"{queue} is not there"
        peer.call(Basic.Consume(0, queue, queue))
        answers = [peer.expect("Basic.Deliver") for _ in range(count)]
        peer.call(Basic.Cancel(queue))
        assert not peer.heard, "more messages than counted"
        assert self._depth(queue) == 0
        self._tags[queue] = [answer.delivery_tag for answer in answers]
        return [found(answer.body or b"", answer.redelivered) for answer in answers]

    def settle(self, messages: dict[str, list[Found]], chance: random.Random) -> None:
        """Acknowledge some, and wait until that is certain."""
        for queue, in_queue in messages.items():
            share = chance.choice((0, 0, 1, 1, 1, chance.random()))
            for tag, each in zip(self._tags[queue], in_queue, strict=True):
                self.notes.receives(queue, each.number, each.redelivered)
                if chance.random() < share:
                    self.notes.settles(queue, each.number)
                    self._peer.send(ack(tag))
        number = next(self._numbers)
        self.notes.publishes(number, (IDLE,), True)
        self._peer.send(publish(IDLE, body_of(number), delivery_mode=2))
        self._peer.expect("Basic.Ack")
        self.notes.confirms(number)

    # -- definitions -----------------------------------------------------------------------------------------

    def topology(self) -> Topology:
        """What there is of the topology, on a channel of its own. For each binding a message is added to its queue."""
        self._peer.call(Channel.Open(), 2)
        self._peer.call(Confirm.Select(), 2)
        topology = Topology()
        topology.exchanges = {name for name in EXCHANGES if self._asked(Exchange.Declare(0, name, passive=True))}
        for queue in QUEUES:
            depth = self._depth(queue)
            if depth is not None:
                topology.queues[queue] = depth
        for exchange, queue in sorted(product(topology.exchanges, topology.queues)):
            if self._leads(exchange, queue):
                topology.bindings.add((exchange, queue))
        return topology

    def _leads(self, exchange: str, queue: str) -> bool:
        self._peer.send(publish(queue, b"topology", 2, exchange, mandatory=True, delivery_mode=2))
        first = self._peer.next()
        if first.name == "Basic.Return":
            self._peer.expect("Basic.Ack")
        return first.name == "Basic.Ack"

    def _depth(self, queue: str) -> int | None:
        """How many messages wait in a queue; None if there is no such queue."""
        answer = self._asked(Queue.Declare(0, queue, passive=True))
        return int(answer.message_count) if answer else None

    def _asked(self, value: base.Frame) -> Answer | None:
        """The answer on channel 3; None if that is 404."""
        self._peer.call(Channel.Open(), 3)
        self._peer.send(method(value, 3))
        answer = self._peer.next()
        if answer.name == "Channel.Close":
            assert answer.reply_code == 404, answer
            self._peer.send(method(Channel.CloseOk(), 3))
            return None
        self._peer.call(Channel.Close(200, "", 0, 0), 3)
        return answer
