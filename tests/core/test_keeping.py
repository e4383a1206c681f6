"""The keeper: what is done together, what may be promised and when, and a disk that falls behind."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from tests.core.domain import Receiver, consume, message, numbered, publish
from tests.core.kept import Kept, live, notes, redeliveries, three_queues

from menura.core.keeping import Keeper
from menura.core.ports import Published, Settled
from menura.core.routing import Route


@pytest.fixture
def kept() -> Kept:
    return three_queues()


# -- transactions --------------------------------------------------------------------------------------------


def test_what_is_done_together_is_one_append_in_its_order(kept: Kept) -> None:
    assert kept.node.keeper is not None
    durable, other = kept.vhost.queues["durable"], kept.vhost.queues["other"]
    publish(kept.vhost, "", "durable", [0, 1], persistent=True)
    position, run, _ = durable.take(2)
    with kept.node.keeper.together():
        publish(kept.vhost, "", "other", [2], persistent=True)
        durable.settle(position, run)
        publish(kept.vhost, "", "durable", [3], persistent=True)
        publish(kept.vhost, "", "transient", [4], persistent=True)
        assert len(notes(kept)) == 1
    assert notes(kept)[1:] == [
        (
            Published([(other.id, 0)], "", ("other",), [message(2)]),
            Settled(durable.id, 0, 1),
            Published([(durable.id, 2)], "", ("durable",), [message(3)]),
        )
    ]


def test_messages_on_one_route_are_each_written_once_together(kept: Kept) -> None:
    """They are put together in the queue while the parts are still being gathered."""
    assert kept.node.keeper is not None
    queue = kept.vhost.queues["durable"]
    route = Route("", "durable")
    with kept.node.keeper.together():
        for number in range(3):
            kept.vhost.publish(route, numbered(route, [number], persistent=True))
    [parts] = notes(kept)
    assert parts == tuple(Published([(queue.id, number)], "", ("durable",), [message(number)]) for number in range(3))
    assert list(redeliveries(kept.next_life().vhost.queues["durable"])) == [(0, False), (1, False), (2, False)]


def test_what_is_done_together_and_sent_at_once_is_settled_behind_its_publish(kept: Kept) -> None:
    assert kept.node.keeper is not None
    queue, receiver = kept.vhost.queues["durable"], Receiver()
    consume(queue, receiver, settles=False)
    with kept.node.keeper.together():
        publish(kept.vhost, "", "durable", [0], persistent=True)
    assert receiver.numbers() == [0]
    [[first, second]] = notes(kept)
    assert isinstance(first, Published)
    assert second == Settled(queue.id, 0, 0)
    assert kept.messages(queue) == {}


def test_nothing_done_together_writes_nothing(kept: Kept) -> None:
    assert kept.node.keeper is not None
    before = kept.journal.appended
    with kept.node.keeper.together():
        publish(kept.vhost, "", "transient", [4], persistent=True)
    assert (notes(kept), kept.journal.appended) == ([], before)


def test_what_was_done_before_something_went_wrong_is_written(kept: Kept) -> None:
    """The messages are in their queues, so they are in the journal."""
    assert kept.node.keeper is not None
    with suppress(ZeroDivisionError), kept.node.keeper.together():
        publish(kept.vhost, "", "durable", [0], persistent=True)
        raise ZeroDivisionError
    assert kept.messages(kept.vhost.queues["durable"]) == {0: 0}
    publish(kept.vhost, "", "durable", [1], persistent=True)
    assert len(notes(kept)) == 2


# -- the disk behind -----------------------------------------------------------------------------------------


def test_what_is_not_durable_yet_weighs_on_the_memory(kept: Kept) -> None:
    assert kept.node.keeper is not None
    publish(kept.vhost, "", "durable", range(5), persistent=True)
    held_bytes = kept.node.memory.used_bytes
    kept.node.keeper.weigh()
    kept.node.keeper.weigh()
    assert kept.node.memory.used_bytes == held_bytes + kept.journal.appended
    kept.journal.flush()
    assert kept.node.memory.used_bytes == held_bytes


def test_the_disk_is_behind_when_too_much_is_not_durable(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept.node.keeper is not None
    publish(kept.vhost, "", "durable", [0, 1, 2], persistent=True)
    for behind_bytes, behind in ((kept.journal.appended, False), (kept.journal.appended - 1, True)):
        monkeypatch.setattr("menura.core.keeping.BEHIND_BYTES", behind_bytes)
        kept.node.keeper.weigh()
        assert kept.node.keeper.behind is behind
    kept.journal.flush()
    assert not kept.node.keeper.behind


def test_what_the_journal_writes_by_itself_is_nobodys_weight(kept: Kept) -> None:
    assert kept.node.keeper is not None
    publish(kept.vhost, "", "durable", [0], persistent=True)
    held_bytes = kept.node.memory.used_bytes
    kept.journal.appended += 1000
    kept.journal.flush()
    kept.node.keeper.weigh()
    assert kept.node.memory.used_bytes == held_bytes


class Sleeper:
    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


def test_who_waits_is_woken_once_by_whatever_becomes_certain(kept: Kept) -> None:
    keeper = kept.node.keeper
    assert keeper is not None
    kept.flush()
    sleeper = Sleeper(keeper)
    for flush in (kept.catalog.flush, kept.journal.flush):
        kept.vhost.declare_queue(f"q{sleeper.woken}", durable=True)
        publish(kept.vhost, "", "durable", [0], persistent=True)
        before = sleeper.woken
        keeper.wait(sleeper)
        keeper.wait(sleeper)
        assert sleeper.woken == before
        flush()
        assert sleeper.woken == before + 1
        kept.flush()
        assert sleeper.woken == before + 1


def test_a_promise_is_of_all_that_was_done_and_of_nothing_more(kept: Kept) -> None:
    keeper = kept.node.keeper
    assert keeper is not None
    kept.flush()
    assert keeper.fulfilled(keeper.promise())
    publish(kept.vhost, "", "durable", [0], persistent=True)
    messages = keeper.promise()
    kept.vhost.declare_queue("q", durable=True)
    both = keeper.promise()
    assert not keeper.fulfilled(messages)
    kept.journal.flush()
    assert keeper.fulfilled(messages)
    assert not keeper.fulfilled(both)
    publish(kept.vhost, "", "durable", [1], persistent=True)
    kept.catalog.flush()
    assert keeper.fulfilled(both)
    assert not keeper.fulfilled(keeper.promise())


def test_very_many_queues_that_are_gone_are_let_go_turn_by_turn() -> None:
    kept = live()
    keeper = kept.node.keeper
    assert keeper is not None
    for number in range(1000):
        publish(kept.vhost, "", kept.vhost.declare_queue(f"q{number}", durable=True).name, [number], persistent=True)
    for queue in list(kept.vhost.queues.values()):
        kept.vhost.remove_queue(queue)
    assert len(kept.journal.queues()) == 1000, "nothing is certain yet"
    kept.catalog.flush()
    left = [1000, len(kept.journal.queues())]
    while left[-1]:
        keeper.weigh()
        left.append(len(kept.journal.queues()))
    assert max(before - after for before, after in pairwise(left)) <= 200
