"""The load over MQTT: persistent sessions with QoS 1 and 2, a shared subscription, wills, retained messages.

Whatever the broker has confirmed arrives; what is sent with QoS 2 arrives once; no session is forgotten, nor its will;
what is retained is the last that was confirmed, or what was under way.
"""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from tests.cli.process import Process
from tests.durability.books import Verdict
from tests.durability.killing import Killing
from tests.durability.load import Fuse, until_gone
from tests.durability.mqtt_clients import Client, Mortal, Receiver, Retainer, Sender
from tests.net.peer import DEADLINE_SECONDS

STEPS = (100, 2500)


class MqttLives(Killing):
    scheme = "mqtt"

    def __init__(self, path: Path, seed: int, steps_max: int = 0) -> None:
        super().__init__(path, seed, (STEPS[0], steps_max or STEPS[1]))
        numbers = count()
        shared: set[int] = set()
        self._pairs = [
            (Sender("s1", "kill/1", 1, numbers), [Receiver("r1", "kill/1/+", 1, set())]),
            (Sender("s2", "kill/2", 2, numbers), [Receiver("r2", "kill/2/+", 2, set())]),
            (
                Sender("s3", "kill/3", 2, numbers),
                [Receiver(id, "$share/kill/kill/3/#", 2, shared) for id in ("r3a", "r3b")],
            ),
        ]
        self._retainer = Retainer("retainer", numbers)
        self._mortals = [Mortal(id, numbers) for id in ("m1", "m2", "m3")]

    @property
    def _clients(self) -> list[Client]:
        return [
            self._retainer,
            *self._mortals,
            *[client for sender, receivers in self._pairs for client in (sender, *receivers)],
        ]

    def set_up(self, port: int) -> None:
        for sender, receivers in self._pairs:
            sender.finish(port)
            for receiver in receivers:
                receiver.subscribe(port)

    def look_at(self, port: int) -> Verdict:
        verdict = Verdict()
        verdict.recovered = self._retainer.look(port)
        for sender, receivers in self._pairs:
            sender.finish(port)
            verdict.recovered += self._compare(port, sender, receivers, verdict)
        for client in self._clients:
            for complaint in client.complaints:
                verdict.complain("wrong", complaint)
            client.complaints.clear()
        return verdict

    def _compare(self, port: int, sender: Sender, receivers: list[Receiver], verdict: Verdict) -> int:
        """Let the receivers take what is there for them; how much that was."""
        confirmed, got = sender.confirmed, receivers[0].got
        before = len(got)
        *others, last = receivers
        try:
            for other in others:
                other.drain(port, lambda: True)
            last.drain(port, lambda: confirmed <= got)
        except TimeoutError:
            for number in sorted(confirmed - got):
                verdict.complain("lost", f"{number} for {last.id}")
        for number in sorted(got - sender.sent):
            verdict.complain("invented", f"{number} for {last.id}")
        count = len(got) - before
        got |= confirmed
        return count

    def work(self, port: int, process: Process) -> None:
        chance = self.chance()
        before = sum(len(sender.confirmed) for sender, _ in self._pairs)
        for mortal, (sender, _) in zip(self._mortals, self._pairs, strict=True):
            mortal.leave_will(port, sender)
        works = [self._retainer.work]
        for sender, receivers in self._pairs:
            works += [sender.work, *[receiver.work for receiver in receivers]]
        fuse = Fuse(self.steps(chance), process.process.kill, len(works))
        with ThreadPoolExecutor(len(works)) as threads:
            chances = [random.Random(chance.getrandbits(64)) for _ in works]
            runs = [threads.submit(until_gone, work, port, one, fuse) for work, one in zip(works, chances, strict=True)]
            burnt = fuse.burnt.wait(DEADLINE_SECONDS)
            process.process.kill()
            for run in runs:
                run.result()
        for client in self._clients:
            client.close()
        assert burnt, f"the load took less than {fuse.at} steps"
        self.totals["confirmed"] += sum(len(sender.confirmed) for sender, _ in self._pairs) - before
