"""A message that goes on twice before the disk has seen either step is in one place, whatever a crash leaves."""

from __future__ import annotations

from random import Random

from tests.simulation.disk import SimulatedDisk

from menura.core.ports import Published, Settled
from menura.store.journal import Journal

SEEDS = 60
FROM, OVER, TO = 1, 2, 3


def opened(disk: SimulatedDisk) -> Journal:
    journal = Journal(disk, "journal", run_in_worker=lambda job: job(), call_back=lambda call: call(), salt=lambda: 7)
    journal.open()
    return journal


def published(queue: int, position: int, body: bytes = b"it") -> Published:
    return Published([(queue, position)], "", ("key",), [body], 0)


def places(journal: Journal) -> list[int]:
    return [queue for queue in (FROM, OVER, TO) if journal.held(queue).ranges]


def life(seed: int) -> tuple[list[list[int]], Journal]:
    """Two steps of one message with something large between them; where it is after a cut at every change."""
    disk = SimulatedDisk(Random(seed))
    journal = opened(disk)
    journal.append(published(FROM, 0))
    journal.flush()
    found: list[list[int]] = []
    disk.on_change = lambda: found.append(places(opened(disk.power_cut(Random(seed)))))
    journal.append(published(OVER, 0), Settled(FROM, 0, 0))
    journal.append(published(9, 0, bytes(5000)))
    journal.append(published(TO, 0), Settled(OVER, 0, 0))
    journal.flush()
    disk.on_change = lambda: None
    return found, journal


def test_a_message_of_two_steps_is_in_one_place_after_any_cut() -> None:
    seen = set()
    for seed in range(SEEDS):
        for found in life(seed)[0]:
            assert len(found) == 1, f"seed {seed}: in {found}"
            seen.update(found)
    assert seen == {FROM, OVER, TO}


def test_both_steps_are_on_the_disk_when_the_journal_says_so() -> None:
    journal = life(0)[1]
    assert journal.durable == journal.appended
    assert places(journal) == [TO]


def test_what_has_been_divided_is_written_by_a_clean_stop_and_read_back_before() -> None:
    disk = SimulatedDisk(Random(0))
    journal = opened(disk)
    journal.append(published(FROM, 0))
    journal.append(published(OVER, 0), Settled(FROM, 0, 0))
    journal.append(published(TO, 0), Settled(OVER, 0, 0))
    assert [stored.contents for stored in journal.read(TO, 0, 0)] == [[b"it"]]
    journal.close()
    again = opened(disk)
    assert places(again) == [TO]
    assert [stored.contents for stored in again.read(TO, 0, 0)] == [[b"it"]]
