"""Two queues and their consumers against a naive model, step by step.

The model keeps every message as an entry of a list and looks at all of them for every question. What the queues hand
out must be the front of the model's list; what they count must be its sums; and whoever is served must have been the
one whose turn it was: with room, of the highest priority among those with room, or the active one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.core.domain import Receiver, a_vhost, numbered, numbers_of

from menura.core.consumer import Consumer, Limit
from menura.core.errors import AccessRefused
from menura.core.memory import MESSAGE_OVERHEAD_BYTES, RUN_OVERHEAD_BYTES
from menura.core.queue import Queue
from menura.core.routing import Route
from menura.core.run import Run

NAMES = ["plain", "single"]
PADDINGS = st.sampled_from([0, 0, 7, 300, 30_000])
COUNTS = st.sampled_from([1, 1, 2, 3, 10, 70, 200])


@dataclass(eq=False)
class Message:
    """A message in one queue: waiting unless `held`."""

    number: int
    position: int
    route: Route
    persistent: bool
    size_bytes: int
    shared: bool
    returned: bool = False
    held: bool = False


@dataclass(eq=False)
class Held:
    """Messages that stand together, handed out and not settled; `consumer` has credit tied up in them."""

    queue: Queue
    position: int
    run: Run
    consumer: Consumer | None


@dataclass(eq=False)
class Model:
    """What is in one queue."""

    queue: Queue
    messages: list[Message] = field(default_factory=list)
    next_position: int = 0

    def waiting(self) -> list[Message]:
        return sorted((each for each in self.messages if not each.held), key=lambda each: each.position)

    def held(self) -> list[Message]:
        return [each for each in self.messages if each.held]


class Recording(Receiver):
    """Has the machine check each delivery while it happens."""

    def __init__(self, machine: QueuesAsLists) -> None:
        super().__init__()
        self.machine = machine

    def deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> None:
        self.machine.check_turn(consumer, len(run))
        self.machine.check_taken(consumer.queue, position, run, redelivered, consumer)


class QueuesAsLists(RuleBasedStateMachine):
    """A plain queue and one with a single active consumer, both bound to a fanout exchange."""

    def __init__(self) -> None:
        super().__init__()
        self.vhost = a_vhost()
        self.numbers = count()
        self.models: dict[Queue, Model] = {}
        self.copies: dict[int, int] = {}  # messages of shared runs: by first number, how many are still somewhere
        self.shared_bytes: dict[int, int] = {}
        self.group_of: dict[int, int] = {}
        self.held: list[Held] = []
        self.consumers: list[Consumer] = []
        self.limits: dict[Queue, Limit] = {}
        self.credit: dict[Consumer, int] = {}  # messages tied up, counted here
        self.routes = {name: Route("", name) for name in NAMES} | {"both": Route("amq.fanout", "")}
        for name in NAMES:
            arguments = {"x-single-active-consumer": b"t\x01"} if name == "single" else {}
            queue = self.vhost.declare_queue(name, arguments=arguments)
            self.vhost.bind("amq.fanout", queue, "", {})
            self.models[queue] = Model(queue)
            self.limits[queue] = Limit()

    # -- what is done to the queues --------------------------------------------------------------------------

    @rule(
        where=st.sampled_from(["plain", "single", "both"]),
        count=COUNTS,
        padding=PADDINGS,
        persistent=st.booleans(),
        fresh=st.integers(0, 4),
    )
    def publish(self, where: str, count: int, padding: int, persistent: bool, fresh: int) -> None:
        if not fresh:  # now and then another route of the same name
            self.routes[where] = Route(self.routes[where].exchange, self.routes[where].key)
        route = self.routes[where]
        numbers = [next(self.numbers) for _ in range(count)]
        run = numbered(route, numbers, padding, persistent)
        size_bytes = len(run.contents[0])
        for name, queue in self.vhost.queues.items():
            if where in (name, "both"):
                model = self.models[queue]
                for number in numbers:
                    shared = where == "both"
                    model.messages.append(Message(number, model.next_position, route, persistent, size_bytes, shared))
                    model.next_position += 1
        if where == "both":
            self.copies[numbers[0]] = 2 * count
            self.shared_bytes[numbers[0]] = count * (size_bytes + MESSAGE_OVERHEAD_BYTES)
            self.group_of |= dict.fromkeys(numbers, numbers[0])
        assert self.vhost.publish(route, run) == ()

    @rule(name=st.sampled_from(NAMES), most=st.sampled_from([1, 1, 2, 5, 63, 64, 65, 1000]))
    def take(self, name: str, most: int) -> None:
        queue = self.vhost.queues[name]
        if not queue.ready_count:
            return
        position, run, redelivered = queue.take(most)
        assert 1 <= len(run) <= most
        self.check_taken(queue, position, run, redelivered, None)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), accept=st.booleans())
    def settle_or_give_back(self, data: st.DataObject, accept: bool) -> None:
        held = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        size = len(held.run)
        low = data.draw(st.integers(0, size - 1))
        high = data.draw(st.integers(low + 1, size))
        for start, stop in ((0, low), (high, size)):
            if start < stop:
                piece = held.run.piece(start, stop)
                self.held.append(Held(held.queue, held.position + start, piece, held.consumer))
        run = held.run if (low, high) == (0, size) else held.run.piece(low, high)
        self.end(held.queue, held.position + low, run, held.consumer, accept)

    def end(self, queue: Queue, position: int, run: Run, consumer: Consumer | None, accept: bool) -> None:
        model = self.models[queue]
        ended = {*range(position, position + len(run))}
        for each in model.held():
            if each.position in ended:
                if accept:
                    self.forget(model, each)
                else:
                    each.held, each.returned = False, True
        (queue.settle if accept else queue.requeue)(position, run)
        if consumer is not None:
            self.credit[consumer] -= len(run)
            consumer.settled(len(run))

    def forget(self, model: Model, gone: Message) -> None:
        model.messages.remove(gone)
        if gone.shared:
            self.copies[self.group_of[gone.number]] -= 1

    @rule(name=st.sampled_from(NAMES))
    def purge(self, name: str) -> None:
        model = self.models[self.vhost.queues[name]]
        waiting = model.waiting()
        for each in waiting:
            self.forget(model, each)
        assert model.queue.purge() == len(waiting)

    @precondition(lambda self: len(self.consumers) < 6)
    @rule(
        name=st.sampled_from(NAMES),
        settles=st.sampled_from([True, True, True, False]),
        exclusive=st.sampled_from([False] * 7 + [True]),
        priority=st.integers(-1, 1),
        prefetch=st.sampled_from([0, 1, 1, 2, 10, 100]),
        limited=st.booleans(),
    )
    def subscribe(self, name: str, settles: bool, exclusive: bool, priority: int, prefetch: int, limited: bool) -> None:
        queue = self.vhost.queues[name]
        others = [each for each in self.consumers if each.queue is queue]
        consumer = Consumer(
            "tag",
            queue,
            Recording(self),
            settles=settles,
            exclusive=exclusive,
            priority=priority,
            prefetch=prefetch,
            limit=self.limits[queue] if limited else None,
        )
        if any(each.exclusive for each in others) or (exclusive and (others or name == "single")):
            with pytest.raises(AccessRefused, match="in exclusive use"):
                queue.subscribe(consumer)
            return
        queue.subscribe(consumer)
        self.consumers.append(consumer)
        self.credit[consumer] = 0

    @precondition(lambda self: self.consumers)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """What was sent to the consumer stays its channel's to settle."""
        consumer = data.draw(st.sampled_from(self.consumers))
        served = self.candidates(consumer.queue)
        self.consumers.remove(consumer)
        waiting = [each for each in self.consumers if each.queue is consumer.queue]
        if consumer.queue.name == "single" and consumer in served and waiting:
            heir = max(waiting, key=lambda each: each.priority)  # of equals the first
            self.consumers.remove(heir)
            self.consumers.insert(0, heir)
        consumer.queue.unsubscribe(consumer)

    @precondition(lambda self: self.consumers)
    @rule(data=st.data())
    def hinder_or_let_go_on(self, data: st.DataObject) -> None:
        consumer = data.draw(st.sampled_from(self.consumers))
        consumer.subscriber.writable = not consumer.subscriber.writable  # type: ignore[misc]
        consumer.queue.touch()

    @rule(name=st.sampled_from(NAMES), most=st.sampled_from([0, 1, 5, 50]))
    def change_the_common_limit(self, name: str, most: int) -> None:
        queue = self.vhost.queues[name]
        self.limits[queue].count = most
        queue.touch()

    @rule()
    def dispatch(self) -> None:
        self.vhost.dispatch()
        for queue, model in self.models.items():
            if model.waiting():
                assert not [each for each in self.candidates(queue) if self.room(each) > 0], "somebody could be served"

    # -- what must be so -------------------------------------------------------------------------------------

    def candidates(self, queue: Queue) -> list[Consumer]:
        mine = [each for each in self.consumers if each.queue is queue]
        return mine[:1] if queue.name == "single" else mine

    def room(self, consumer: Consumer) -> int:
        """How many more messages the consumer may be sent, from the definition of credit."""
        if not consumer.subscriber.writable:
            return 0
        rooms = [1 << 40]
        if consumer.settles and consumer.prefetch:
            rooms.append(consumer.prefetch - self.credit[consumer])
        if consumer.settles and consumer.limit is not None and consumer.limit.count:
            users = [each for each in self.credit if each.limit is consumer.limit]
            rooms.append(consumer.limit.count - sum(self.credit[each] for each in users))
        return min(rooms)

    def check_turn(self, consumer: Consumer, size: int) -> None:
        """Called within a delivery: the core has counted it already, the model has not."""
        assert size <= self.room(consumer)
        ready = [each for each in self.candidates(consumer.queue) if self.room(each) > 0]
        assert consumer in ready
        if consumer.queue.name == "plain":
            assert consumer.priority == max(each.priority for each in ready)

    def check_taken(self, queue: Queue, position: int, run: Run, redelivered: bool, consumer: Consumer | None) -> None:
        front = self.models[queue].waiting()[: len(run)]
        assert [each.number for each in front] == numbers_of(run), "the front, in order, none left out, none twice"
        assert [each.position for each in front] == list(range(position, position + len(run)))
        assert {each.returned for each in front} == {redelivered}
        assert all(each.route is run.route and each.persistent is run.persistent for each in front)
        assert run.size_bytes == sum(each.size_bytes for each in front) == sum(map(len, run.contents))
        assert max(map(len, run.contents)) <= run.longest_bytes
        for each in front:
            each.held = True
        if consumer is not None and not consumer.settles:
            for each in front:
                self.forget(self.models[queue], each)
            return
        if consumer is not None:
            self.credit[consumer] += len(run)
        self.held.append(Held(queue, position, run, consumer))

    @invariant()
    def counts_are_exact(self) -> None:
        for queue, model in self.models.items():
            waiting, held = model.waiting(), model.held()
            assert (queue.ready_count, queue.ready_bytes) == (len(waiting), sum(each.size_bytes for each in waiting))
            assert (queue.unsettled_count, queue.unsettled_bytes) == (len(held), sum(each.size_bytes for each in held))
            assert queue.next_position == model.next_position
            assert len(queue.consumers) == len([each for each in self.consumers if each.queue is queue])

    @invariant()
    def credit_is_counted_exactly(self) -> None:
        for consumer, used in self.credit.items():
            assert consumer.unsettled == used
        for limit in self.limits.values():
            assert limit.used == sum(used for each, used in self.credit.items() if each.limit is limit)

    @invariant()
    def the_account_holds_what_the_queues_hold(self) -> None:
        alone = [each for model in self.models.values() for each in model.messages if not each.shared]
        shared = sum(self.shared_bytes[group] for group, left in self.copies.items() if left)
        charged = sum(each.size_bytes + MESSAGE_OVERHEAD_BYTES for each in alone) + shared
        runs = sum(len(list(queue.places)) for queue in self.models)
        assert self.vhost.memory.used_bytes == charged + runs * RUN_OVERHEAD_BYTES

    def teardown(self) -> None:
        """Everything comes out in the end, in order, and then nothing is left."""
        for held in self.held:
            self.end(held.queue, held.position, held.run, held.consumer, accept=False)
        for queue, model in self.models.items():
            expected = [each.number for each in model.waiting()]
            found = []
            while queue.ready_count:
                position, run, _ = queue.take(1000)
                found += numbers_of(run)
                queue.settle(position, run)
            assert found == expected
            assert (queue.ready_bytes, queue.unsettled_count, queue.unsettled_bytes) == (0, 0, 0)
        assert self.vhost.memory.used_bytes == 0


TestQueuesAsLists: Any = QueuesAsLists.TestCase
TestQueuesAsLists.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
