"""On-confirm, nothing is lost when a broker is killed at any time: that of the source, or that of the destination.

The destination's broker is the one that has the shovel as well. Messages may come twice. Where the destination is
killed these are the ones on their way, no more than the prefetch count for each kill; a source that is killed may have
forgotten acknowledgements of its last second too.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from pika.spec import BasicProperties
from tests.durability.serving import Serving
from tests.seeds import first_seed
from tests.shovels.queues import Queues, eventually

import menura

MESSAGES = 8000
PREFETCH = 200
KILLS = 3
BODIES = [b"%d" % number for number in range(MESSAGES)]
KEPT = BasicProperties(delivery_mode=2)


class Lives:
    """A broker on one port and one data directory, with one life after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.port = 0
        self._process: Serving | None = None
        self.begin()

    def begin(self) -> None:
        self._process = Serving(self.path, *(("--listen", f"amqp://127.0.0.1:{self.port}") if self.port else ()))
        self.port = self._process.port() if not self.port else self._ready()

    def _ready(self) -> int:
        assert self._process is not None
        screen = self._process.screen()
        assert screen[-1:] == ["ready"], self._process.end()
        return self.port

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Lives]:
    lives = Lives(tmp_path / "killed")
    yield lives
    lives.kill()


def shovel(source: str, destination: str) -> dict[str, object]:
    return {
        "src-uri": source,
        "dest-uri": destination,
        "src-queue": "from",
        "dest-queue": "to",
        "src-prefetch-count": PREFETCH,
        "reconnect-delay": 0.05,
    }


def arrived(queues: Queues, count: int) -> bool:
    return queues.length("to") >= count


@pytest.mark.parametrize("seed", [first_seed()])
def test_the_broker_of_the_source_is_killed(lives: Lives, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with Queues(lives.url) as there:
        there.channel.queue_declare("from", durable=True)
        there.fill("from", BODIES, KEPT)
    with menura.Broker(data=str(tmp_path / "mine")) as near, Queues(near.amqp_url) as here:
        here.channel.queue_declare("to", durable=True)
        near.set_parameter("shovel", "s", shovel(lives.url, "amqp://"))
        for kill in range(KILLS):
            at = MESSAGES * kill // KILLS + chance.randrange(MESSAGES // KILLS)
            eventually(lambda: arrived(here, at), f"{at} messages, seed {seed}")  # noqa: B023
            lives.kill()
            lives.begin()
        with Queues(lives.url) as there:
            there.until("from", 0, 30)
            eventually(lambda: near.shovels.find("/", "s").pending == 0, "all are confirmed")
        got = here.bodies("to")
        assert set(got) == set(BODIES), f"seed {seed}"


@pytest.mark.parametrize("seed", [first_seed()])
def test_the_broker_of_the_destination_and_of_the_shovel_is_killed(lives: Lives, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    lives.kill()
    with menura.Broker(data=str(tmp_path / "theirs")) as far, Queues(far.amqp_url) as there:
        there.channel.queue_declare("from", durable=True)
        with menura.Broker(data=str(lives.path)) as near:
            near.set_parameter("shovel", "s", shovel(far.amqp_url, "amqp://"))
            eventually(lambda: near.shovels.find("/", "s").state == "running", "it runs")
        lives.begin()
        there.fill("from", BODIES, KEPT)
        for kill in range(KILLS):
            left = MESSAGES - MESSAGES * kill // KILLS - chance.randrange(MESSAGES // KILLS)
            eventually(lambda: there.length("from") <= left, f"{left} messages are left, seed {seed}")  # noqa: B023
            lives.kill()
            lives.begin()
        there.until("from", 0, 30)
        with Queues(lives.url) as here:
            here.until("to", here.length("to"))
            eventually(lambda: arrived(here, MESSAGES), f"all messages, seed {seed}")
            got = here.bodies("to")
        assert set(got) == set(BODIES), f"seed {seed}"
        assert len(got) <= MESSAGES + KILLS * PREFETCH, f"seed {seed}"
