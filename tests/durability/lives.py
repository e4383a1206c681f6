"""One data directory, one broker after the other, each killed while the load runs, and what was there afterwards."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from select import select

from tests.cli.process import Process
from tests.durability.books import Books, Notes, Verdict
from tests.durability.load import IDLE, KEPT, TARGET, WORKERS, Fuse, Mover, Worker, prepare
from tests.durability.pika_client import PikaLine
from tests.durability.raw import RawLine
from tests.durability.reader import Reader
from tests.durability.topology import Topologist, Topology
from tests.net.peer import DEADLINE_SECONDS, Peer, eventually

LINES: dict[str, type[RawLine | PikaLine]] = {"raw": RawLine, "pika": PikaLine}
STEPS = {"raw": (100, 30_000), "pika": (100, 8_000)}
_MOVER, _READER = WORKERS, WORKERS + 1


class Lives:
    """Kill after kill. `totals` counts, over all of them, what happened and what was wrong."""

    def __init__(self, path: Path, client: str, seed: int, steps_max: int = 0) -> None:
        self.totals: Counter[str] = Counter()
        self._path = path
        self._line = LINES[client]
        self._steps = (STEPS[client][0], steps_max or STEPS[client][1])
        self._seed = seed
        self._numbers = count()
        self._books = Books(KEPT, frozenset((IDLE, TARGET)))
        self._topology = [Topology()]
        self._notes: list[Notes] = []
        self._life = 0

    def prepare(self) -> None:
        """The first broker of the directory, which is told what the load needs, and is killed as well."""
        process = self._start()
        try:
            desk = self._line.desk(process.port())
            prepare(desk)
            desk.close()
        finally:
            process.kill()

    def live(self) -> Verdict:
        """Look what there is, work, get killed; what the look has shown of the life before."""
        self._life += 1
        if random.Random(f"{self._seed}/{self._life}/start").random() < 0.3:
            self._interrupt_start()
        process = self._start()
        try:
            port = process.port()
            verdict = self._look(port)
            self._work(port, process)
            _, _, log = process.end()
            if "Traceback" in log or "damaged" in log:
                verdict.complain("logged", log)
        finally:
            process.kill()
        return self._count(verdict)

    def look(self) -> Verdict:
        """Look for the last time."""
        process = self._start()
        try:
            return self._count(self._look(process.port()))
        finally:
            process.kill()

    def _interrupt_start(self) -> None:
        """Kill a broker as soon as it has changed something among the journal's files, or else when it is ready."""
        journal = self._path / "journal"
        before = sorted(journal.iterdir())
        process = self._start()
        try:
            eventually(lambda: sorted(journal.iterdir()) != before or _says_something(process), "a start")
        finally:
            process.kill()
        self.totals["starts cut short"] += 1

    def _start(self) -> Process:
        arguments = ("--listen", "amqp://127.0.0.1:0", "--disk-free-min", "0", "--log-level", "error")
        return Process(*arguments, "--data", str(self._path))

    def _count(self, verdict: Verdict) -> Verdict:
        self.totals += verdict.counts
        self.totals["recovered"] += verdict.recovered
        return verdict

    # -- one life --------------------------------------------------------------------------------------------

    def _look(self, port: int) -> Verdict:
        chance = random.Random(f"{self._seed}/{self._life}/reader")
        with Peer(port) as peer:
            reader = Reader(_READER, peer, self._numbers)
            messages = reader.read()
            verdict = self._books.compare(self._notes, messages)
            topology = reader.topology()
            if topology not in self._topology:
                verdict.complain("topology", f"{topology}, expected one of {self._topology}")
            for _, queue in topology.bindings:
                topology.queues[queue] += 1
            self._topology = [topology]
            reader.settle(messages, chance)
        self._notes = [reader.notes]
        return verdict

    def _work(self, port: int, process: Process) -> None:
        """The load, until it is cut off in the middle."""
        chance = random.Random(f"{self._seed}/{self._life}")
        low, high = self._steps
        fuse = Fuse(int(low * (high / low) ** chance.random()), process.process.kill)
        workers = [Worker(index, _child(chance), self._numbers, fuse) for index in range(WORKERS)]
        mover = Mover(_MOVER, _child(chance), self._numbers, fuse)
        topologist = Topologist(_child(chance), self._topology[0], fuse)
        desks = [self._line.desk(port) for _ in range(2)]
        with ThreadPoolExecutor(WORKERS + 2) as threads:
            runs = [threads.submit(self._line(port, worker).run) for worker in workers]
            runs += [threads.submit(mover.run, desks[0]), threads.submit(topologist.run, desks[1])]
            burnt = fuse.burnt.wait(DEADLINE_SECONDS)
            process.process.kill()
            for run in runs:
                run.result()
        for desk in desks:
            desk.close()
        assert burnt, f"the load took less than {fuse.at} steps"
        self.totals["kills"] += 1
        self._topology = topologist.candidates()
        for notes in (*(worker.notes for worker in workers), mover.notes):
            self._notes.append(notes)
            self.totals["confirmed"] += len(notes.confirmed)
            self.totals["acked"] += len(notes.settled)


def _says_something(process: Process) -> bool:
    return bool(select([process.process.stdout], [], [], 0)[0])


def _child(chance: random.Random) -> random.Random:
    return random.Random(chance.getrandbits(64))


def summary(client: str, totals: Counter[str]) -> str:
    """One line; kinds of complaints beyond the usual ones are there if there are any."""
    usual = ("kills", "confirmed", "acked", "recovered", "lost", "invented", "returned")
    shown = [f"{kind} {totals[kind]:,}" for kind in usual]
    shown += [f"{kind} {number:,}" for kind, number in totals.items() if kind not in usual]
    return f"{client}: {', '.join(shown)}"
