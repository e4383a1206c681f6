"""What has happened to messages, in numbers that only grow, and how fast they do.

Channels count, once for every run (`tallies`), and queues what is put into them; what queues and exchanges had seen
before they were deleted is kept by their virtual host, so that no sum ever falls. The sums are sampled, and a rate is
the difference of two samples: counting costs nothing more when nobody looks.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from menura.core.tallies import NOTHING_TAKEN, Taken, Taking

if TYPE_CHECKING:
    from menura.core.exchange import Exchange
    from menura.core.queue import Queue
    from menura.core.vhost import VHost

SAMPLE_SECONDS = 5.0
SAMPLES_MAX = 720


class Counts(NamedTuple):
    """Messages: handed in by publishers, put into queues, handed out, handed out again, and settled.

    A message counts as often in `queued` as there are queues that took it.
    """

    published: int = 0
    queued: int = 0
    delivered: int = 0
    redelivered: int = 0
    settled: int = 0

    def __add__(self, other: Counts) -> Counts:  # type: ignore[override]
        return Counts(*(one + two for one, two in zip(self, other, strict=True)))

    def per_second(self, before: Counts, seconds: float) -> Rates:
        return Rates(*((now - then) / seconds for now, then in zip(self, before, strict=True)))


class Rates(NamedTuple):
    """`Counts` a second."""

    published: float = 0.0
    queued: float = 0.0
    delivered: float = 0.0
    redelivered: float = 0.0
    settled: float = 0.0


class Overview(NamedTuple):
    """The state of a broker in numbers."""

    connections: int
    connections_opened: int
    connections_closed: int
    sessions: int
    subscriptions: int
    vhosts: int
    exchanges: int
    queues: int
    ready: int
    ready_bytes: int
    unsettled: int
    retained: int
    counts: Counts
    rates: Rates


def of_queue(queue: Queue) -> Counts:
    return Counts(0, queue.published, *_of_taken(queue.taken(), queue.discarded))


def of_exchange(exchange: Exchange) -> Counts:
    return Counts(published=exchange.sent().publish)


def of_vhost(vhost: VHost) -> Counts:
    """Everything that ever happened in a virtual host."""
    published = queued = discarded = 0
    for exchange in vhost.exchanges.values():
        published += exchange.gone.publish + exchange.own.publish
        for sending in exchange.sendings:
            published += sending.publish
    taking = Taking()
    taken = NOTHING_TAKEN
    for queue in vhost.queues.values():
        queued += queue.published
        discarded += queue.discarded
        for each in queue.takings:
            taking.add(each)
        if queue.gone is not NOTHING_TAKEN:
            taken += queue.gone
    return vhost.gone + Counts(published, queued, *_of_taken(taken + taking.sum(), discarded))


def _of_taken(taken: Taken, discarded: int) -> tuple[int, int, int]:
    settled = taken.ack + taken.deliver_no_ack + taken.get_no_ack + discarded
    return taken.deliver_get, taken.redeliver, settled


class History:
    """Samples of the sums, the latest of the last hour."""

    def __init__(self) -> None:
        self.samples: deque[tuple[float, Counts]] = deque(maxlen=SAMPLES_MAX)

    def due(self, now: float) -> bool:
        """Whether the last sample is old enough; `now` in seconds, monotonic."""
        return not self.samples or now - self.samples[-1][0] >= SAMPLE_SECONDS

    def add(self, now: float, counts: Counts) -> None:
        self.samples.append((now, counts))

    @property
    def rates(self) -> Rates:
        """Of the time between the last two samples."""
        if len(self.samples) < 2:
            return Rates()
        (then, before), (now, after) = self.samples[-2], self.samples[-1]
        return after.per_second(before, now - then)
