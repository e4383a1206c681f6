"""One run over MQTT: hostile clients that come and go beside a calm one, and what must hold whatever they say.

- Only packets come out that the client's version knows, none before CONNACK and none after DISCONNECT, and none longer
  than the client takes.
- No exception leaves a session, nor reaches the safety net within it.
- What is kept of unfinished input, topics, aliases and identifiers is bounded.
- The calm client is served as if it were alone.
- A broker that starts on what was written finds the same sessions, and the same retained messages.
- With everybody gone and forgotten nothing is unsettled and nothing is held.
- In any chunking the same octets have the same answers and leave the same things behind (`check_chunking`).
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import pytest
from tests.fuzz.cases import Step, reads, steps_of
from tests.fuzz.hunting import smallest
from tests.fuzz.mqtt_traffic import conversation, spoiled
from tests.protocols.memory import assert_balanced, chunkings, make_node
from tests.protocols.mqtt.peer import V3_1, V3_1_1, V5, Packets, Peer, connect, publish, subscribe

from menura.core.node import Node
from menura.core.queue import Queue
from menura.core.run import Run
from menura.protocols.mqtt import delivery
from menura.protocols.mqtt.client import clients_of
from menura.protocols.mqtt.identifiers import OWN_IDS
from menura.protocols.mqtt.limits import MqttLimits
from menura.store.memory import MemoryCatalog, MemoryJournal

LIMITS = MqttLimits(
    connect_bytes_max=3000, packet_bytes_max=20_000, receive_max=4, inflight_max=6, topic_aliases_max=2,
    subscriptions_max=6, output_bytes_max=5000, topics_max=4, keep_alive_seconds_max=3,
)  # fmt: skip
VERSIONS = (V3_1, V3_1_1, V5, V5)


class Case(NamedTuple):
    """All that a run depends on."""

    journal: bool
    watermark_bytes: int
    own_ids: int
    steps: list[Step]


def make_case(seed: int) -> Case:
    chance = Random(seed)
    waiting: list[tuple[int, list[bytes]]] = []
    for number in range(chance.choice((2, 4, 6))):
        packets = conversation(chance, chance.choice(VERSIONS))
        packets = spoiled(chance, packets, 0 if chance.random() < 0.2 else 1)
        waiting.append((number, reads(chance, packets)))
    steps = steps_of(chance, waiting)
    return Case(chance.random() < 0.5, chance.choice((0, 0, 1000, 20_000)), chance.choice((8, OWN_IDS)), steps)


class Hostile:
    """A session, and the rules for what it says."""

    def __init__(self, node: Node) -> None:
        self.peer = Peer(node, LIMITS)
        self.packets = Packets()
        self.greeted = self.over = False

    def hear(self) -> None:
        session = self.peer.session
        octets = session.flush()
        self.packets.version = session.version or V3_1_1
        for each in self.packets.feed(octets):
            assert not self.over, f"{each.name} after the end"
            assert self.greeted or each.name == "CONNACK", f"{each.name} before CONNACK"
            assert not self.greeted or each.name != "CONNACK", "CONNACK twice"
            self.greeted = True
            assert each.name != "DISCONNECT" or session.version == V5
            self.over = each.name == "DISCONNECT"
            assert session.version == V5 or not each.properties
            assert max(each.properties.get(0x23, [0])) <= session.aliases_max
            assert len(each.topic.encode()) + len(each.payload) <= session.peer_packet_bytes_max

    def check(self, read: bytes) -> None:
        session = self.peer.session
        assert len(session.unread) <= LIMITS.packet_bytes_max + len(read), "too much unfinished input"
        assert len(session.targets) <= LIMITS.topics_max
        assert len(session.aliased) <= LIMITS.topic_aliases_max
        client = session.client
        if client is not None and client.session is session:
            ids = client.ids
            assert len(ids.received) <= LIMITS.receive_max
            assert len(ids.inflight) + len(ids.released) <= 2 * LIMITS.inflight_max
            assert len(client.subscriptions) <= LIMITS.subscriptions_max


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
            hostile = self.hostiles[step.client] = Hostile(self.node)
            hostile.peer.session.tick(self.now)
        session = hostile.peer.session
        self.now += step.seconds
        session.congested = step.congested
        if not session.finished:
            hostile.peer.feed(step.read)
        hostile.check(step.read)
        if step.durable:
            self.flush()
        for each in self.hostiles.values():
            if step.seconds:
                each.peer.session.tick(self.now)
            if step.flush:
                each.hear()
                if each.peer.session.writable:
                    each.peer.session.resume()
            assert not _defects(each.peer)
        if step.lost:
            session.lost()
            assert not _defects(hostile.peer)


def _defects(peer: Peer) -> list[str]:
    return [line for level, line in peer.log if level == "defect"]


def run(case: Case) -> None:
    """Raises whatever went wrong. With few packet identifiers, clients run out of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery, "OWN_IDS", case.own_ids)
        _run(case)


def _run(case: Case) -> None:
    world = World(case)
    node = world.node
    calm = Peer(node)
    calm.feed(_calm_hello())
    world.flush()
    assert [each.name for each in calm.take()] == ["CONNACK", "SUBACK"]

    def tell(blocked: bool) -> None:
        if not blocked:
            for peer in (calm, *[each.peer for each in world.hostiles.values()]):
                peer.session.unblock()

    node.memory.on_change.append(tell)
    for number, step in enumerate(case.steps):
        world.take(step)
        if number % 16 == 0:
            _check_calm(calm, world)
    _check_calm(calm, world)
    for hostile in world.hostiles.values():
        hostile.peer.session.congested = False
        hostile.peer.session.resume()
        world.flush()
        hostile.hear()
        hostile.peer.session.lost()
        assert not _defects(hostile.peer), hostile.peer.log
    _check_calm(calm, world)
    calm.session.lost()
    world.flush()
    assert_balanced(node)
    before = _kept(node)
    if world.journal is not None:
        assert _kept(make_node(world.journal, world.catalog)) == before, "another state after a restart"
    _forget_all(node)


def _calm_hello() -> bytes:
    return connect("calm") + subscribe(("calm-7b1e", 1))


def _check_calm(calm: Peer, world: World) -> None:
    """Published, delivered, answered: as ever."""
    calm.feed(publish("calm-7b1e", b"calm", 1, 9) + b"\xc0\x00")
    calm.session.unblock()
    world.flush()
    answers = calm.take()
    world.flush()
    answers += calm.take()
    assert sorted(each.name for each in answers) == ["PINGRESP", "PUBACK", "PUBLISH"], answers
    (delivered,) = [each for each in answers if each.name == "PUBLISH"]
    assert delivered.payload == b"calm"
    assert not delivered.dup
    calm.feed(b"\x40\x02" + delivered.id.to_bytes(2, "big"))


def _kept(node: Node) -> dict[str, object]:
    """What outlives the process."""
    vhost = node.vhosts["/"]
    kept: dict[str, object] = {}
    for id, client in clients_of(node, vhost).items():
        if client.persistent:
            queue = client.queue
            kept[id] = (
                client.expiry_seconds,
                sorted((each.filter, each.options, each.id) for each in client.subscriptions.values()),
                sorted(client.ids.received),
                sorted(client.ids.released),
                client.ids.kept_will(),
                _kept_count(queue) if queue is not None else None,
            )
    retained = vhost.retained
    kept["retained"] = sorted((run.route.key, run.contents[0]) for run in retained.match("#"))
    return kept


def _kept_count(queue: Queue) -> int:
    """How many messages wait that will outlive the process: all but those of QoS 0."""
    waiting = [run for _, run, *_ in queue.places]
    return sum(len(run) for run in waiting if not isinstance(run, Run) or run.persistent)


def _forget_all(node: Node) -> None:
    """With the clients forgotten and the queues deleted nothing is held."""
    vhost = node.vhosts["/"]
    clients = list(clients_of(node, vhost).values())
    for client in clients:
        assert client.session is None
        assert not client.ids.inflight
        assert client.persistent
        assert client.loose is None
    for client in clients:
        client.end()
    assert not [name for name in vhost.queues if name.startswith(("mqtt", "$share"))]
    retained = vhost.retained
    for each in list(retained.match("#")):
        retained.drop(each.route.key)
    assert retained.count == 0
    for queue in list(vhost.queues.values()):
        assert (queue.unsettled_count, queue.unsettled_bytes, queue.ready_count) == (0, 0, 0), queue.name
        vhost.remove_queue(queue)
    if node.keeper is not None:
        node.keeper.catalog.flush()  # type: ignore[attr-defined]
        node.keeper.journal.flush()  # type: ignore[attr-defined]
        node.keeper.weigh()
    assert node.memory.used_bytes == 0


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
            f"run(Case({case.journal}, {case.watermark_bytes}, {case.own_ids}, [\n{lines}\n]))"
        ) from error


# -- chunking ------------------------------------------------------------------------------------------------


def outcome(pieces: list[bytes]) -> tuple[object, ...]:
    """The answers, what a subscriber elsewhere got, and what is left behind."""
    node = make_node()
    other = Peer(node).connect("other")
    other.subscribe(("#", 2), ("$x/#", 1))
    peer = Peer(node, LIMITS)
    for piece in pieces:
        peer.feed(piece)
    said = peer.session.flush()
    state = peer.session.finished, peer.session.closing, peer.session.leaving, len(peer.session.aliased)
    peer.session.lost()
    delivered = other.session.flush()
    assert_balanced(node)
    kept = _kept(node)
    other.session.lost()
    _forget_all(node)
    return said, delivered, state, kept, peer.log, peer.session.version


def check_chunking(seed: int) -> None:
    """The conversation of a seed, spoiled or not, in many chunkings."""
    chance = Random(seed)
    packets = conversation(chance, chance.choice(VERSIONS), quiet=True)
    octets = b"".join(spoiled(chance, packets, 1))
    expected = outcome([octets])
    if _delivers(expected):
        return  # spoiled so that it is a subscriber of itself, whose answers and messages have no order
    cuts = [(f"at {at}", [octets[:at], octets[at:]]) for at in range(1, len(octets))] if len(octets) < 150 else []
    for how, pieces in (*chunkings(octets, seed), *cuts):
        assert outcome(pieces) == expected, f"MENURA_FUZZ_SEED={seed}, cut {how}: {octets!r}"


def _delivers(found: tuple[object, ...]) -> bool:
    said, version = found[0], found[-1]
    assert isinstance(said, bytes)
    assert isinstance(version, int)
    return any(each.name == "PUBLISH" for each in Packets(version or V3_1_1).feed(said))
