"""One data directory and one broker after the other, each killed in the middle of a load.

What the load is, and what must be there afterwards, is said by those who inherit from this.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path
from select import select

from tests.cli.process import Process
from tests.durability.books import Verdict
from tests.net.peer import eventually


class Killing:
    """Kill after kill. `totals` counts, over all of them, what happened and what was wrong."""

    scheme = "amqp"

    def __init__(self, path: Path, seed: int, steps: tuple[int, int]) -> None:
        self.totals: Counter[str] = Counter()
        self.seed = seed
        self.life = 0
        self._path = path
        self._steps = steps

    # -- to be said by others --------------------------------------------------------------------------------

    def set_up(self, port: int) -> None:
        """Tell the first broker what the load needs."""
        raise NotImplementedError

    def look_at(self, port: int) -> Verdict:
        """Compare what there is with what was promised in the life before."""
        raise NotImplementedError

    def work(self, port: int, process: Process) -> None:
        """Make the load, in the middle of which the process is killed."""
        raise NotImplementedError

    # -- lives -----------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """The first broker of the directory, which is killed as well."""
        process = self._start()
        try:
            self.set_up(self.port(process))
        finally:
            process.kill()

    def live(self) -> Verdict:
        """Look what there is, work, get killed; what the look has shown of the life before."""
        self.life += 1
        if self.chance("start").random() < 0.3:
            self._interrupt_start()
        process = self._start()
        try:
            port = self.port(process)
            verdict = self.look_at(port)
            self.work(port, process)
            _, _, log = process.end()
            if "Traceback" in log or "damaged" in log:
                verdict.complain("logged", log)
        finally:
            process.kill()
        self.totals["kills"] += 1
        return self._count(verdict)

    def look(self) -> Verdict:
        """Look for the last time."""
        process = self._start()
        try:
            return self._count(self.look_at(self.port(process)))
        finally:
            process.kill()

    def chance(self, name: str = "") -> random.Random:
        """The same in every run with this seed, for this life."""
        return random.Random(f"{self.seed}/{self.life}" + (f"/{name}" if name else ""))

    def steps(self, chance: random.Random) -> int:
        """After how many steps of the load the broker is killed: any order of magnitude is as likely as the others."""
        low, high = self._steps
        return int(low * (high / low) ** chance.random())

    def port(self, process: Process) -> int:
        screen = "\n".join(process.screen())
        found = re.search(rf"{self.scheme}://[^:]+:(\d+)", screen)
        assert found, screen
        return int(found[1])

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
        arguments = ("--listen", f"{self.scheme}://127.0.0.1:0", "--disk-free-min", "0", "--log-level", "error")
        return Process(*arguments, "--data", str(self._path))

    def _count(self, verdict: Verdict) -> Verdict:
        self.totals += verdict.counts
        self.totals["recovered"] += verdict.recovered
        return verdict


def _says_something(process: Process) -> bool:
    return bool(select([process.process.stdout], [], [], 0)[0])


def summary(client: str, totals: Counter[str]) -> str:
    """One line; kinds of complaints beyond the usual ones are there if there are any."""
    usual = ("kills", "confirmed", "acked", "recovered", "lost", "invented", "returned")
    shown = [f"{kind} {totals[kind]:,}" for kind in usual]
    shown += [f"{kind} {number:,}" for kind, number in totals.items() if kind not in usual]
    return f"{client}: {', '.join(shown)}"
