"""Compaction: the log stays in proportion to what lives, whatever stays in it, and writes little for that."""

from __future__ import annotations

from random import Random

import pytest
from tests.simulation.disk import SimulatedDisk
from tests.store.workers import at_once

from menura.core.ports import Published
from menura.store.journal import Journal
from menura.store.recovery import Damage

SEGMENT_BYTES = 64 * 1024
# Besides twice what lives and four segments: what comes while a segment is copied, which lies twice until it goes.
SLACK_BYTES = 3 * SEGMENT_BYTES


class Churn:
    """A journal, the owner's turn at the end of each tick, and how long the log ever was."""

    def __init__(self, step_bytes: int = SEGMENT_BYTES) -> None:
        self.disk = SimulatedDisk(Random(1))
        self.step_bytes = step_bytes
        self.journal = self.start(self.disk)
        self.next: dict[int, int] = {}
        self.living: dict[int, dict[int, bytes]] = {}
        self.worst = 0.0

    def start(self, disk: SimulatedDisk) -> Journal:
        journal = Journal(disk, "j", run_in_worker=at_once, call_back=at_once, segment_bytes=SEGMENT_BYTES)
        journal.open()
        return journal

    def publish(self, queue: int, *contents: bytes) -> None:
        first = self.next.get(queue, 0)
        self.journal.append(Published([(queue, first)], "", ("key",), contents))
        self.living.setdefault(queue, {}).update(enumerate(contents, first))
        self.next[queue] = first + len(contents)

    def settle(self, queue: int, *positions: int) -> None:
        for position in positions:
            self.journal.settle(queue, position, position)
            del self.living[queue][position]

    def tick(self) -> None:
        """A flush, and a step of compaction if there is one to make."""
        self.journal.flush()
        self.journal.compact(self.step_bytes)
        records = sum(len(content) + 100 for messages in self.living.values() for content in messages.values())
        self.worst = max(self.worst, self.journal.size_bytes - 2 * records - 4 * SEGMENT_BYTES)

    def amplification(self) -> float:
        return self.journal.written_bytes / self.journal.message_bytes

    def found(self, journal: Journal) -> dict[int, dict[int, bytes]]:
        return {
            queue: {
                stored.first + number: content
                for stored in journal.read(queue, 0, 1 << 60)
                for number, content in enumerate(stored.contents)
            }
            for queue in self.living
        }

    def check(self) -> None:
        """All that lives is there, and so it is after a crash."""
        self.journal.flush()
        assert self.found(self.journal) == self.living
        assert self.found(self.start(self.disk.killed(Random(1)))) == self.living


def test_a_stuck_old_message_does_not_pin_the_disk() -> None:
    churn = Churn()
    churn.publish(1, b"stuck" * 100)
    for _ in range(4000):
        churn.publish(2, bytes(1024))
        churn.settle(2, *churn.living[2])
        churn.tick()
    assert churn.worst <= SLACK_BYTES
    assert churn.amplification() < 1.3
    churn.check()


def test_a_message_in_every_segment_that_stays_does_not_pin_the_disk() -> None:
    churn = Churn()
    for number in range(6000):
        churn.publish(1, bytes(1024))
        if number % 40:
            churn.settle(1, number)
        churn.tick()
    assert churn.worst <= SLACK_BYTES
    assert churn.amplification() < 2
    churn.check()


def test_a_backlog_that_is_served_newest_first_does_not_pin_the_disk() -> None:
    churn = Churn()
    for _ in range(200):
        churn.publish(1, *[bytes(1000)] * 5)
        churn.tick()
    for _ in range(3000):
        churn.publish(1, bytes(1000))
        churn.settle(1, max(churn.living[1]))
        churn.tick()
    assert churn.worst <= SLACK_BYTES
    churn.check()


def test_large_messages_that_stay_among_small_ones_that_go_are_not_copied_for_ever() -> None:
    churn = Churn(step_bytes=8 * 1024)
    for _ in range(120):
        churn.publish(1, bytes(8 * 1024))
        churn.tick()
    for _ in range(2500):
        for _ in range(10):
            churn.publish(2, bytes(40))
        churn.settle(2, *churn.living[2])
        churn.tick()
    assert churn.worst <= 2 * SLACK_BYTES  # steps are small
    small_bytes = 2500 * (10 * 140 + 100)
    assert churn.journal.written_bytes < 120 * 8.2 * 1024 + 2 * small_bytes
    churn.check()


@pytest.mark.parametrize("seed", range(3))
def test_octets_written_stay_below_twice_the_messages(seed: int) -> None:
    """A day of a broker: some queues are drained at once, some lag, some messages are left for long."""
    random = Random(seed)
    churn = Churn()
    for _ in range(3000):
        queue = random.randrange(1, 8)
        churn.publish(queue, *[bytes(random.choice((128, 1024, 4096))) for _ in range(random.choice((1, 4, 16)))])
        queue = random.randrange(1, 8)
        left = [position for position in sorted(churn.living.get(queue, ())) if random.random() < 0.98]
        churn.settle(queue, *left[: 60 if queue > 2 else 20])
        churn.tick()
    assert churn.worst <= SLACK_BYTES
    assert churn.amplification() < 2
    churn.check()


def test_a_step_copies_about_what_it_was_asked_for() -> None:
    churn = Churn()
    for position in range(400):
        churn.publish(1, bytes(1000))
        churn.publish(2, bytes(1000))
        churn.journal.settle(1, position, position)
        churn.living[1].pop(position)
    for position in range(0, 400, 2):
        churn.settle(2, position)
    for position in range(101, 400, 2):
        churn.settle(2, position)
    churn.journal.flush()
    before = churn.journal.appended
    assert churn.journal.compact(5000)
    assert 0 < churn.journal.appended - before < 8000
    for _ in range(100):
        if not churn.journal.compact(5000):
            break
        churn.journal.flush()
    else:
        pytest.fail("compaction does not end")
    churn.check()


def test_what_is_settled_while_it_is_copied_does_not_return() -> None:
    churn = a_sparse_one()
    assert churn.journal.compact(1)
    churn.settle(1, *sorted(churn.living[1])[:3])
    while churn.journal.compact(1):
        pass
    churn.check()


def test_what_is_copied_is_counted() -> None:
    churn = a_sparse_one()
    churn.journal.flush()
    before = churn.journal.appended
    assert churn.journal.use.copied_bytes == 0
    while churn.journal.compact(1000):
        pass
    assert 0 < churn.journal.use.copied_bytes <= churn.journal.appended - before


def a_sparse_one() -> Churn:
    """Five messages of queue 1 stay in the oldest segment of a log that is long enough to be shortened."""
    churn = Churn()
    for _ in range(5):
        churn.publish(1, bytes(1000))
    churn.journal.delivered(1, 4)
    churn.journal.counted(1, 2, 3, 0)
    churn.journal.counted(1, 3, 2, 9000)
    churn.journal.flush()
    for _ in range(600):
        churn.publish(2, bytes(1000))
        churn.settle(2, *churn.living[2])
        churn.journal.flush()
    return churn


def test_what_had_been_delivered_is_still_known_when_its_mark_is_gone() -> None:
    churn = a_sparse_one()
    oldest = churn.journal.segment_count
    for _ in range(600):
        churn.publish(2, bytes(1000))
        churn.settle(2, *churn.living[2])
        churn.tick()
    assert churn.journal.segment_count < oldest
    found = churn.start(churn.disk.killed(Random(1)))
    assert found.held(1).delivered == 4
    assert found.counts(1, 0, 9) == [(2, 3, 0), (3, 2, 9000)]
    churn.check()


def test_what_had_been_delivered_is_still_known_when_only_the_copies_survive_a_crash() -> None:
    """The copies are on the disk, and the power goes before the marks that follow them are."""
    churn = a_sparse_one()
    while churn.journal.compact(1):
        pass
    churn.journal._log.start()
    again = churn.start(disk := churn.disk.killed(Random(1)))
    before = again.segment_count
    again.flush()
    assert again.segment_count < before
    found = churn.start(disk.killed(Random(1)))
    assert found.held(1).delivered == 4
    assert found.counts(1, 0, 9) == [(2, 3, 0), (3, 2, 9000)]


def test_damage_met_while_copying_is_told_and_does_not_keep_the_segment() -> None:
    churn = a_sparse_one()
    told: list[Damage] = []
    churn.journal.on_damage = told.append
    (place,) = [entry.place for entry in churn.journal._queues[1].live(2, 2)]
    oldest = churn.disk.list("j")[0]
    churn.disk.names[f"j/{oldest}"].seen[place + 60] ^= 1
    while churn.journal.compact():
        pass
    churn.journal.flush()
    assert [(damage.path, damage.offset) for damage in told] == [(f"j/{oldest}", place)]
    assert oldest not in churn.disk.list("j")
    assert churn.journal.held(1).ranges == [(0, 1), (3, 4)]


def test_many_short_files_become_few() -> None:
    """Every start begins a file."""
    disk = SimulatedDisk(Random(1))
    churn = Churn()
    for position in range(60):
        churn.disk = disk
        churn.journal = churn.start(disk)
        churn.next[1] = position
        churn.publish(1, b"m")
        churn.journal.flush()
        disk = disk.killed(Random(position))
    churn.disk = disk
    churn.journal = churn.start(disk)
    for _ in range(200):
        churn.tick()
    assert churn.journal.segment_count < 25
    churn.check()
