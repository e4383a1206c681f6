"""The lives that seeds stand for, one by one or many at the same time."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count
from typing import NamedTuple

from tests.simulation import broker, damage, disk, world
from tests.simulation.model import BrokenPromise

IN_JOURNALS = (*world.HAPPENINGS, *disk.HAPPENINGS, *damage.HAPPENINGS)
HAPPENINGS = (*IN_JOURNALS, *broker.HAPPENINGS)
# By the last digit of the seed: lives that end on damaged disks, and those of queues. All others are a journal's.
_KINDS = {0: damage.DamagedWorld, 5: damage.DamagedWorld, 7: broker.BrokerWorld}


class Life(NamedTuple):
    """What came of a seed; `complaint` is empty if all promises were kept."""

    seed: int
    cuts: int
    counts: Counter[str]
    complaint: str


def live(seed: int) -> Life:
    """One life, from its beginning to its end or to the first broken promise."""
    subject = _KINDS.get(seed % 10, world.World)(seed)
    complaint = ""
    try:
        subject.run()
    except BrokenPromise as error:
        complaint = str(error)
    except Exception:
        complaint = traceback.format_exc()
    return Life(seed, subject.cuts, subject.counts, complaint)


def lives(first: int, jobs: int) -> Iterator[Life]:
    """One life after the other from seed `first` on, without end, `jobs` at the same time."""
    if jobs == 1:
        yield from map(live, count(first))
        return
    seeds = count(first)
    with ProcessPoolExecutor(jobs) as pool:
        running: set[Future[Life]] = {pool.submit(live, next(seeds)) for _ in range(2 * jobs)}
        try:
            while True:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {pool.submit(live, next(seeds)) for _ in done}
                yield from (future.result() for future in done)
        finally:
            pool.shutdown(cancel_futures=True)
