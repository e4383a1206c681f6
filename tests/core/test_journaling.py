"""What virtual hosts and queues write into the journal: enough to know, after a crash, what was in each queue."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from tests.core.domain import Receiver, a_vhost, consume, message, number_of, numbered, publish, run_of

from menura.core import fields
from menura.core.content import pack
from menura.core.ports import Deleted, Published, Settled
from menura.core.properties import Properties
from menura.core.queue import Queue
from menura.core.routing import Route
from menura.core.run import Run
from menura.core.vhost import VHost
from menura.store.memory import MemoryJournal


def records(journal: MemoryJournal) -> list[Any]:
    journal.flush()
    return [record for _, _, record in journal.replay()]


def replayed(journal: MemoryJournal) -> dict[str, dict[int, int]]:
    """By queue, the messages that survive: position to number. As plain as a recovery can be."""
    queues: dict[str, dict[int, int]] = {}
    for record in records(journal):
        if isinstance(record, Published):
            for name, first in record.queues:
                positions = range(first, first + len(record.contents))
                queues.setdefault(name, {}).update(zip(positions, map(number_of, record.contents), strict=True))
        elif isinstance(record, Deleted):
            queues.pop(record.queue, None)
        else:
            for position in range(record.first, record.last + 1):
                queues.get(record.queue, {}).pop(position, None)
    return {name: held for name, held in queues.items() if held}


class JournalAsTheTruth(RuleBasedStateMachine):
    """Whatever was done, the journal names exactly the persistent messages that durable queues hold, each at its
    place."""

    def __init__(self) -> None:
        super().__init__()
        self.journal = MemoryJournal()
        self.vhost = a_vhost(journal=self.journal)
        for name, durable in (("a", True), ("b", True), ("t", False)):
            self.vhost.bind("amq.fanout", self.vhost.declare_queue(name, durable=durable), "", {})
        self.number = 0
        self.persistent: dict[int, bool] = {}
        self.held: list[tuple[Queue, int, Run]] = []
        self.positions: dict[str, list[int]] = {"a": [], "b": [], "t": []}  # all ever published, in order
        self.gone: dict[str, set[int]] = {"a": set(), "b": set(), "t": set()}

    @rule(where=st.sampled_from(["a", "b", "t", "all"]), count=st.integers(1, 8), persistent=st.booleans())
    def publish(self, where: str, count: int, persistent: bool) -> None:
        numbers = list(range(self.number, self.number + count))
        self.number += count
        self.persistent |= dict.fromkeys(numbers, persistent)
        exchange, key = ("amq.fanout", "") if where == "all" else ("", where)
        publish(self.vhost, exchange, key, numbers, persistent)
        for name in ("a", "b", "t"):
            if where in (name, "all"):
                self.positions[name] += numbers

    @rule(name=st.sampled_from(["a", "b", "t"]), count=st.integers(1, 10))
    def take(self, name: str, count: int) -> None:
        queue = self.vhost.queues[name]
        if queue.ready_count:
            position, run, _ = queue.take(count)
            self.held.append((queue, position, run))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), accept=st.booleans())
    def settle_or_give_back(self, data: st.DataObject, accept: bool) -> None:
        queue, position, run = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        if accept:
            queue.settle(position, run)
            self.gone[queue.name] |= set(range(position, position + len(run)))
        else:
            queue.requeue(position, run)

    @rule(name=st.sampled_from(["a", "b", "t"]))
    def purge(self, name: str) -> None:
        queue = self.vhost.queues[name]
        queue.purge()
        kept = {at for each, first, run in self.held if each is queue for at in range(first, first + len(run))}
        self.gone[name] = set(range(len(self.positions[name]))) - kept

    def teardown(self) -> None:
        expected = {
            name: {
                position: number
                for position, number in enumerate(self.positions[name])
                if self.persistent[number] and position not in self.gone[name]
            }
            for name in ("a", "b")
        }
        assert replayed(self.journal) == {name: held for name, held in expected.items() if held}


TestJournalAsTheTruth: Any = JournalAsTheTruth.TestCase
TestJournalAsTheTruth.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
def vhost(journal: MemoryJournal) -> VHost:
    vhost = a_vhost(journal=journal)
    for name, durable in (("durable", True), ("other", True), ("transient", False)):
        vhost.bind("amq.fanout", vhost.declare_queue(name, durable=durable), "", {})
    return vhost


def test_a_message_is_written_once_however_many_durable_queues_it_goes_to(vhost: VHost, journal: MemoryJournal) -> None:
    publish(vhost, "", "durable", [0], persistent=True)
    publish(vhost, "amq.fanout", "k", [1, 2], persistent=True)
    assert records(journal) == [
        Published("", ("durable",), (message(0),), (("durable", 0),)),
        Published("amq.fanout", ("k",), (message(1), message(2)), (("durable", 1), ("other", 0))),
    ]


@pytest.mark.parametrize(("key", "persistent"), [("durable", False), ("transient", True), ("transient", False)])
def test_nothing_is_written_unless_both_message_and_queue_are_to_last(
    vhost: VHost, journal: MemoryJournal, key: str, persistent: bool
) -> None:
    publish(vhost, "", key, [1], persistent)
    queue = vhost.queues[key]
    position, run, _ = queue.take(1)
    queue.settle(position, run)
    publish(vhost, "", key, [2], persistent)
    queue.purge()
    publish(vhost, "", "nowhere", [3], persistent=True)
    assert records(journal) == []


def test_further_keys_are_written_too(vhost: VHost, journal: MemoryJournal) -> None:
    route = Route("", "durable", ("other", "nowhere"))
    vhost.publish(route, numbered(route, [1], persistent=True))
    [record] = records(journal)
    assert record.keys == ("durable", "other", "nowhere")
    assert sorted(record.queues) == [("durable", 0), ("other", 0)]


def test_a_transient_message_takes_a_position_too(vhost: VHost, journal: MemoryJournal) -> None:
    publish(vhost, "", "durable", range(3))
    publish(vhost, "", "durable", [3], persistent=True)
    assert records(journal) == [Published("", ("durable",), (message(3),), (("durable", 3),))]


def test_a_settled_range_is_one_record(vhost: VHost, journal: MemoryJournal) -> None:
    publish(vhost, "", "durable", range(1000), persistent=True)
    queue = vhost.queues["durable"]
    position, run, _ = queue.take(1000)
    queue.settle(position, run)
    assert records(journal)[1:] == [Settled("durable", 0, 999)]


def test_a_message_given_back_is_not_settled(vhost: VHost, journal: MemoryJournal) -> None:
    publish(vhost, "", "durable", [0], persistent=True)
    queue = vhost.queues["durable"]
    queue.requeue(*queue.take(1)[:2])
    assert len(records(journal)) == 1
    queue.settle(*queue.take(1)[:2])
    assert records(journal)[1:] == [Settled("durable", 0, 0)]


def test_what_needs_no_settling_is_settled_when_it_is_sent(vhost: VHost, journal: MemoryJournal) -> None:
    consume(vhost.queues["durable"], Receiver(), settles=False)
    publish(vhost, "", "durable", range(5), persistent=True)
    vhost.dispatch()
    assert replayed(journal) == {}


def test_purging_settles_what_waited(vhost: VHost, journal: MemoryJournal) -> None:
    publish(vhost, "", "durable", range(5), persistent=True)
    publish(vhost, "", "durable", [5, 6])
    publish(vhost, "", "durable", [7], persistent=True)
    queue = vhost.queues["durable"]
    queue.take(2)
    queue.purge()
    assert replayed(journal) == {"durable": {0: 0, 1: 1}}


def test_nothing_of_a_deleted_queue_is_left(vhost: VHost, journal: MemoryJournal) -> None:
    publish(vhost, "", "durable", range(5), persistent=True)
    queue = vhost.queues["durable"]
    position, run, _ = queue.take(2)
    vhost.remove_queue(queue)
    queue.settle(position, run)
    vhost.declare_queue("durable", durable=True)
    publish(vhost, "", "durable", [9], persistent=True)
    assert replayed(journal) == {"durable": {0: 9}}


def test_messages_routed_by_headers_are_written_for_the_queues_they_went_to(
    vhost: VHost, journal: MemoryJournal
) -> None:
    vhost.bind("amq.headers", vhost.queues["durable"], "", {"n": fields.encode_value(1)})
    contents = [pack(Properties(headers={"n": n}).encode(), b"") for n in (1, 2)]
    route = Route("amq.headers", "")
    vhost.publish(route, run_of(route, contents, persistent=True))
    assert records(journal) == [Published("amq.headers", ("",), (contents[0],), (("durable", 0),))]


def test_records_name_their_virtual_host(journal: MemoryJournal) -> None:
    vhost = a_vhost(journal=journal)
    vhost.declare_queue("q", durable=True)
    publish(vhost, "", "q", [1], persistent=True)
    journal.flush()
    assert [name for _, name, _ in journal.replay()] == ["/"]
