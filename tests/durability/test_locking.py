"""One broker at a time uses a data directory, and a killed one does not keep it."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import pytest
from tests.durability.serving import Serve, Serving
from tests.net.peer import Peer
from tests.protocols.amqp.memory import Queue
from tests.store.directories import state

RACES = 10


def refused_by(holder: Serving, other: Serving, path: Path) -> None:
    """The other one has ended and names the holder."""
    assert re.fullmatch(
        f"{re.escape(str(path))} is in use by another broker: process {holder.process.pid} on "
        rf"{re.escape(platform.node())}, since \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00\. "
        r"Stop that one first, or choose another data directory\.",
        other.refusal(),
    )


@pytest.mark.parametrize("before", ["nothing", "an empty directory"])
def test_of_two_that_race_for_a_new_directory_one_gets_ready_and_the_other_names_it(
    serve: Serve, tmp_path: Path, before: str
) -> None:
    for race in range(RACES // 2):
        path = tmp_path / str(race)
        if before != "nothing":
            path.mkdir()
        racers = [serve(path), serve(path)]
        screens = [racer.screen() for racer in racers]
        ready = [screen[-1:] == ["ready"] for screen in screens]
        assert sorted(ready) == [False, True], screens
        winner, loser = sorted(racers, key=lambda racer: ready[racers.index(racer)], reverse=True)
        refused_by(winner, loser, path)
        winner.kill()


def test_a_directory_in_use_is_refused_and_stays_as_it_is_until_its_broker_is_killed(
    serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    holder = serve(path)
    for name in ("one", "two", "three"):
        with Peer(holder.port()) as peer:
            peer.connect().call(Queue.Declare(0, name, durable=True))  # all that a start writes has been written
        before = state(path)
        refused_by(holder, serve(path), path)
        assert state(path) == before
        holder.kill()
        holder = serve(path)


def test_a_directory_is_the_same_by_every_name_it_has(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "data"
    alias = tmp_path / "alias"
    alias.symlink_to(path)
    holder = serve(path)
    assert holder.screen()[-1] == "ready"
    refused_by(holder, serve(alias), alias)
    refused_by(holder, serve(Path(os.path.relpath(path))), path)
