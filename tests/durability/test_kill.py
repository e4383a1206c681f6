"""A broker that is killed in the middle of a load has kept all it confirmed (see `killing`).

`python -m tests.durability.kill` does the same a hundred times.
"""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

import pytest
from tests.durability.kill import CLIENTS
from tests.durability.killing import summary
from tests.durability.serving import Serve
from tests.net.peer import Peer, eventually
from tests.protocols.amqp.memory import Basic, Confirm, Queue, ack, publish
from tests.seeds import first_seed
from tests.store.directories import Writer

KILLS = {"raw": 6, "pika": 6, "mqtt": 3, "stomp": 3}


@pytest.mark.parametrize(("client", "kills"), KILLS.items())
def test_kill_after_kill_nothing_confirmed_is_lost_and_nothing_settled_returns(
    client: str, kills: int, tmp_path: Path
) -> None:
    seed = first_seed()
    print(f"seed {seed}")
    lives = CLIENTS[client](tmp_path / "data", seed, 0)
    lives.prepare()
    for _ in range(kills):
        assert lives.live().sentences == []
    assert lives.look().sentences == []
    print(summary(client, lives.totals))
    assert lives.totals["confirmed"] > 0
    assert lives.totals["recovered"] > 0


def test_acknowledgements_that_nothing_follows_reach_the_disk_by_themselves(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "data"
    process = serve(path)
    with Peer(process.port()) as peer:
        peer.connect().call(Queue.Declare(0, "q", durable=True))
        peer.call(Confirm.Select())
        for _ in range(100):
            peer.send(publish("q", delivery_mode=2))
        while peer.expect("Basic.Ack").delivery_tag < 100:
            pass
        copies = (tmp_path / f"before {number}" for number in count())
        eventually(lambda: messages_in(path, next(copies)) == 100, "all of them")
        peer.call(Basic.Consume(0, "q", "c"))
        for tag in range(1, 101):
            assert peer.expect("Basic.Deliver").delivery_tag == tag
        peer.send(ack(100, multiple=True))
        peer.call(Basic.Cancel("c"))
        copies = (tmp_path / f"after {number}" for number in count())
        eventually(lambda: messages_in(path, next(copies)) == 0, "nothing is left")
    process.kill()
    with Peer(serve(path).port()) as peer:
        assert peer.connect().call(Queue.Declare(0, "q", passive=True)).message_count == 0


def messages_in(path: Path, copy: Path) -> int | None:
    """How many messages a broker would find if this one crashed now; None if files came or went meanwhile."""
    try:
        shutil.copytree(path, copy, ignore=shutil.ignore_patterns("menura.sock"))
    except shutil.Error:
        return None
    with Writer(copy) as writer:
        return sum(writer.journal.held(queue).message_count for queue in writer.journal.queues())
