"""One run over STOMP: hostile clients that come and go beside a calm one, and what must hold whatever they say.

- CONNECTED comes first and once, an ERROR frame that ends the connection last, and RECEIPTs in the order asked for.
- No exception leaves a session, nor reaches the safety net within it.
- What is kept of unfinished input, of heads of frames, subscriptions and transactions is bounded.
- The calm client is served as if it were alone.
- A broker that starts on what was written finds the same messages in the same queues.
- With everybody gone nothing is unsettled; with the queues gone nothing is held.
- In any chunking the same octets have the same answers and leave the same things behind (`check_chunking`).
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from tests.core.kept import fold
from tests.fuzz.cases import Step, reads, steps_of
from tests.fuzz.hunting import smallest
from tests.fuzz.stomp_traffic import SESSION, conversation, spoiled
from tests.protocols.memory import assert_balanced, assert_empty_after_all, chunkings, make_node
from tests.protocols.stomp.memory import Client, commands, decode, frame, send

from menura.core.node import Node
from menura.core.run import Run
from menura.protocols.stomp.limits import StompLimits
from menura.store.memory import MemoryCatalog, MemoryJournal

LIMITS = StompLimits(
    frame_bytes_max=3000, head_bytes_max=700, connect_bytes_max=300, header_count_max=12, header_bytes_max=400,
    transactions_max=2, transaction_frames_max=20, subscriptions_max=3, output_bytes_max=4000, sends_max=4,
)  # fmt: skip
VERSIONS = ("1.0", "1.1", "1.2")
CALM = "/queue/calm-7b1e"


class Case(NamedTuple):
    """All that a run depends on."""

    journal: bool
    watermark_bytes: int
    steps: list[Step]


def make_case(seed: int) -> Case:
    chance = Random(seed)
    waiting: list[tuple[int, list[bytes]]] = []
    for number in range(chance.choice((2, 4, 6))):
        frames = conversation(chance, chance.choice(VERSIONS))
        frames = spoiled(chance, frames, 0 if chance.random() < 0.2 else 1)
        waiting.append((number, reads(chance, frames)))
    steps = steps_of(chance, waiting)
    return Case(chance.random() < 0.5, chance.choice((0, 0, 1000, 20_000)), steps)


class Hostile:
    """A session, and the rules for what it says."""

    def __init__(self, node: Node, now: float) -> None:
        self.client = Client(node, limits=LIMITS, now=now)
        self.greeted = self.over = False

    def feed(self, read: bytes) -> None:
        session = self.client.session
        read = read.replace(SESSION, session.id.encode() or SESSION)
        self.client.feed(read)
        # One that is stalled is not read from; what this has it read all the same stays where it is.
        most = LIMITS.frame_bytes_max + len(read)
        assert len(session.unread) <= most or session.stalled, "too much unfinished input"
        assert len(session.heads) <= LIMITS.sends_max
        assert len(session.targets) <= LIMITS.sends_max
        assert len(session.subscriptions) <= LIMITS.subscriptions_max + 1  # replies have one of their own
        assert len(session.transactions._open) <= LIMITS.transactions_max
        assert sum(map(len, session.output.pieces)) == session.output.size_bytes

    def hear(self) -> None:
        session = self.client.session
        for answer in decode(session.flush(), session.dialect.version or "1.2"):
            assert not self.over, f"{answer.command} after the end"
            assert self.greeted or answer.command in ("CONNECTED", "ERROR"), answer
            assert not self.greeted or answer.command != "CONNECTED"
            self.greeted = True
            self.over = answer.command == "ERROR" and answer.headers["message"] != "Server cancelled subscription"
        assert not self.over or session.finished


class World:
    def __init__(self, case: Case) -> None:
        self.journal = MemoryJournal() if case.journal else None
        self.catalog = MemoryCatalog()
        self.node = make_node(self.journal, self.catalog, watermark_bytes=case.watermark_bytes)
        self.hostiles: dict[int, Hostile] = {}
        self.now = 100.0

    def flush(self) -> None:
        if self.journal is not None:
            self.catalog.flush()
            self.journal.flush()

    def take(self, step: Step) -> None:
        hostile = self.hostiles.get(step.client)
        if hostile is None:
            hostile = self.hostiles[step.client] = Hostile(self.node, self.now)
        session = hostile.client.session
        self.now += step.seconds
        session.congested = step.congested
        if not session.finished:
            hostile.feed(step.read)
        if step.durable:
            self.flush()
        for each in self.hostiles.values():
            if step.seconds:
                each.client.session.tick(self.now)
            if step.flush:
                each.hear()
                if each.client.session.writable:
                    each.client.session.resume()
            assert not each.client.defects, each.client.defects
        if step.lost:
            session.lost()
            assert not hostile.client.defects, hostile.client.defects


def run(case: Case) -> None:
    """Raises whatever went wrong."""
    world = World(case)
    node = world.node
    calm = Client(node).connect()
    calm.feed(frame("SUBSCRIBE", {"destination": CALM, "id": "1"}))

    def tell(blocked: bool) -> None:
        if not blocked:
            for client in (calm, *[each.client for each in world.hostiles.values()]):
                client.session.unblock()

    node.memory.on_change.append(tell)
    for number, step in enumerate(case.steps):
        world.take(step)
        if number % 16 == 0:
            _check_calm(calm, world)
    for hostile in world.hostiles.values():
        hostile.client.session.congested = False
        hostile.client.session.resume()
        world.flush()
        hostile.hear()
        hostile.client.session.lost()
        assert not hostile.client.defects, hostile.client.defects
    _check_calm(calm, world)
    calm.session.lost()
    world.flush()
    assert_balanced(node)
    if world.journal is not None:
        again = Node(bytes)
        again.keep(world.catalog, world.journal, fold(world.catalog.changes))
        assert _kept(again) == _kept(node), "another state after a restart"
        node.keeper.catalog, node.keeper.journal = world.catalog, world.journal  # type: ignore[union-attr]
    world.flush()
    if node.keeper is not None:
        node.keeper.weigh()
    assert_empty_after_all(node)


def _kept(node: Node) -> dict[str, int]:
    """How many persistent messages wait in each durable queue."""
    kept = {}
    for queue in node.vhosts["/"].queues.values():
        waiting = [run for _, run, *_ in queue.places]
        if queue.durable:
            kept[queue.name] = sum(len(run) for run in waiting if not isinstance(run, Run) or run.persistent)
    return kept


def _check_calm(calm: Client, world: World) -> None:
    """Sent, delivered, receipted: as ever."""
    calm.feed(send(CALM, b"calm", receipt="r"))
    calm.session.unblock()
    world.flush()
    answers = calm.take()
    world.flush()
    answers += calm.take()
    assert sorted(commands(answers)) == ["MESSAGE", "RECEIPT"], answers


def check(seed: int) -> None:
    """Run the case of a seed; fails with what reproduces it."""
    case = make_case(seed)
    try:
        run(case)
    except Exception as error:
        print(f"MENURA_FUZZ_SEED={seed} fails: {type(error).__name__}: {error}")
        small = smallest(case.steps, lambda steps: run(case._replace(steps=steps)))
        lines = "\n".join(f"    {step!r}," for step in small)
        raise AssertionError(
            f"{type(error).__name__}: {error}\nMENURA_FUZZ_SEED={seed} repeats it; minimised:\n"
            f"run(Case({case.journal}, {case.watermark_bytes}, [\n{lines}\n]))"
        ) from error


# -- chunking ------------------------------------------------------------------------------------------------


def outcome(pieces: list[bytes]) -> tuple[object, ...]:
    """The answers, what a subscriber elsewhere got, and what is left behind."""
    node = make_node()
    other = Client(node).connect()
    other.subscribe("/topic/#", "t")
    other.subscribe("/exchange/amq.fanout", "f")
    client = Client(node, limits=LIMITS)
    said = b""
    for piece in pieces:
        client.feed(piece)
        said += client.session.flush()
        while client.session.stalled:
            client.session.resume()
            said += client.session.flush()
    state = client.session.finished, client.session.closing, len(client.session.subscriptions)
    delivered = other.session.flush()
    client.session.lost()
    assert_balanced(node)
    kept = {queue.name: (queue.ready_count, queue.published) for queue in node.vhosts["/"].queues.values()}
    other.session.lost()
    assert_empty_after_all(node)
    return said, delivered, state, kept, client.log


def check_chunking(seed: int) -> None:
    """The conversation of a seed, spoiled or not, in many chunkings."""
    chance = Random(seed)
    frames = conversation(chance, chance.choice(VERSIONS), quiet=True)
    octets = b"".join(spoiled(chance, frames, 1))
    expected = outcome([octets])
    assert isinstance(expected[0], bytes)
    if b"\nMESSAGE\n" in expected[0]:
        return  # spoiled so that it is a subscriber of itself, whose receipts and messages have no order
    cuts = [(f"at {at}", [octets[:at], octets[at:]]) for at in range(1, len(octets))] if len(octets) < 250 else []
    for how, pieces in (*chunkings(octets, seed), *cuts):
        assert outcome(pieces) == expected, f"MENURA_FUZZ_SEED={seed}, cut {how}: {octets!r}"
