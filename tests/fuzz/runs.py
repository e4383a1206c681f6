"""One run: hostile clients and a calm one on the same node, and what must hold whatever they say.

- Only frames come out, on channels that are open, and nothing after connection.close but close-ok and heartbeats.
- No exception leaves a session, nor reaches the safety net within it.
- What is kept of unfinished input is bounded.
- The calm client is served as if it were alone.
- With everybody gone nothing is unsettled; with the queues gone nothing is held.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from tests.fuzz.cases import Step, reads
from tests.fuzz.hunting import failure, smallest
from tests.fuzz.traffic import FRAME_MAX, conversation, frames_of, spoiled
from tests.protocols.amqp.memory import (
    HEADER,
    Basic,
    Client,
    Queue,
    method,
    names,
    publish,
)
from tests.protocols.memory import assert_balanced, assert_empty_after_all, make_node

from menura.core.peers import Peer
from menura.protocols.amqp.limits import AmqpLimits
from menura.protocols.amqp.session import Session
from menura.protocols.amqp.wire import decode_method
from menura.store.memory import MemoryCatalog, MemoryJournal

MESSAGE_BYTES_MAX = 50_000
CALM = "calm-7b1e"
# What may be kept of input that is not yet a frame: a frame, and a read.
UNREAD_BYTES_MAX = 131_072 + 8


class Case(NamedTuple):
    """All that a run depends on."""

    journal: bool
    watermark_bytes: int
    steps: list[Step]


def make_case(seed: int) -> Case:
    chance = Random(seed)
    queues: list[list[bytes]] = []
    for _ in range(2):
        frames = conversation(chance)
        first = 0 if chance.random() < 0.1 else 4 if chance.random() < 0.2 else 9
        frames = spoiled(chance, frames, first)
        if chance.random() < 0.02:
            frames = [HEADER, chance.randbytes(2000)] if chance.random() < 0.5 else [chance.randbytes(2000)]
        queues.append(reads(chance, frames))
    steps = []
    patient = chance.random() < 0.5
    while queues[0] or queues[1]:
        at = chance.randrange(2)
        if not queues[at]:
            at = 1 - at
        quiet = patient or chance.random() < 0.9
        steps.append(
            Step(
                at,
                queues[at].pop(0),
                0.0 if quiet else chance.choice((0.5, 1.0, 4.0)),
                quiet or chance.random() < 0.5,
                not quiet and chance.random() < 0.3,
                quiet or chance.random() < 0.5,
            )
        )
    return Case(chance.random() < 0.5, chance.choice((0, 0, 1000, 20_000)), steps)


class Hostile:
    """A session, and the rules for what it says."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.unheard = b""
        self.unsent = b""
        self.over = False
        self.closed: set[int] = set()
        self.greeted = False

    @property
    def session(self) -> Session:
        return self.client.session

    def say(self, octets: bytes) -> int:
        """As far as it is read from; how much has been sent now."""
        self.unsent += octets
        if self.session.closing or self.session.throttle.blocked:
            return 0
        octets, self.unsent = self.unsent, b""
        self.client.feed(octets)
        return len(octets)

    def hear(self, octets: bytes) -> None:
        octets = self.unheard + octets
        if not self.greeted and octets.startswith(b"AMQP"):
            assert octets == HEADER
            assert self.session.closing
            return
        at = 0
        while len(octets) - at >= 8:
            size = int.from_bytes(octets[at + 3 : at + 7], "big")
            if at + size + 8 > len(octets):
                break
            self.greeted = True
            kind, channel = octets[at], int.from_bytes(octets[at + 1 : at + 3], "big")
            assert octets[at + size + 7] == 0xCE, "an end octet"
            self._frame(kind, channel, octets[at + 7 : at + size + 7])
            at += size + 8
        self.unheard = octets[at:]

    def _frame(self, kind: int, channel: int, payload: bytes) -> None:
        assert kind in (1, 2, 3, 8), f"frame of type {kind}"
        name = decode_method(payload)[1].name if kind == 1 else ""
        assert not self.over or kind == 8 or name == "connection.close-ok", f"{name or kind} after the end"
        assert channel not in self.closed or name in ("channel.close-ok", "channel.open-ok"), f"{name} on {channel}"
        if name in ("connection.close", "connection.close-ok"):
            self.over = True
        elif name == "channel.close":
            self.closed.add(channel)
        elif name == "channel.open-ok":
            self.closed.discard(channel)
        if kind == 3:
            assert len(payload) + 8 <= max(self.session.frame_bytes_max, FRAME_MAX)


def run(case: Case) -> None:
    """Raises whatever went wrong."""
    journal = MemoryJournal() if case.journal else None
    catalog = MemoryCatalog()
    node = make_node(journal=journal, catalog=catalog, watermark_bytes=case.watermark_bytes)
    catalog.flush()
    calm = Client(node).connect()
    calm.declare(CALM, exclusive=True)
    calm.consume(CALM, no_ack=True)
    limits = AmqpLimits(message_bytes_max=MESSAGE_BYTES_MAX, output_bytes_max=20_000)
    hostiles = [Hostile(Client(node, limits, Peer(f"hostile {number}"))) for number in range(2)]

    def tell(blocked: bool) -> None:
        if not blocked:
            for client in (calm, *[hostile.client for hostile in hostiles]):
                client.session.unblock()

    node.memory.on_change.append(tell)
    now = calm.now
    for number, step in enumerate(case.steps):
        hostile = hostiles[step.client]
        session = hostile.session
        now += step.seconds
        session.congested = step.congested
        sent_bytes = hostile.say(step.read)
        if sent_bytes:
            held = session.unread_bytes if session.unread else 0
            assert held <= UNREAD_BYTES_MAX + sent_bytes, "too much unfinished input"
        node.agenda.tick(now)
        if journal is not None and step.durable:
            catalog.flush()
            journal.flush()
        for each in hostiles:
            if step.seconds:
                each.session.tick(now)
            if step.flush:
                each.hear(each.session.flush())
                if each.session.writable:
                    each.session.resume()
        if number % 16 == 0:
            node.memory.set_watermark(0)
            node.agenda.tick(now)
            _check_calm(calm)
            node.memory.set_watermark(case.watermark_bytes)
    node.memory.set_watermark(0)
    node.agenda.tick(now)
    for hostile in hostiles:
        hostile.say(b"")
        hostile.session.congested = False
        hostile.session.resume()
        hostile.hear(hostile.session.flush())
    _check_calm(calm)
    assert_balanced(node)
    for hostile in hostiles:
        hostile.session.lost()
        assert not hostile.client.defects, hostile.client.defects
    _check_calm(calm)
    calm.session.lost()
    assert_empty_after_all(node)


def _check_calm(calm: Client) -> None:
    """Published, delivered, answered: as ever."""
    calm.send(publish(CALM, b"calm"))
    (declared,) = [a for a in calm.send(method(Queue.Declare(0, CALM, passive=True))) if a.name == "Queue.DeclareOk"]
    assert (declared.message_count, declared.consumer_count) == (0, 1)
    assert calm.call(Basic.Qos()).name == "Basic.QosOk"
    assert names(calm.take()) == []


def minimised(case: Case) -> Case:
    """A smaller case that fails in the same way: frame by frame where it does so, with fewer and shorter reads."""

    def run_steps(steps: list[Step]) -> None:
        run(case._replace(steps=steps))

    steps = case.steps
    whole = [step._replace(read=frame) for step in steps for frame in frames_of(step.read)]
    if failure(lambda: run_steps(whole)) == failure(lambda: run_steps(steps)):
        steps = whole
    return case._replace(steps=smallest(steps, run_steps, 10_000))


def check(seed: int) -> None:
    """Run the case of a seed; fails with what reproduces it."""
    case = make_case(seed)
    try:
        run(case)
    except Exception as error:
        small = minimised(case)
        lines = "\n".join(f"    {step!r}," for step in small.steps)
        raise AssertionError(
            f"{type(error).__name__}: {error}\nMENURA_FUZZ_SEED={seed} repeats it; minimised:\n"
            f"run(Case({small.journal}, {small.watermark_bytes}, [\n{lines}\n]))"
        ) from error
