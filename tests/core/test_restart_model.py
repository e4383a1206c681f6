"""Two durable queues and a transient one against a naive model, over restarts, while they page at random.

The model keeps every message as an entry of a list. What the queues hand out must be the front of the model's list,
whether it was in memory or not; what the journal has must be the persistent messages of the durable queues, each at its
place; and a node that begins with what catalog and journal have must be what the model says is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.core.domain import Receiver, numbered, numbers_of
from tests.core.kept import LAST, Kept, live
from tests.store.memory_disk import open_again, open_journal

from menura.core.consumer import Consumer
from menura.core.memory import MESSAGE_OVERHEAD_BYTES, RUN_OVERHEAD_BYTES, SharedCharge
from menura.core.paging import Paged
from menura.core.queue import Queue
from menura.core.routing import Route
from menura.core.run import Run

NAMES = ["a", "b", "t"]
NAME = st.sampled_from(NAMES)
WHERE = st.sampled_from([*NAMES, "all"])
COUNTS = st.sampled_from([1, 1, 2, 3, 10, 70])
PADDINGS = st.sampled_from([0, 0, 50, 700])


@dataclass(eq=False)
class Message:
    """A message in one queue: waiting unless `held`; `returned` if it was handed out before."""

    number: int
    position: int
    persistent: bool
    size_bytes: int
    returned: bool = False
    held: bool = False


@dataclass(eq=False)
class Model:
    """What is in one queue, and the position its next message would have after a restart."""

    queue: Queue
    messages: list[Message] = field(default_factory=list)
    next_position: int = 0
    kept_position: int = 0

    def waiting(self) -> list[Message]:
        return sorted((each for each in self.messages if not each.held), key=lambda each: each.position)

    def held(self) -> list[Message]:
        return [each for each in self.messages if each.held]


@dataclass(eq=False)
class Held:
    """Messages that stand together, handed out and not settled."""

    queue: Queue
    position: int
    run: Run
    consumer: Consumer | None


class Recording(Receiver):
    """Has the machine check each delivery while it happens."""

    def __init__(self, machine: QueuesOverRestarts) -> None:
        super().__init__()
        self.machine = machine

    def deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> None:
        self.machine.check_taken(consumer.queue, position, run, redelivered, consumer)


class QueuesOverRestarts(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.numbers = count()
        self.kept = self.first_life()
        self.models: dict[str, Model] = {}
        self.held: list[Held] = []
        self.consumers: dict[str, Consumer] = {}
        self.begin()

    def first_life(self) -> Kept:
        return live()

    def next_life(self) -> Kept:
        return self.kept.next_life()

    def begin(self) -> None:
        """What each life begins with."""
        self.held, self.consumers = [], {}
        self.routes = {name: Route("", name) for name in NAMES} | {"all": Route("amq.fanout", "")}
        for name in NAMES:
            queue = self.declare(name)
            model = self.models.get(name)
            if model is None or not queue.durable:
                self.models[name] = Model(queue)
                continue
            model.queue = queue
            model.messages = [each for each in model.messages if each.persistent]
            model.next_position = model.kept_position
            for each in model.messages:
                each.returned, each.held = each.returned or each.held, False

    def declare(self, name: str) -> Queue:
        queue = self.kept.vhost.declare_queue(name, durable=name != "t")
        self.kept.vhost.bind("amq.fanout", queue, "", {})
        return queue

    # -- what is done to the queues --------------------------------------------------------------------------

    @rule(resident_bytes=st.sampled_from([0, 100, 2000, 1 << 30]), read_bytes=st.sampled_from([1, 300, 1 << 20]))
    def set_marks(self, resident_bytes: int, read_bytes: int) -> None:
        self.patch.setattr("menura.core.backlog.RESIDENT_BYTES_MAX", resident_bytes)
        self.patch.setattr("menura.core.paging._READ_BYTES", read_bytes)
        self.patch.setattr("menura.core.paging._READ_MESSAGES_MAX", 1 + read_bytes % 7)

    @rule(where=WHERE, count=COUNTS, padding=PADDINGS, persistent=st.sampled_from([True, True, False]))
    def publish(self, where: str, count: int, padding: int, persistent: bool) -> None:
        route = self.routes[where]
        numbers = [next(self.numbers) for _ in range(count)]
        run = numbered(route, numbers, padding, persistent)
        size_bytes = len(run.contents[0])
        for name, model in self.models.items():
            if where in (name, "all"):
                for number in numbers:
                    model.messages.append(Message(number, model.next_position, persistent, size_bytes))
                    model.next_position += 1
                if persistent:
                    model.kept_position = model.next_position
        assert self.kept.vhost.publish(route, run) == ()

    @rule(name=NAME, most=st.sampled_from([1, 1, 3, 64, 1000]))
    def take(self, name: str, most: int) -> None:
        queue = self.models[name].queue
        taken = queue.take(most)
        if taken is None:
            assert not self.models[name].waiting()
            return
        position, run, redelivered = taken
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
        self.end(Held(held.queue, held.position + low, held.run.piece(low, high), held.consumer), accept)

    def end(self, held: Held, accept: bool) -> None:
        queue, position, run, consumer = held.queue, held.position, held.run, held.consumer
        model = self.models[queue.name]
        if model.queue is queue:
            ended = {*range(position, position + len(run))}
            for each in model.held():
                if each.position in ended and accept:
                    model.messages.remove(each)
                elif each.position in ended:
                    each.held, each.returned = False, True
        (queue.settle if accept else queue.requeue)(position, run)
        if consumer is not None:
            consumer.settled(len(run))

    @rule(data=st.data())
    def do_together(self, data: st.DataObject) -> None:
        """A transaction: publishes, several of them perhaps on one route, and settlements."""
        assert self.kept.node.keeper is not None
        with self.kept.node.keeper.together():
            for _ in range(data.draw(st.integers(0, 5))):
                if self.held and data.draw(st.booleans()):
                    self.settle_or_give_back(data, data.draw(st.booleans()))
                else:
                    self.publish(data.draw(WHERE), data.draw(st.integers(1, 3)), 0, data.draw(st.booleans()))

    @rule(name=NAME)
    def purge(self, name: str) -> None:
        model = self.models[name]
        waiting = model.waiting()
        model.messages = model.held()
        assert model.queue.purge() == len(waiting)

    @rule(name=NAME)
    def delete_and_declare_anew(self, name: str) -> None:
        """What is handed out of the old queue may still be settled or come back."""
        model = self.models[name]
        assert self.kept.vhost.remove_queue(model.queue) == len(model.waiting())
        self.consumers.pop(name, None)
        self.models[name] = Model(self.declare(name))

    @rule(name=NAME, settles=st.booleans(), prefetch=st.sampled_from([0, 1, 10]))
    def subscribe_or_cancel(self, name: str, settles: bool, prefetch: int) -> None:
        consumer = self.consumers.pop(name, None)
        queue = self.models[name].queue
        if consumer is not None:
            queue.unsubscribe(consumer)
        else:
            consumer = Consumer("tag", queue, Recording(self), settles=settles, prefetch=prefetch)
            self.consumers[name] = consumer
            queue.subscribe(consumer)

    @rule()
    def dispatch(self) -> None:
        self.kept.vhost.dispatch()
        for name, consumer in self.consumers.items():
            assert consumer.room() <= 0 or not self.models[name].waiting(), "somebody could be served"

    @rule()
    def flush(self) -> None:
        """Whatever became of deleted queues is certain now."""
        self.kept.flush()
        assert {*self.kept.journal.queues()} <= {model.queue.id for model in self.models.values()}

    @rule()
    def restart(self) -> None:
        self.kept = self.next_life()
        assert {*self.kept.vhost.queues} == {"a", "b"}
        self.begin()
        assert {*self.kept.journal.queues()} <= {model.queue.id for model in self.models.values()}

    # -- what must be so -------------------------------------------------------------------------------------

    def check_taken(self, queue: Queue, position: int, run: Run, redelivered: bool, consumer: Consumer | None) -> None:
        model = self.models[queue.name]
        assert model.queue is queue
        front = model.waiting()[: len(run)]
        assert [each.number for each in front] == numbers_of(run), "the front, in order, none left out, none twice"
        assert [each.position for each in front] == list(range(position, position + len(run)))
        assert {each.returned for each in front} == {redelivered}
        assert all(each.persistent is run.persistent for each in front)
        assert (run.route.exchange, run.route.key) in [("", queue.name), ("amq.fanout", "")]
        assert run.size_bytes == sum(each.size_bytes for each in front) == sum(map(len, run.contents))
        assert max(map(len, run.contents)) <= run.longest_bytes
        if consumer is not None and not consumer.settles:
            model.messages = [each for each in model.messages if each not in front]
            return
        for each in front:
            each.held = True
        self.held.append(Held(queue, position, run, consumer))

    @invariant()
    def the_journal_has_what_is_to_last(self) -> None:
        self.kept.journal.flush()
        for name, model in self.models.items():
            expected = {each.position: each.number for each in model.messages if each.persistent and name != "t"}
            if model.queue.id:
                assert self.kept.messages(model.queue) == expected
            else:
                assert not model.queue.durable

    @invariant()
    def counts_are_exact(self) -> None:
        for model in self.models.values():
            queue, waiting, held = model.queue, model.waiting(), model.held()
            assert queue.ready_count == len(waiting)
            assert (queue.unsettled_count, queue.unsettled_bytes) == (len(held), sum(each.size_bytes for each in held))
            assert queue.next_position == model.next_position
            resident, paged = entries(queue, lambda run: not isinstance(run, Paged)), entries(queue, is_paged)
            assert sorted(resident | paged) == [each.position for each in waiting]
            assert all(each.persistent and queue.durable for each in waiting if each.position in paged)
            resident_bytes = sum(each.size_bytes for each in waiting if each.position in resident)
            assert queue.ready_bytes - queue._paged_bytes == resident_bytes
            assert queue._paged_count == len(paged)
            assert queue._paged_bytes >= 0
            assert paged or not queue._paged_bytes

    @invariant()
    def the_account_holds_what_is_in_memory(self) -> None:
        runs = [run for model in self.models.values() for _, run, *_ in model.queue.places]
        in_memory = [run for run in runs if isinstance(run, Run)] + [held.run for held in self.held]
        alone = [run for run in in_memory if run.shared is None]
        copies: dict[SharedCharge, int] = {}
        for run in in_memory:
            if run.shared is not None:
                copies[run.shared] = copies.get(run.shared, 0) + len(run)
        assert all(shared.copies == number for shared, number in copies.items())
        charged = sum(run.size_bytes + MESSAGE_OVERHEAD_BYTES * len(run) for run in alone)
        charged += sum(shared.size_bytes for shared in copies)
        assert self.kept.node.memory.used_bytes == charged + len(runs) * RUN_OVERHEAD_BYTES

    def teardown(self) -> None:
        """Everything comes out in the end, in order, and then nothing is left."""
        try:
            for held in self.held:
                self.end(held, accept=False)
            for model in self.models.values():
                expected = [(each.number, each.returned) for each in model.waiting()]
                assert list(drained(model.queue)) == expected
                assert (model.queue.ready_bytes, model.queue._paged_bytes, model.queue.unsettled_bytes) == (0, 0, 0)
            assert self.kept.node.memory.used_bytes == 0
            self.kept.flush()
            assert all(self.kept.journal.read(id, 0, LAST) == [] for id in self.kept.journal.queues())
        finally:
            self.patch.undo()


def is_paged(run: Run | Paged) -> bool:
    return isinstance(run, Paged)


def entries(queue: Queue, wanted: Callable[[Run | Paged], bool]) -> set[int]:
    """The positions of messages that wait in such entries; no position may be there twice."""
    found = [
        position
        for first, run, *_ in queue.places
        if wanted(run)
        for position in range(first, first + len(run))
    ]
    assert len(found) == len({*found})
    return {*found}


def drained(queue: Queue) -> list[tuple[int, bool]]:
    found = []
    while queue.ready_count:
        position, run, redelivered = queue.take(1000)
        found += [(number, redelivered) for number in numbers_of(run)]
        queue.settle(position, run)
    return found


class QueuesOnDiskOverRestarts(QueuesOverRestarts):
    """The same with the journal that brokers use, which is stopped and started in between."""

    def first_life(self) -> Kept:
        return live(journal=open_journal())

    def next_life(self) -> Kept:
        return live(self.kept.catalog, open_again(self.kept.journal))

    @rule()
    def compact(self) -> None:
        while self.kept.journal.compact(1000):
            self.kept.journal.flush()

    def teardown(self) -> None:
        super().teardown()
        assert self.kept.journal.live_bytes == 0
        self.kept.journal.close()


TestQueuesOverRestarts: Any = QueuesOverRestarts.TestCase
TestQueuesOverRestarts.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)

TestQueuesOnDiskOverRestarts: Any = QueuesOnDiskOverRestarts.TestCase
TestQueuesOnDiskOverRestarts.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
