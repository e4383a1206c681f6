"""The load over AMQP: one data directory, one broker after the other, and what was there afterwards."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from tests.cli.process import Process
from tests.durability.books import Books, Notes, Verdict
from tests.durability.killing import Killing
from tests.durability.load import IDLE, KEPT, TARGET, WORKERS, Fuse, Mover, Worker, prepare
from tests.durability.pika_client import PikaLine
from tests.durability.raw import RawLine
from tests.durability.reader import Reader
from tests.durability.topology import Topologist, Topology
from tests.net.peer import DEADLINE_SECONDS, Peer

LINES: dict[str, type[RawLine | PikaLine]] = {"raw": RawLine, "pika": PikaLine}
STEPS = {"raw": (100, 30_000), "pika": (100, 8_000)}
_MOVER, _READER = WORKERS, WORKERS + 1


class Lives(Killing):
    def __init__(self, path: Path, seed: int, steps_max: int = 0, *, client: str) -> None:
        super().__init__(path, seed, (STEPS[client][0], steps_max or STEPS[client][1]))
        self._line = LINES[client]
        self._numbers = count()
        self._books = Books(KEPT, frozenset((IDLE, TARGET)))
        self._topology = [Topology()]
        self._notes: list[Notes] = []

    def set_up(self, port: int) -> None:
        desk = self._line.desk(port)
        prepare(desk)
        desk.close()

    def look_at(self, port: int) -> Verdict:
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
            reader.settle(messages, self.chance("reader"))
        self._notes = [reader.notes]
        return verdict

    def work(self, port: int, process: Process) -> None:
        chance = self.chance()
        fuse = Fuse(self.steps(chance), process.process.kill)
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
        self._topology = topologist.candidates()
        for notes in (*(worker.notes for worker in workers), mover.notes):
            self._notes.append(notes)
            self.totals["confirmed"] += len(notes.confirmed)
            self.totals["acked"] += len(notes.settled)


def _child(chance: random.Random) -> random.Random:
    return random.Random(chance.getrandbits(64))
