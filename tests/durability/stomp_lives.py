"""The load over STOMP: persistent messages with receipts, acknowledgements with receipts, transactions.

A receipt is a promise: a message that has been receipted is there after a kill, one whose acknowledgement was part of
a receipted transaction is not, and a transaction has happened as a whole or not at all.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, Self

from tests.cli.process import Process
from tests.durability.books import Verdict
from tests.durability.killing import Killing
from tests.durability.load import Fuse, body_of, number_of, until_gone
from tests.durability.wire import Wire
from tests.net.peer import DEADLINE_SECONDS
from tests.protocols.stomp.memory import Answer, decode, frame, send

STEPS = (100, 2500)
WINDOW = 100
PREFETCH = 50
GROUP = 3


class Connection:
    """CONNECT to DISCONNECT, or until the broker is gone."""

    def __init__(self, port: int) -> None:
        self._wire = Wire(port)
        self._rest = b""
        self._heard: list[Answer] = []
        self.tell(frame("CONNECT", {"accept-version": "1.2", "login": "guest", "passcode": "guest"}))
        assert self.read()[0].command == "CONNECTED"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.close()

    def tell(self, *frames: bytes) -> None:
        self._wire.send(b"".join(frames))

    def read(self) -> list[Answer]:
        """At least one frame; waits for it."""
        while True:
            octets = self._rest + self._wire.read()
            end = octets.rfind(b"\0\n") + 2  # no body has this in it
            self._rest = octets[end:] if end > 1 else octets
            if end > 1:
                return decode(octets[:end], "1.2")

    def until(self, receipt: str) -> list[Answer]:
        """Everything up to this receipt."""
        answers: list[Answer] = []
        while not answers or answers[-1].headers.get("receipt-id") != receipt:
            answers += self.read()
        return answers[:-1]


class Stream:
    """A destination, who sends there and who takes from there, and what is known of its messages, by number.

    Those that were acknowledged are in `asked`; of these, what was part of a transaction whose commit has a receipt is
    `gone`.
    """

    def __init__(self, destination: str, numbers: Iterator[int], **subscribing: str) -> None:
        self.sent: set[int] = set()
        self.confirmed: set[int] = set()
        self.asked: set[int] = set()
        self.gone: set[int] = set()
        self.groups: list[range] = []
        self.complaints: list[str] = []
        self.destination = destination
        self._subscribing = subscribing
        self._numbers = numbers

    def message(self, **headers: Any) -> tuple[int, bytes]:
        number = next(self._numbers)
        self.sent.add(number)
        return number, send(self.destination, body_of(number), persistent="true", receipt=number, **headers)

    def subscription(self, **headers: str) -> bytes:
        more = {"id": "s", "destination": self.destination, "ack": "client-individual", **self._subscribing}
        return frame("SUBSCRIBE", {**more, **headers})

    def _number(self, answer: Answer) -> int:
        assert answer.command == "MESSAGE", answer
        number = number_of(answer.body)
        if answer.body != body_of(number):
            self.complaints.append(f"{number} is not what was sent")
        return number

    # -- work, until the broker is gone ----------------------------------------------------------------------

    def send(self, port: int, chance: random.Random, fuse: Fuse) -> None:
        with Connection(port) as connection:
            fuse.join(id(self))
            waiting, burst = 0, chance.choice((5, WINDOW))
            while True:
                out = []
                while waiting < burst:
                    out.append(self.message()[1])
                    waiting += 1
                    fuse.step()
                connection.tell(*out)
                for answer in connection.read():
                    self.confirmed.add(int(answer["receipt-id"]))
                    waiting -= 1

    def take(self, port: int, chance: random.Random, fuse: Fuse) -> None:
        with Connection(port) as connection:
            fuse.join(-id(self))
            connection.tell(self.subscription(**{"prefetch-count": str(PREFETCH)}))
            out: list[bytes] = []
            accepted: list[int] = []
            committed: dict[str, list[int]] = {}
            names = count()
            while True:
                for answer in connection.read():
                    if answer.command == "RECEIPT":
                        self.gone.update(committed.pop(answer["receipt-id"]))
                        continue
                    accept = chance.random() < 0.95
                    out.append(self._settle(answer, accept))
                    accepted += [number_of(answer.body)] if accept else []
                    fuse.step()
                if chance.random() < 0.5:
                    connection.tell(*[each.replace(b"\ntransaction:t", b"") for each in out])
                elif len(out) > PREFETCH // 2 or chance.random() < 0.7:
                    committed[name := f"commit {next(names)}"] = accepted
                    end = frame("COMMIT", {"transaction": "t", "receipt": name})
                    connection.tell(frame("BEGIN", {"transaction": "t"}), *out, end)
                else:
                    continue
                out, accepted = [], []

    def _settle(self, answer: Answer, accept: bool) -> bytes:
        number = self._number(answer)
        if number in self.asked:
            self.complaints.append(f"{number} was delivered after it had been acknowledged")
        if accept:
            self.asked.add(number)
        return frame("ACK" if accept else "NACK", {"id": answer["ack"], "transaction": "t"})

    def group(self, port: int, chance: random.Random, fuse: Fuse) -> None:
        """Transactions of three messages."""
        with Connection(port) as connection:
            fuse.join(id(self))
            while True:
                out = []
                for _ in range(GROUP):
                    last, octets = self.message(transaction="t")
                    out.append(octets)
                    fuse.step()
                self.groups.append(range(last - GROUP + 1, last + 1))
                end = frame("COMMIT", {"transaction": "t", "receipt": "commit"})
                connection.tell(frame("BEGIN", {"transaction": "t"}), *out, end)
                connection.until("commit")
                self.confirmed.update(self.groups[-1])

    # -- afterwards ------------------------------------------------------------------------------------------

    def look(self, port: int, verdict: Verdict, share: float) -> set[int]:
        """Compare all there is with what was promised, and acknowledge a share of it; what there was."""
        with Connection(port) as connection:
            last, found = self._read(connection, verdict)
            taken = sorted(found)[: int(len(found) * share)]
            connection.tell(*[frame("ACK", {"id": found[number]}) for number in taken])
            connection.tell(frame("DISCONNECT", {"receipt": "bye"}))
            connection.until("bye")
        for kind, wrong in (
            ("lost", self.confirmed - self.asked - found.keys()),
            ("returned", found.keys() & self.gone),
            ("invented", found.keys() - self.sent),
        ):
            for number in sorted(wrong):
                verdict.complain(kind, f"{number} of {self.destination}")
        for complaint in self.complaints:
            verdict.complain("wrong", complaint)
        self.complaints.clear()
        verdict.recovered += len(found) - 1
        self.sent, self.confirmed = set(found), set(found)
        self.asked, self.gone = set(taken), set()
        return found.keys() - {last}

    def _read(self, connection: Connection, verdict: Verdict) -> tuple[int, dict[int, str]]:
        """Every message there is, up to one of its own: that one, and the names for their acknowledgement."""
        last, octets = self.message()
        connection.tell(octets)
        connection.until(str(last))
        self.confirmed.add(last)
        connection.tell(self.subscription())
        found: dict[int, str] = {}
        while last not in found:
            for answer in connection.read():
                number = self._number(answer)
                if number in found:
                    verdict.complain("doubled", f"{number} of {self.destination}")
                found[number] = answer["ack"]
        return last, found


class StompLives(Killing):
    scheme = "stomp"

    def __init__(self, path: Path, seed: int, steps_max: int = 0) -> None:
        super().__init__(path, seed, (STEPS[0], steps_max or STEPS[1]))
        self._numbers = count()
        topic = {"durable": "true", "auto-delete": "false"}
        self._streams = [Stream("/queue/kill", self._numbers), Stream("/topic/kill.t", self._numbers, **topic)]
        self._groups = Stream("/queue/kill.groups", count())

    def set_up(self, port: int) -> None:
        for stream in (*self._streams, self._groups):
            with Connection(port) as connection:
                connection.tell(stream.subscription(receipt="subscribed"))
                connection.until("subscribed")

    def look_at(self, port: int) -> Verdict:
        verdict = Verdict()
        chance = self.chance("look")
        for stream in self._streams:
            stream.look(port, verdict, chance.choice((0, 0, 1, chance.random())))
        found = self._groups.look(port, verdict, 1)
        for group in self._groups.groups:
            if 0 < len(found.intersection(group)) < GROUP:
                verdict.complain("torn", f"{group} of {found.intersection(group)}")
        self._groups.groups.clear()
        return verdict

    def work(self, port: int, process: Process) -> None:
        chance = self.chance()
        works = [self._groups.group, *[work for stream in self._streams for work in (stream.send, stream.take)]]
        fuse = Fuse(self.steps(chance), process.process.kill, len(works))
        with ThreadPoolExecutor(len(works)) as threads:
            chances = [random.Random(chance.getrandbits(64)) for _ in works]
            runs = [threads.submit(until_gone, work, port, one, fuse) for work, one in zip(works, chances, strict=True)]
            burnt = fuse.burnt.wait(DEADLINE_SECONDS)
            process.process.kill()
            for run in runs:
                run.result()
        assert burnt, f"the load took less than {fuse.at} steps"
        for stream in (*self._streams, self._groups):
            self.totals["confirmed"] += len(stream.confirmed)
            self.totals["acked"] += len(stream.gone)
