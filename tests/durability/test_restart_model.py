"""A broker with a data directory, its client and its restarts against queues that are lists.

The model keeps each message in the place its position gives it, and looks at all of them for every question. What the
broker delivers must be the first of those that wait, and say whether it was handed out before; nothing may wait that a
consumer has room for; and the counts must agree. A restart takes what is not persistent, or not in a durable queue,
and gives back what was not settled.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pamqp import base
from tests.net.peer import DEADLINE_SECONDS, Peer, eventually
from tests.protocols.amqp.memory import (
    Answer,
    Basic,
    Channel,
    Confirm,
    Connection,
    Exchange,
    Queue,
    ack,
    method,
    publish,
)

from menura import Broker

DURABLE = {"orders": True, "bills": True, "passing": False}
NAMES = st.sampled_from(list(DURABLE))
FANOUT = "all"
TALK = 1  # the channel for everything but consuming
CHANNELS_MAX = 8


@dataclass(eq=False)
class Message:
    """A message in one queue."""

    number: int
    position: int
    persistent: bool
    returned: bool = False


@dataclass(eq=False)
class Consumer:
    """The one consumer of a queue, on a channel of its own."""

    queue: str
    channel: int
    prefetch: int
    settles: bool
    unsettled: int = 0
    cancelled: bool = False

    @property
    def room(self) -> bool:
        return not self.cancelled and (not self.settles or not self.prefetch or self.unsettled < self.prefetch)


@dataclass(eq=False)
class Delivery:
    """What a client has and has not settled."""

    queue: str
    message: Message
    consumer: Consumer | None
    lost: bool = False
    """Its queue has been deleted: it can be settled still, and goes nowhere."""


@dataclass
class Model:
    """What waits in each queue, and what is with the client, by channel and tag."""

    waiting: dict[str, list[Message]] = field(default_factory=lambda: {name: [] for name in DURABLE})
    held: dict[tuple[int, int], Delivery] = field(default_factory=dict)

    def first(self, queue: str) -> Message:
        return min(self.waiting[queue], key=lambda message: message.position)

    def give_back(self, delivery: Delivery) -> None:
        delivery.message.returned = True
        if not delivery.lost:
            self.waiting[delivery.queue].append(delivery.message)

    def restart(self) -> None:
        for name, durable in DURABLE.items():
            self.waiting[name] = [message for message in self.waiting[name] if durable and message.persistent]


class BrokerAsLists(RuleBasedStateMachine):
    """One connection at a time; queues that are declared again whenever they may be gone."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.numbers = count(1)
        self.consumers: dict[str, Consumer] = {}
        self.path = tempfile.mkdtemp()
        self.broker: Broker | None = None

    @initialize()
    def begin(self) -> None:
        self.start()

    def start(self) -> None:
        self.broker = Broker(data=self.path, disk_free_bytes_min=0).__enter__()
        self.connect()

    def connect(self) -> None:
        assert self.broker is not None
        self.peer = Peer(self.broker.amqp_port).connect(TALK)
        self.free_channels = [*range(TALK + 1, TALK + 1 + CHANNELS_MAX)]
        self.tags = 0  # of channel TALK
        self.peer.call(Confirm.Select())
        self.peer.call(Exchange.Declare(0, FANOUT, "fanout", durable=True))
        for name, durable in DURABLE.items():
            found = self.peer.call(Queue.Declare(0, name, durable=durable)).message_count
            assert found == len(self.model.waiting[name]), f"{name} has {found}"
            self.peer.call(Queue.Bind(0, name, FANOUT))

    # -- the client's side -----------------------------------------------------------------------------------

    def hear(self, name: str) -> Answer:
        """The next answer of that name; deliveries before it are looked at."""
        while (answer := self.peer.next()).name != name:
            assert answer.name == "Basic.Deliver", answer
            self.delivered(answer)
        return answer

    def ask(self, value: base.Frame, channel: int = TALK) -> Answer:
        self.peer.send(method(value, channel))
        return self.hear(f"{value.name}Ok")

    def delivered(self, answer: Answer) -> None:
        consumer = self.consumers[answer.consumer_tag]
        assert consumer.room, "more than the prefetch"
        self.take(consumer.queue, answer, consumer if consumer.settles else None, not consumer.settles)

    def take(self, queue: str, answer: Answer, consumer: Consumer | None, no_ack: bool) -> None:
        """The broker has handed this out; it must have been the first."""
        message = self.model.first(queue)
        assert answer.body == b"%d" % message.number
        assert answer.redelivered is message.returned
        self.model.waiting[queue].remove(message)
        if not no_ack:
            self.model.held[answer.channel, answer.delivery_tag] = Delivery(queue, message, consumer)
            if consumer is not None:
                consumer.unsettled += 1

    @invariant()
    def nothing_waits_that_should_not(self) -> None:
        if self.broker is None:
            return
        # What the first answer has caused comes before the second.
        for name in (*DURABLE, *DURABLE):
            found = self.ask(Queue.Declare(0, name, passive=True))
        for name in DURABLE:
            found = self.ask(Queue.Declare(0, name, passive=True))
            waiting = self.model.waiting[name]
            assert found.message_count == len(waiting), f"{name}: {waiting}"
            consumer = self.consumers.get(name)
            assert not (waiting and consumer and consumer.room), f"{name}: {waiting}"

    # -- what is done ----------------------------------------------------------------------------------------

    @rule(where=st.sampled_from([*DURABLE, FANOUT]), number=st.integers(1, 4), persistent=st.sampled_from([1, 1, 0]))
    def publish(self, where: str, number: int, persistent: int) -> None:
        exchange, key = (FANOUT, "") if where == FANOUT else ("", where)
        for _ in range(number):
            message = next(self.numbers)
            for name in DURABLE if where == FANOUT else (where,):
                self.model.waiting[name].append(Message(message, message, bool(persistent)))
            self.peer.send(publish(key, b"%d" % message, TALK, exchange, delivery_mode=1 + persistent))
            self.tags += 1
        while self.hear("Basic.Ack").delivery_tag < self.tags:
            pass

    @rule(queue=NAMES, number=st.integers(1, 3), no_ack=st.sampled_from([False, False, True]))
    def get_some(self, queue: str, number: int, no_ack: bool) -> None:
        for _ in range(number):
            self.get(queue, no_ack)

    def get(self, queue: str, no_ack: bool) -> None:
        waits = bool(self.model.waiting[queue])
        self.peer.send(method(Basic.Get(0, queue, no_ack), TALK))
        if waits:
            self.take(queue, self.hear("Basic.GetOk"), None, no_ack)
        else:
            self.hear("Basic.GetEmpty")

    @precondition(lambda self: len(self.consumers) < len(DURABLE) and self.free_channels)
    @rule(data=st.data(), prefetch=st.sampled_from([0, 1, 2, 3, 10]), settles=st.sampled_from([True, True, False]))
    def consume(self, data: st.DataObject, prefetch: int, settles: bool) -> None:
        queue = data.draw(st.sampled_from([name for name in DURABLE if name not in self.consumers]))
        channel = self.free_channels.pop(0)
        self.ask(Channel.Open(), channel)
        self.ask(Basic.Qos(0, prefetch), channel)
        self.consumers[queue] = Consumer(queue, channel, prefetch, settles)
        self.ask(Basic.Consume(0, queue, queue, no_ack=not settles), channel)

    @precondition(lambda self: self.consumers)
    @rule(data=st.data(), channel_too=st.booleans())
    def stop_consuming(self, data: st.DataObject, channel_too: bool) -> None:
        """What the consumer has stays with its channel if that stays open."""
        consumer = self.consumers[data.draw(st.sampled_from(sorted(self.consumers)))]
        self.ask(Basic.Cancel(consumer.queue), consumer.channel)
        consumer.cancelled = True
        del self.consumers[consumer.queue]
        if channel_too:
            self.ask(Channel.Close(200, "", 0, 0), consumer.channel)
            self.free_channels.append(consumer.channel)
            self.end([key for key in self.model.held if key[0] == consumer.channel], requeue=True)

    @precondition(lambda self: self.model.held)
    @rule(data=st.data(), how=st.sampled_from(["ack", "ack", "requeue", "drop"]), multiple=st.booleans())
    def settle(self, data: st.DataObject, how: str, multiple: bool) -> None:
        channel, tag = data.draw(st.sampled_from(sorted(self.model.held)))
        keys = [(channel, tag)]
        if multiple:
            keys = [key for key in sorted(self.model.held) if key[0] == channel and key[1] <= tag]
        self.end(keys, requeue=how == "requeue")
        octets = ack(tag, channel, multiple)
        if how != "ack":
            octets = method(Basic.Nack(tag, multiple, how == "requeue"), channel)
        self.peer.send(octets)

    def end(self, keys: list[tuple[int, int]], requeue: bool) -> None:
        for key in keys:
            delivery = self.model.held.pop(key)
            if requeue:
                self.model.give_back(delivery)
            if delivery.consumer is not None:
                delivery.consumer.unsettled -= 1

    @rule(queue=NAMES, deleted=st.booleans())
    def empty(self, queue: str, deleted: bool) -> None:
        """Purge the queue, or delete it, unless it has a consumer, and declare it again."""
        waiting = len(self.model.waiting[queue])
        self.model.waiting[queue].clear()
        if not deleted or queue in self.consumers:
            assert self.ask(Queue.Purge(0, queue)).message_count == waiting
            return
        assert self.ask(Queue.Delete(0, queue)).message_count == waiting
        for delivery in self.model.held.values():
            delivery.lost = delivery.lost or delivery.queue == queue
        self.ask(Queue.Declare(0, queue, durable=DURABLE[queue]))
        self.ask(Queue.Bind(0, queue, FANOUT))

    # -- ends ------------------------------------------------------------------------------------------------

    @rule(how=st.sampled_from(["connection", "broker"]), parting=st.booleans())
    def begin_again(self, how: str, parting: bool) -> None:
        """With another connection, or with another broker, which has told its client if that has not left before."""
        if how == "broker":
            self.stop(parting)
            self.start()
        else:
            self.connect_again(parting)

    def connect_again(self, parting: bool) -> None:
        if parting:
            self.ask(Connection.Close(200, "", 0, 0), 0)
        self.peer.socket.close()
        self.everything_is_given_back()
        eventually(self.nothing_is_held, "the broker has noticed")
        self.connect()

    def nothing_is_held(self) -> bool:
        assert self.broker is not None
        return not any(queue.unsettled_count for queue in self.broker.node.vhosts["/"].queues.values())

    def stop(self, parting: bool) -> None:
        assert self.broker is not None
        broker, self.broker = self.broker, None
        if parting:
            self.ask(Connection.Close(200, "", 0, 0), 0)
            broker.__exit__(None, None, None)
        else:
            with ThreadPoolExecutor(1) as thread:
                ended = thread.submit(broker.__exit__, None, None, None)
                assert self.hear("Connection.Close").reply_code == 320
                self.peer.send(method(Connection.CloseOk(), 0))
                ended.result(DEADLINE_SECONDS)
        self.peer.socket.close()
        self.everything_is_given_back()
        self.model.restart()

    def everything_is_given_back(self) -> None:
        self.consumers.clear()
        self.end(list(self.model.held), requeue=True)

    def teardown(self) -> None:
        """After a last restart everything comes out in order."""
        try:
            if self.broker is not None and sys.exc_info()[0] is None:
                self.stop(parting=True)
                self.start()
                for name in DURABLE:
                    while self.model.waiting[name]:
                        self.get(name, no_ack=True)
                    self.get(name, no_ack=True)
                self.stop(parting=True)
        finally:
            self.peer.socket.close()
            if self.broker is not None:
                self.broker.__exit__(None, None, None)
            shutil.rmtree(self.path)


# Long enough for finding the shortest way to a failure, should there be one.
TestBrokerAsLists = pytest.mark.timeout(400)(BrokerAsLists.TestCase)
TestBrokerAsLists.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
