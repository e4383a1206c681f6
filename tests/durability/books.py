"""What a client knows about its messages, and what must therefore be there after a crash.

Each worker of a load keeps `Notes` for one life of the broker: what it published and what was confirmed, what it was
delivered and what it settled. `Books` goes through all lives of one data directory. After each it says which messages
of a queue must be there and which may be, compares that with what is there, and takes what it found as the truth for
the next life: what has survived once may not get lost later, and what was missing may not come back.

Messages are known by a number that is used once. Time is an order, not a clock: a settlement or a delivery that a
worker saw before it published a persistent message that was confirmed later is *certain*, as whatever happened before
is written along with a message. What a confirm does not vouch for may have happened or not.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


class Sent(NamedTuple):
    """A message as it was published, by `worker` to each of `queues`; `kept` if it is to outlive the broker."""

    number: int
    worker: int
    queues: tuple[str, ...]
    kept: bool


class Found(NamedTuple):
    """A message as it came out of a queue after a restart; `whole` if it is what was published."""

    number: int
    redelivered: bool
    whole: bool


@dataclass
class Group:
    """What one transaction publishes and settles, as (queue, number)."""

    published: list[tuple[str, int]] = field(default_factory=list)
    settled: list[tuple[str, int]] = field(default_factory=list)
    committed: bool = False


class Notes:
    """What one worker did in one life, each with the moment (a count of its own) at which it did or saw it."""

    def __init__(self, worker: int) -> None:
        self.worker = worker
        self.moment = 0
        self.sent: dict[int, Sent] = {}
        self.confirmed: set[int] = set()
        self.delivered: dict[tuple[str, int], int] = {}
        self.settled: dict[tuple[str, int], int] = {}
        self.certain = -1
        """The last moment of which all that was before is certain."""
        self.groups: list[Group] = []
        self.complaints: list[str] = []
        self._sent_at: dict[int, int] = {}

    def publishes(self, number: int, queues: tuple[str, ...], kept: bool) -> None:
        self.moment += 1
        self.sent[number] = Sent(number, self.worker, queues, kept)
        if kept and queues:
            self._sent_at[number] = self.moment

    def confirms(self, number: int) -> None:
        self.confirmed.add(number)
        self.certain = max(self.certain, self._sent_at.get(number, -1))

    def receives(self, queue: str, number: int, redelivered: bool) -> None:
        self.moment += 1
        if (queue, number) in self.settled:
            self.complaints.append(f"{number} of {queue} was delivered after it had been settled")
        if (queue, number) in self.delivered and not redelivered:
            self.complaints.append(f"{number} of {queue} was delivered again and did not say so")
        self.delivered[queue, number] = self.moment

    def settles(self, queue: str, number: int) -> None:
        self.moment += 1
        self.settled[queue, number] = self.moment

    def begins(self) -> Group:
        self.groups.append(Group())
        return self.groups[-1]


@dataclass
class Verdict:
    """What a comparison found wrong: sentences, counted by kind."""

    recovered: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    sentences: list[str] = field(default_factory=list)

    def complain(self, kind: str, sentence: str) -> None:
        self.counts[kind] += 1
        self.sentences.append(f"{kind}: {sentence}")


@dataclass
class Expected:
    """What a queue must and may have; of the numbers, those that must be flagged as redelivered, or must not be."""

    must: set[int] = field(default_factory=set)
    may: set[int] = field(default_factory=set)
    flagged: set[int] = field(default_factory=set)
    fresh: set[int] = field(default_factory=set)


class Books:
    """All lives of one data directory. From `idle` queues nobody takes anything but between two lives."""

    def __init__(self, queues: tuple[str, ...], idle: frozenset[str]) -> None:
        self.idle = idle
        self._sent: dict[int, Sent] = {}
        self._there: dict[str, dict[int, bool]] = {queue: {} for queue in queues}  # number: delivered for certain
        self._highest = -1

    def compare(self, life: list[Notes], found: dict[str, list[Found]]) -> Verdict:
        """Say what is wrong with what was found after a life, and go on from it."""
        verdict = Verdict()
        for queue, expected in self._expected(life).items():
            self._compare_queue(queue, expected, found[queue], verdict)
            self._there[queue] = {each.number: each.number in expected.flagged for each in found[queue]}
        for notes in life:
            for complaint in notes.complaints:
                verdict.complain("live", complaint)
            if notes.groups and not notes.groups[-1].committed:
                self._compare_group(notes.groups[-1], verdict)
        there = {number for numbers in self._there.values() for number in numbers}
        self._sent = {number: self._sent[number] for number in there if number in self._sent}
        return verdict

    def _expected(self, life: list[Notes]) -> dict[str, Expected]:
        """What there must be in each queue after the broker was killed."""
        expected = {}
        for queue, there in self._there.items():
            flagged = {number for number, delivered in there.items() if delivered}
            expected[queue] = Expected(set(there), set(there), flagged)
        for notes in life:
            self._sent |= notes.sent
            self._highest = max(self._highest, *notes.sent, 0)
            for sent in notes.sent.values():
                self._expect(expected, sent, sent.number in notes.confirmed)
        for notes in life:
            for (queue, number), moment in notes.settled.items():
                expected[queue].must.discard(number)
                if moment < notes.certain:
                    expected[queue].may.discard(number)
            for (queue, number), moment in notes.delivered.items():
                expected[queue].fresh.discard(number)
                if moment < notes.certain:
                    expected[queue].flagged.add(number)
        return expected

    def _expect(self, expected: dict[str, Expected], sent: Sent, confirmed: bool) -> None:
        for queue in sent.queues if sent.kept else ():
            expected[queue].may.add(sent.number)
            if confirmed:
                expected[queue].must.add(sent.number)
            if queue in self.idle:
                expected[queue].fresh.add(sent.number)

    def _compare_queue(self, queue: str, expected: Expected, found: list[Found], verdict: Verdict) -> None:
        numbers = [each.number for each in found]
        verdict.recovered += len(numbers)
        for number in sorted(expected.must.difference(numbers)):
            verdict.complain("lost", f"{number} of {queue}")
        for number, times in Counter(numbers).items():
            if times > 1:
                verdict.complain("doubled", f"{number} of {queue}, {times} times")
        last: dict[int, int] = {}
        for number, redelivered, whole in found:
            sent = self._sent.get(number)
            if not whole or number > self._highest or (sent and queue not in sent.queues):
                verdict.complain("invented", f"{number} of {queue}, published as {sent}, whole: {whole}")
                continue
            if sent is None or number not in expected.may:
                verdict.complain("returned", f"{number} of {queue}, {sent}")
                continue
            if number < last.get(sent.worker, -1):
                verdict.complain("disordered", f"{number} of {queue} comes after {last[sent.worker]}")
            last[sent.worker] = number
            if number in expected.flagged and not redelivered:
                verdict.complain("unflagged", f"{number} of {queue} was delivered before and does not say so")
            if number in expected.fresh and redelivered:
                verdict.complain("flagged", f"{number} of {queue} was never delivered and says it was")

    def _compare_group(self, group: Group, verdict: Verdict) -> None:
        """A transaction whose commit was not answered has happened as a whole or not at all."""
        done = {number in self._there[queue] for queue, number in group.published}
        done |= {number not in self._there[queue] for queue, number in group.settled}
        if len(done) > 1:
            verdict.complain("torn", f"{group}")
