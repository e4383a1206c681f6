"""Any octets in any chunking: the same answers, no defect, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from tests.protocols.mqtt.peer import V3_1, V3_1_1, V5, Packets, Peer, connect, make_node, publish, subscribe
from tests.protocols.mqtt.traffic import conversation, pieces, spoiled

from menura.core.node import Node
from menura.store.memory import MemoryCatalog, MemoryJournal

SEEDS = range(40)
CASES = 12


def said(octets: bytes, parts: list[bytes], version: int) -> tuple[bytes, bool]:
    """What a broker says to these octets in all, with another client subscribed to everything."""
    node = make_node()
    watcher = Peer(node).connect("watcher")
    watcher.subscribe(("#", 2))
    peer = Peer(node)
    peer.packets.version = version
    for part in parts:
        peer.feed(part)
    return peer.session.flush(), peer.session.finished


@pytest.mark.parametrize("version", [V3_1, V3_1_1, V5])
@pytest.mark.parametrize("seed", range(20))
def test_the_answers_do_not_depend_on_the_reads(seed: int, version: int) -> None:
    chance = Random(seed)
    octets = b"".join(conversation(chance, version))
    expected = said(octets, [octets], version)
    for _ in range(4):
        got = said(octets, pieces(chance, octets), version)
        assert (sorted(got[0]), got[1]) == (sorted(expected[0]), expected[1]), f"seed {seed}"


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_a_client_says_harms_others_or_stays(seed: int) -> None:
    chance = Random(seed)
    for case in range(CASES):
        print(f"seed {seed}, case {case}")
        _one(chance)


def _one(chance: Random) -> None:
    journal = MemoryJournal() if chance.random() < 0.5 else None
    catalog = MemoryCatalog()
    node = make_node(journal, catalog)

    def flush() -> None:
        if journal is not None:
            catalog.flush()
            journal.flush()

    hostile = []
    for _ in range(2):
        version = chance.choice((V3_1, V3_1_1, V5))
        peer = Peer(node)
        peer.packets = Packets(version)
        octets = spoiled(chance, b"".join(conversation(chance, version)))
        hostile.append((peer, pieces(chance, octets)))
    waiting = list(hostile)
    while waiting:
        peer, parts = chance.choice(waiting)
        if not parts:
            waiting.remove((peer, parts))
            continue
        peer.feed(parts.pop(0))
        if chance.random() < 0.2:
            flush()
        if chance.random() < 0.5:
            _hear(peer)
        if chance.random() < 0.02:
            peer.session.congested = not peer.session.congested
            peer.session.resume()
        if chance.random() < 0.05:
            for each, _ in hostile:
                each.tick(0.5)
        if peer.session.finished:
            peer.lose()
            parts.clear()
        assert len(peer.session.unread) <= 300_000
    _serve(node, flush)
    for peer, _ in hostile:
        peer.lose()
    flush()
    _empty(node)


def _hear(peer: Peer) -> None:
    octets = peer.session.flush()
    if peer.session.version == peer.packets.version:
        peer.packets.feed(octets)


def _serve(node: Node, flush: Callable[[], None]) -> None:
    """A calm client is served as if it were alone."""
    calm = Peer(node)
    calm.version = calm.packets.version = V5
    calm.feed(connect("calm"), subscribe(("calm", 1)), publish("calm", b"x", 1, 9))
    flush()
    answers = calm.take()
    assert sorted(each.name for each in answers) == ["CONNACK", "PUBACK", "PUBLISH", "SUBACK"], answers
    calm.lose()


def _empty(node: Node) -> None:
    """With the clients gone and the queues deleted nothing is held."""
    vhost = node.vhosts["/"]
    clients = list(vhost.attached.get("mqtt", {}).values())
    for client in clients:
        assert client.session is None
        assert not client.ids.inflight
        assert client.persistent
    for client in clients:
        client.end()
    assert not [name for name in vhost.queues if name.startswith(("mqtt", "$share"))]
    retained = vhost.retained
    for run in list(retained.match("#")):
        retained.drop(run.route.key)
    assert retained.count == 0
    for queue in list(vhost.queues.values()):
        assert (queue.unsettled_count, queue.unsettled_bytes, queue.ready_count) == (0, 0, 0), queue.name
        vhost.remove_queue(queue)
    assert node.keeper is None or node.keeper.journal.durable == node.keeper.appended
    if node.keeper is not None:
        node.keeper.weigh()
    assert node.memory.used_bytes == 0
