"""How long publishers wait for confirms is measured now and then, and only where somebody waits."""

from __future__ import annotations

import pytest
from tests.core.kept import NotedJournal
from tests.protocols.amqp.memory import Client, Confirm, Queue, method, publish
from tests.protocols.memory import make_node

from menura.core.histogram import Histogram
from menura.store.memory import MemoryCatalog


class Kept:
    """A client that waits for confirms, a disk that does something when it is told to, and a clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.catalog, self.journal = MemoryCatalog(), NotedJournal()
        node = make_node(journal=self.journal, catalog=self.catalog)
        self.times = node.confirm_times = Histogram(lambda: self.now, bounds=(1.0, 2.0, 3.0))
        self.catalog.flush()
        self.client = Client(node).connect((1, 2))
        self.client.feed(method(Queue.Declare(0, "q", durable=True)), method(Confirm.Select()))
        self.catalog.flush()
        self.client.take()

    def publish(self, count: int = 1, channel: int = 1) -> None:
        self.client.feed(publish("q", delivery_mode=2, channel=channel) * count)
        self.client.take()

    def flush(self) -> list[str]:
        self.journal.flush()
        return [answer.name for answer in self.client.take()]


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_it_is_the_time_from_the_publish_to_the_confirm(kept: Kept) -> None:
    kept.client.tick(1.0)
    kept.publish(10)
    kept.now += 2.5
    assert sum(kept.times.counts) == 0
    assert kept.flush() == ["Basic.Ack"]
    assert (kept.times.counts, kept.times.sum) == ([0, 0, 1, 0], 2.5)


def test_later_publishes_do_not_count_before_the_session_has_looked_at_the_clock(kept: Kept) -> None:
    kept.client.tick(1.0)
    for _ in range(100):
        kept.publish()
        kept.flush()
    assert sum(kept.times.counts) == 1
    kept.client.tick(1.5)
    kept.publish()
    kept.flush()
    assert sum(kept.times.counts) == 2


def test_one_that_was_under_way_when_another_one_came_is_measured_to_its_own_confirm(kept: Kept) -> None:
    kept.client.tick(1.0)
    kept.publish()
    kept.client.tick(2.0)
    kept.now += 0.5
    kept.publish()
    kept.now += 1.0
    kept.flush()
    assert (kept.times.counts, kept.times.sum) == ([0, 1, 0, 0], 1.5)


def test_nothing_is_measured_where_nobody_waits(kept: Kept) -> None:
    kept.client.tick(1.0)
    kept.publish(10, channel=2)
    kept.flush()
    assert sum(kept.times.counts) == 0
