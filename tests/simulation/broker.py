"""A life of queues with rules, from one seed, and a power cut after every change of the disk.

Messages expire, are rejected, are pushed out, come back too often, wait for another try or for a time of their own;
their letters go through full queues to others. After each cut a node begins with what is left. Each message that was
promised, and that nobody has settled, must be in as many places as it was published to, and none in more, also
when that node has gone on until nothing is due any more. None counts more deliveries than there were.

What the catalog had not committed may be lost, from the last change backwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any
from unittest.mock import patch

from tests.core.domain import number_of
from tests.core.kept import LAST, Kept, live, messages_in
from tests.simulation.disk import SimulatedDisk
from tests.simulation.model import BrokenPromise

from menura.core import fields
from menura.core.content import pack
from menura.core.delivery_counts import delivery_count
from menura.core.keeping import Promise
from menura.core.paging import Paged
from menura.core.properties import Properties
from menura.core.queue import Queue
from menura.core.routing import Route
from menura.core.run import Run
from menura.store.journal import Journal
from menura.store.memory import MemoryCatalog

STEPS = 150
SEGMENT_BYTES = 4096
HAPPENINGS = (
    "nodes that went on after a cut",
    "letters: rejected",
    "letters: expired",
    "letters: maxlen",
    "letters: delivery_limit",
    "letters that had to wait",
    "messages set aside",
    "messages sent on late",
    "definitions lost",
    "counts that outlived a cut",
)


def _to(queue: str) -> dict[str, Any]:
    return {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}


QUORUM = {"x-queue-type": "quorum", "x-delivery-limit": 1}
RETRIED = {"x-delayed-retry-type": "all", "x-delayed-retry-min": 60}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "plain": _to("short"),
    "brief": {"x-message-ttl": 60, **_to("short")},
    "ranks": {"x-max-priority": 5, "x-max-length": 4, **_to("dead")},
    "bytes": {"x-max-length-bytes": 60, **_to("ranks")},
    "tried": {**QUORUM, **_to("short"), "x-delivery-limit": 3, **RETRIED},
    "sure": {"x-overflow": "reject-publish", "x-dead-letter-strategy": "at-least-once", **QUORUM, **_to("narrow")},
    "full": {"x-max-length": 1, "x-overflow": "reject-publish-dlx", **_to("short")},
    "narrow": {"x-max-length": 1, "x-overflow": "reject-publish"},
    "short": {"x-max-length": 3, **_to("dead")},
    "dead": {},
}
COUNTING = ["tried", "sure"]
PUBLISHED = ["plain", "brief", "ranks", "bytes", "tried", "sure", "sure", "short", "full"]


class BrokerWorld:
    """`run` lives one life; `cuts` counts the crashes looked at, `counts` what happened."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.cuts = 0
        self.now = 0.0
        self.last = 0
        self.copies: Counter[int] = Counter()  # to how many queues a message was published, less what was settled
        self.settled: Counter[int] = Counter()  # what may come back
        self.handed_out: Counter[tuple[int, int]] = Counter()  # how often, by queue and position
        self.promises: list[tuple[Promise, int]] = []
        self.promised: set[int] = set()
        self.jobs: list[Callable[[], None]] = []
        self.catalog = MemoryCatalog()
        self.disk = SimulatedDisk(self.random)
        self.counts = self.disk.counts
        self.kept = self._start()
        self._define()

    def run(self) -> int:
        steps = (
            (20, self.publish), (25, self.take), (12, self.wait), (15, self.flush), (15, self.work), (3, self.compact),
            (3, self.crash), (4, self.transact),
        )  # fmt: skip
        weights = [weight for weight, _ in steps]
        actions = [action for _, action in steps]
        with small_pages(), self._watched():
            for _ in range(STEPS):
                self.random.choices(actions, weights)[0]()
        return self.cuts

    # -- lives -----------------------------------------------------------------------------------------------

    def _start(self) -> Kept:
        self.jobs = []
        self.journal = self._open(self.disk, self.jobs.append)
        kept = live(self.catalog, self.journal, now=self.now)
        self.disk.on_change = self.look
        return kept

    def _open(self, disk: SimulatedDisk, run: Callable[[Callable[[], None]], None]) -> Journal:
        salt = self.random.getrandbits(32)
        journal = Journal(
            disk,
            "journal",
            run_in_worker=run,
            call_back=lambda call: call(),
            segment_bytes=SEGMENT_BYTES,
            salt=lambda: salt,
        )
        damages = journal.open().damages
        for damage in damages:
            if not damage.unfinished:
                raise BrokenPromise(f"damage where nothing was damaged: {damage}")
        return journal

    def _define(self) -> None:
        vhost = self.kept.vhost
        kind = {"x-delayed-type": fields.encode_value("direct")}
        vhost.declare_exchange("x", "x-delayed-message", durable=True, arguments=kind)
        for name, arguments in ARGUMENTS.items():
            encoded = {key: fields.encode_value(value) for key, value in arguments.items()}
            queue = vhost.declare_queue(name, durable=True, arguments=encoded)
            vhost.bind("x", queue, name, {})
            if name in ("bytes", "ranks", "dead"):  # where one is for the dead of another
                vhost.bind("amq.fanout", queue, "", {})
        self.catalog.flush()

    def _left_of_the_catalog(self) -> MemoryCatalog:
        """What is committed, and perhaps some more."""
        catalog = MemoryCatalog()
        count = self.random.randint(self.catalog.committed, self.catalog.changed)
        self.counts["definitions lost"] += count < self.catalog.changed
        catalog.changes = self.catalog.changes[:count]
        catalog.changed = catalog.committed = count
        catalog._last_queue_id = self.catalog._last_queue_id
        return catalog

    def crash(self) -> None:
        """Go on with what is left."""
        self.cuts += 1
        self.disk.on_change = lambda: None
        self.disk = self.disk.power_cut(self.random)
        self.catalog = self._left_of_the_catalog()
        self.kept = self._start()
        self.check(self.journal)
        left = places_in(self.journal)
        self.copies, self.settled, self.promises = left, Counter(), []
        self.promised &= left.keys()
        there = {(id, position) for id in self.journal.queues() for position in messages_in(self.journal, id)}
        self.handed_out = Counter({key: times for key, times in self.handed_out.items() if key in there})

    # -- what must be so -------------------------------------------------------------------------------------

    def look(self) -> None:
        """Cut the power here and now, on a copy."""
        self.cuts += 1
        disk = self.disk.power_cut(self.random)
        journal = self._open(disk, lambda job: job())
        self.check(journal)
        if self.random.random() < 0.1:
            self._go_on(journal)

    def _go_on(self, journal: Journal) -> None:
        """A node lives on until nothing is due any more."""
        found = places_in(journal)
        kept = live(self._left_of_the_catalog(), journal, now=self.now)
        self.counts["nodes that went on after a cut"] += 1
        for seconds in (0.0, 0.2, 0.5, 5.0):
            pass_time(kept, self.now + seconds)
        for name in COUNTING:
            self._check_counts(kept.vhost.queues[name])
        if places_in(journal) != found:
            raise BrokenPromise(f"{found} became {places_in(journal)}")
        late = [name for name in ("brief", "amq.delayed.x") if kept.vhost.queues[name].ready_count]
        if late:
            raise BrokenPromise(f"something is still in {late}")

    def _check_counts(self, queue: Queue) -> None:
        for place in queue.places:
            runs = [(place.position, place.waiting)]
            if isinstance(place.waiting, Paged):
                runs = queue.read(place, place.position, len(place.waiting))
            for first, run in runs:
                for position, content in enumerate(run.contents, first):
                    times = delivery_count(content)
                    self.counts["counts that outlived a cut"] += times > 0
                    if times > self.handed_out[queue.id, position]:
                        raise BrokenPromise(f"{position} of '{queue.name}' was not handed out {times} times")

    def check(self, journal: Journal) -> None:
        for id in journal.queues():
            for position, times, _ in journal.counts(id, 0, LAST):
                if times > self.handed_out[id, position]:
                    raise BrokenPromise(f"{position} of queue {id} was not handed out {times} times")
        places = places_in(journal)
        for number, count in places.items():
            if count > self.copies[number] + self.settled[number]:
                raise BrokenPromise(f"{number} is in {count} places, not in {self.copies[number]}")
        for number in self.promised:
            if places[number] < self.copies[number]:
                raise BrokenPromise(f"{number} is in {places[number]} places, not in {self.copies[number]}")

    # -- what a broker does ----------------------------------------------------------------------------------

    def publish(self) -> None:
        random = self.random
        name = random.choice(PUBLISHED)
        route, copies, headers = Route("", name), 1, None
        chance = random.random()
        if chance < 0.2:
            route, headers = Route("x", name), {"x-delay": random.choice((1, 60, 500))}
        elif chance < 0.4:
            route, copies = Route("amq.fanout", ""), 3
        ttl_ms = random.choice((None, None, 60, 500)) if chance > 0.4 and name != "sure" else None
        block = Properties(
            headers=headers,
            priority=random.choice((None, 1, 3)),
            delivery_mode=2,
            expiration=None if ttl_ms is None else str(ttl_ms),
        ).encode()
        numbers = range(self.last + 1, self.last + 1 + random.choice((1, 1, 2, 6)))
        self.last = numbers[-1]
        contents = [pack(block, number.to_bytes(8, "big") + bytes(random.choice((0, 0, 30)))) for number in numbers]
        sizes = list(map(len, contents))
        due_ms = 0 if ttl_ms is None else self.kept.node.agenda.wall_ms + ttl_ms
        for number in numbers:
            self.copies[number] = copies
        self.kept.vhost.publish(route, Run(route, contents, sum(sizes), max(sizes), True, None, due_ms))
        self.kept.vhost.take_refused()
        assert self.kept.node.keeper is not None
        promise = self.kept.node.keeper.promise()
        self.promises += [(promise, number) for number in numbers]

    def take(self) -> None:
        """Somebody gets messages, and accepts, rejects or returns them."""
        ready = [name for name in (*ARGUMENTS, *COUNTING * 4) if self.kept.vhost.queues[name].ready_count]
        if not ready:
            return
        queue = self.kept.vhost.queues[self.random.choice(ready)]
        taken = queue.take(self.random.choice((1, 2, 5)))
        assert taken is not None
        position, run, _ = taken
        self.handed_out.update((queue.id, at) for at in range(position, position + len(run)))
        what = self.random.choice(("settle", "reject", "requeue", "requeue"))
        if what == "settle" or (what == "reject" and queue.name in ("dead", "narrow")):
            for content in run.contents:
                self.copies[number_of(content)] -= 1
                self.settled[number_of(content)] += 1
            queue.settle(position, run)
        elif what == "reject":
            queue.reject(position, run)
        else:
            queue.requeue(position, run, self.random.random() < 0.5)

    def transact(self) -> None:
        before = len(self.promises)
        with self.kept.vhost.together():
            for _ in range(self.random.randrange(1, 4)):
                self.random.choice((self.publish, self.take))()
        assert self.kept.node.keeper is not None
        promise = self.kept.node.keeper.promise()  # nothing of it was promised before its end
        self.promises[before:] = [(promise, number) for _, number in self.promises[before:]]

    def wait(self) -> None:
        self.now += self.random.choice((0.07, 0.07, 0.6, 2))
        pass_time(self.kept, self.now)

    def flush(self) -> None:
        if self.random.random() < 0.7:
            self.catalog.flush()
        self.journal.flush(marks=self.random.random() < 0.7)
        self._note_promises()

    def work(self) -> None:
        """The worker gets to its job."""
        while self.jobs:
            self.jobs.pop(0)()
        self._note_promises()

    def _note_promises(self) -> None:
        keeper = self.kept.node.keeper
        assert keeper is not None
        self.promised.update(number for promise, number in self.promises if keeper.fulfilled(promise))
        self.promises = [each for each in self.promises if not keeper.fulfilled(each[0])]

    def compact(self) -> None:
        self.journal.compact(self.random.choice((1000, 100_000)))

    # -- what happened ---------------------------------------------------------------------------------------

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Count what the rules do, by watching them."""
        from menura.core import delays, rules

        bury, park, send_on = rules.bury, rules.Rules._park, delays.Delays._send_on

        def counted_bury(queue: Queue, run: Run, reason: str) -> bool:
            found = bury(queue, run, reason)
            self.counts[f"letters: {reason}"] += len(run)
            self.counts["letters that had to wait"] += not found and queue.name == "sure"
            return found

        def counted_park(self_: Any, position: int, run: Run, due_ms: int, reason: str = "") -> None:
            self.counts["messages set aside"] += not reason
            park(self_, position, run, due_ms, reason)

        def counted_send_on(self_: Any, way: Any, due: list[tuple[int, Run]]) -> None:
            self.counts["messages sent on late"] += len(due)
            send_on(self_, way, due)

        with (
            patch.object(rules, "bury", counted_bury),
            patch.object(rules.Rules, "_park", counted_park),
            patch.object(delays.Delays, "_send_on", counted_send_on),
        ):
            yield


@contextmanager
def small_pages() -> Iterator[None]:
    with (
        patch("menura.core.backlog.RESIDENT_BYTES_MAX", 300),
        patch("menura.core.paging._READ_MESSAGES_MAX", 3),
    ):
        yield


def pass_time(kept: Kept, now: float) -> None:
    """Until nothing is due any more."""
    agenda = kept.node.agenda
    agenda.tick(now)
    while agenda.next_due is not None and agenda.next_due <= now:
        agenda.tick(now)


def places_in(journal: Journal) -> Counter[int]:
    """In how many places each message is."""
    return Counter(number for id in journal.queues() for number in messages_in(journal, id).values())
