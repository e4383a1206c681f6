"""The power is cut after every change of the disk while messages are moved, replayed, deleted, rejected and expire.

Whatever happens to a message, after any cut it is in one queue: in none only if somebody deleted it or nobody had been
promised anything, and never in two. Lives are random, by seed, and go on with what some of the cuts left.
"""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from tests.core.domain import numbered
from tests.core.kept import Kept, fold, live, messages_in
from tests.seeds import first_seed
from tests.simulation.disk import SimulatedDisk
from tests.store.memory_disk import SEGMENT_BYTES
from tests.store.workers import at_once

from menura.core import fields
from menura.core.moving import ToExchange, ToQueue, Transfer, delete, move, replay
from menura.core.queue import Queue
from menura.core.routing import Route
from menura.core.selecting import Selection
from menura.store.journal import Journal
from menura.store.memory import MemoryCatalog

STEPS = 60
SEEDS = range(8)
ARGUMENTS = {
    "plain": {},
    "ranked": {"x-max-priority": 9, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"},
    "short": {"x-max-length": 5, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"},
    "brief": {"x-message-ttl": 50, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"},
    "dead": {},
}


class Life:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.cuts = 0
        self.now = 0.0
        self.last = 0
        self.promised: set[int] = set()
        self.uncertain: list[tuple[int, int]] = []  # a position of the journal, a number
        self.deleted: set[int] = set()
        self.seen: Counter[str] = Counter()
        self.catalog = MemoryCatalog()
        self.disk = SimulatedDisk(self.random)
        self.kept = self.start(self.disk)
        for name, arguments in ARGUMENTS.items():
            encoded = {key: fields.encode_value(value) for key, value in arguments.items()}
            self.kept.vhost.declare_queue(name, durable=True, arguments=encoded)

    def start(self, disk: SimulatedDisk) -> Kept:
        self.disk = disk
        disk.on_change = self.look
        self.journal = self.open(disk)
        kept = live(self.catalog, self.journal)
        kept.node.agenda.tick(self.now)
        return kept

    def open(self, disk: SimulatedDisk) -> Journal:
        salt = self.random.getrandbits(32)
        journal = Journal(
            disk,
            "journal",
            run_in_worker=at_once,
            call_back=at_once,
            segment_bytes=SEGMENT_BYTES,
            salt=lambda: salt,
        )
        report = journal.open()
        assert all(damage.unfinished for damage in report.damages)
        return journal

    # -- what must be so -------------------------------------------------------------------------------------

    def look(self) -> None:
        """Cut the power here and now, on a copy."""
        self.cuts += 1
        found = self.disk.power_cut(self.random)
        journal = self.open(found)
        places = Counter(number for id in journal.queues() for number in messages_in(journal, id).values())
        twice = [number for number, times in places.items() if times > 1]
        assert not twice, f"in two places: {twice}"
        lost = self.promised - self.deleted - places.keys()
        assert not lost, f"nowhere: {lost}"
        journal.close()

    def crash(self) -> None:
        """Go on with what is left."""
        found = self.disk.power_cut(self.random)
        self.disk.on_change = lambda: None
        self.kept = self.start(found)
        definitions = fold(self.catalog.changes)
        assert {queue.name for queue in definitions.queues} == {*self.kept.vhost.queues}
        left = {number for queue in self.kept.vhost.queues.values() for number in self.kept.messages(queue).values()}
        self.promised &= left | self.deleted
        self.uncertain = []
        self.seen["crashes"] += 1

    # -- what is done ----------------------------------------------------------------------------------------

    def run(self) -> None:
        actions = [self.publish] * 6 + [self.transfer] * 6 + [self.reject] * 2 + [self.wait, self.compact, self.crash]
        for _ in range(STEPS):
            self.random.choice(actions)()
            if self.random.random() < 0.7:
                self.flush()
        self.flush()
        self.look()

    def queue(self) -> Queue:
        return self.kept.vhost.queues[self.random.choice([*ARGUMENTS])]

    def publish(self) -> None:
        numbers = range(self.last + 1, self.last + 1 + self.random.randrange(1, 8))
        self.last = numbers[-1]
        route = Route("", self.queue().name)
        self.kept.vhost.publish(route, numbered(route, numbers, self.random.choice([0, 0, 200]), persistent=True))
        assert self.kept.node.keeper is not None
        self.uncertain += [(self.kept.node.keeper.appended, number) for number in numbers]

    def transfer(self) -> None:
        source, other, vhost = self.queue(), self.queue(), self.kept.vhost
        every = self.random.randrange(1, 4)
        positions = [
            position
            for place in source.places
            for position in range(place.position, place.position + len(place.waiting))
            if position % every == 0
        ]
        selection = Selection(positions=positions)
        what = self.random.choice(["queue", "exchange", "replay", "delete"])
        if what == "delete":
            # There is nothing to tell what may have expired just before from what is deleted.
            self.deleted.update(
                number for position, number in self.kept.messages(source).items() if position in positions
            )
        transfer: Transfer = {
            "queue": lambda: move(source, ToQueue(vhost, other), selection),
            "exchange": lambda: move(source, ToExchange(vhost, "", other.name), selection),
            "replay": lambda: replay(source, selection),
            "delete": lambda: delete(source, selection),
        }[what]()
        while transfer.step():
            if self.random.random() < 0.3:
                self.flush()
        self.seen[what] += transfer.result.done

    def reject(self) -> None:
        queue = self.queue()
        if queue.ready_count and queue.name not in ("plain", "dead"):
            queue.reject(*queue.take(self.random.randrange(1, 5))[:2])
            self.seen["rejected"] += 1

    def wait(self) -> None:
        self.now += 0.1
        before = self.kept.vhost.queues["brief"].ready_count
        self.kept.node.agenda.tick(self.now)
        self.seen["expired"] += before - self.kept.vhost.queues["brief"].ready_count

    def compact(self) -> None:
        self.journal.compact(1000)

    def flush(self) -> None:
        self.journal.flush()
        durable = self.journal.durable
        self.promised.update(number for position, number in self.uncertain if position <= durable)
        self.uncertain = [each for each in self.uncertain if each[0] > durable]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("menura.core.backlog.RESIDENT_BYTES_MAX", 300)
    monkeypatch.setattr("menura.core.paging._READ_MESSAGES_MAX", 4)
    monkeypatch.setattr("menura.core.browsing.STEP_MESSAGES_MAX", 3)


def test_after_any_cut_a_message_is_in_one_place(small_pages: None) -> None:
    cuts, seen = 0, Counter[str]()
    for seed in [*SEEDS, first_seed()]:
        print(f"seed {seed}")
        life = Life(seed)
        life.run()
        cuts += life.cuts
        seen += life.seen
    assert cuts > 1000
    happenings = ("queue", "exchange", "replay", "delete", "rejected", "expired", "crashes")
    assert [happening for happening in happenings if not seen[happening]] == []
