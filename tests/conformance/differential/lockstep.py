"""Two brokers to which the same is said, step by step, and what is found to differ.

Where the protocol and RabbitMQ leave the order open, that is deliveries of several queues to one channel, the two may
number them otherwise, or let another queue use up a limit that they share. Nothing that follows could be compared, so
such a sequence ends there, without a finding. Nor is there one where RabbitMQ breaks down (541).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pamqp.commands import Basic
from tests.conformance.administration import OwnBroker, Rabbitmqctl
from tests.conformance.differential.operations import Operation, Settle
from tests.conformance.differential.peers import Peer, Urls
from tests.conformance.differential.stories import WAIT_SECONDS, Story
from tests.conformance.differential.told import Said

import menura

RABBITMQ = "127.0.0.1", 5672
# What a user may configure, write and read that has not all rights.
RIGHTS = r"^(q[01]|x0|amq\.gen)", r"^(q[02]|x1|amq\.(default|direct|topic))", r"^(q[03]|x[01]|amq\.(direct|fanout))"
LATE_SECONDS = 0.4
BROKEN_DOWN = "Connection.Close(541,"


@dataclass
class Outcome:
    """How far a sequence went, and what differed then."""

    steps: int
    open_order: bool = False
    broken_down: bool = False
    theirs: Sequence[str] = ()
    ours: Sequence[str] = ()

    @property
    def differs(self) -> bool:
        return bool(self.theirs or self.ours)


class Lockstep:
    """Two brokers to which the same is said."""

    def __init__(self, theirs: Urls, ours: Urls) -> None:
        self._peers = Peer(theirs), Peer(ours)
        self._limited: set[Any] = {"queues"}

    def close(self) -> None:
        for peer in self._peers:
            peer.close()

    def run(self, operations: Sequence[Operation], waits: bool) -> Outcome:
        self._limited = {"queues"}
        try:
            for number, operation in enumerate(operations):
                outcome = self._step(number, operation, waits)
                if outcome is not None:
                    return outcome
            return Outcome(len(operations))
        finally:
            for peer in self._peers:
                peer.end()

    def _step(self, number: int, operation: Operation, waits: bool) -> Outcome | None:
        self._say(operation)
        if waits:
            time.sleep(WAIT_SECONDS)
        theirs, ours = (peer.listen() for peer in self._peers)
        if not _same(theirs, ours, Said.strict):
            time.sleep(LATE_SECONDS)
            theirs, ours = (peer.listen() for peer in self._peers)
        if not _same(theirs, ours, Said.strict):
            if self._left_open(theirs, ours):
                return Outcome(number, open_order=True)
            if any(BROKEN_DOWN in line for said in theirs.values() if isinstance(said, Said) for line in said.answers):
                return Outcome(number, broken_down=True)
            return Outcome(number, False, False, *_differing(theirs, ours))
        for peer in self._peers:
            peer.clear()
        return None

    def _say(self, operation: Operation) -> None:
        action = operation.action
        if isinstance(action, Basic.Qos) and action.global_:
            self._limited.add((operation.link, operation.channel))
        for peer in self._peers:
            said: Any = action
            if isinstance(action, Settle):
                said = peer.link(operation.link).resolve(operation.channel, action)
            if said is not None:
                peer.say(operation, said)

    def _left_open(self, theirs: dict[Any, Any], ours: dict[Any, Any]) -> bool:
        """Whether they differ in the order between queues, or in which of them was the first to use up a limit."""
        if _same(theirs, ours, Said.loose):
            return True
        differing = {
            key for key in {*theirs, *ours} if _view(theirs, key, Said.strict) != _view(ours, key, Said.strict)
        }
        return differing <= self._limited and _same(theirs, ours, Said.counted, but="queues")

    def shorten(self, operations: Sequence[Operation], waits: bool) -> list[Operation]:
        """What is left when everything has been left out without which there is a difference still."""
        kept = list(operations)
        size = len(kept) // 2
        while size:
            at = 0
            while at < len(kept):
                without = kept[:at] + kept[at + size :]
                outcome = self.run(without, waits)
                if outcome.differs:
                    kept = without[: outcome.steps + 1]
                else:
                    at += size
            size //= 2
        return kept


def _same(theirs: dict[Any, Any], ours: dict[Any, Any], view: Any, but: Any = None) -> bool:
    return all(_view(theirs, key, view) == _view(ours, key, view) for key in {*theirs, *ours} - {but})


def _view(told: dict[Any, Any], key: Any, view: Any) -> Any:
    return told[key] if key == "queues" else view(told.get(key, Said()))


def _differing(theirs: dict[Any, Any], ours: dict[Any, Any]) -> tuple[list[str], list[str]]:
    """The lines of those channels that were told different things."""
    lines: tuple[list[str], list[str]] = ([], [])
    for key in sorted({*theirs, *ours}, key=str):
        if _view(theirs, key, Said.loose) != _view(ours, key, Said.loose):
            for told, into in zip((theirs, ours), lines, strict=True):
                found = told[key] if key == "queues" else told.get(key, Said()).lines()
                into += [f"{key} {line}" for line in found] or [f"{key} nothing"]
    return lines


def report(seed: int, operations: Sequence[Operation], outcome: Outcome) -> str:
    lines = [f"seed {seed}, after {outcome.steps} operations:", *map(str, operations[: outcome.steps + 1])]
    return "\n".join([*lines, "RabbitMQ:", *outcome.theirs, "Menura:", *outcome.ours])


def find(lockstep: Lockstep, seed: int, flavour: str = "") -> tuple[Outcome, str]:
    """Run the sequence of a seed; what differs, if it does so again and again, as text."""
    story = Story(seed, flavour)
    outcome = lockstep.run(story.operations, story.waits)
    if not outcome.differs:
        return outcome, ""
    again = [lockstep.run(story.operations, story.waits) for _ in range(2)]
    if not all(other.differs for other in again):
        return outcome, ""
    short = lockstep.shorten(story.operations, story.waits)
    final = lockstep.run(short, story.waits)
    return final, report(seed, short if final.differs else story.operations, final if final.differs else outcome)


@contextmanager
def open_lockstep(broker: menura.Broker) -> Iterator[Lockstep]:
    """RabbitMQ and our broker, with a virtual host for this and a user who may not do everything there."""
    name = f"differential-{uuid.uuid4().hex[:8]}"
    rabbitmqctl = Rabbitmqctl()
    try:
        for administration in (rabbitmqctl, OwnBroker(broker)):
            administration.add_vhost(name)
            administration.add_user(name, "secret")
            administration.permit("guest", name, ".*", ".*", ".*")
            administration.permit(name, name, *RIGHTS)
        address = urlsplit(broker.amqp_url)
        places = RABBITMQ, (address.hostname, address.port)
        urls = [
            Urls(*(f"amqp://{who}@{host}:{port}/{name}" for who in ("guest:guest", f"{name}:secret")))
            for host, port in places
        ]
        lockstep = Lockstep(*urls)
        yield lockstep
        lockstep.close()
    finally:
        rabbitmqctl.remove_all()
