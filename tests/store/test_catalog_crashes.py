"""What the catalog has reported as committed is there after its process was killed, or the disk refused to go on."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.seeds import first_seed
from tests.store import writer

from menura.core.definitions import Definitions, QueueDefinition
from menura.store.database import Database

ROOT = Path(__file__).parents[2]
KILLS = 20
# More changes than can be made without being reported.
UNREPORTED_MAX = 100


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite3"


class Model:
    """What the writer's first `number` changes leave."""

    def __init__(self) -> None:
        self.number = 0
        self.queues: dict[str, QueueDefinition] = {}
        self.bindings: set[tuple[str, str]] = set()

    def advance(self) -> None:
        self.number += 1
        writer.apply((self.queues, self.bindings), self.number)

    def catch_up(self, found: Definitions, committed: int) -> None:
        """Go on to the first state, from that of change `committed` on, that is what was found."""
        queues = {queue.name: queue for queue in found.queues}
        bindings = {(binding.source, binding.destination) for binding in found.bindings}
        while self.number < committed:
            self.advance()
        while (self.queues, self.bindings) != (queues, bindings):
            self.advance()
            assert self.number <= committed + UNREPORTED_MAX, f"not all changes up to {committed}, or not in order"


def definitions_in(path: Path) -> Definitions:
    with closing(Database(path, sync=False)) as database:
        return database.load()


def start_writer(path: Path, first: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.store.writer", str(path), str(first)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_a_killed_process_leaves_all_changes_up_to_a_number_not_below_the_last_reported(path: Path) -> None:
    seed = first_seed()
    print(f"seed {seed}")
    chance = random.Random(seed)
    model = Model()
    for _ in range(KILLS):
        process = start_writer(path, model.number + 1)
        assert process.stdout
        reported = [process.stdout.readline() for _ in range(chance.randrange(1, 60))]
        process.kill()
        reported += process.communicate()[0].splitlines()
        committed = int(reported[-1])
        assert committed > model.number
        model.catch_up(definitions_in(path), committed)


def test_a_disk_error_ends_the_reports_and_takes_nothing_back(path: Path) -> None:
    file_bytes_max = "300000"
    command = [sys.executable, "-m", "tests.store.writer", str(path), "1", file_bytes_max]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True)
    *reported, last = done.stdout.splitlines()
    assert last.startswith(f"failed: Cannot use {path}: disk I/O error")
    model = Model()
    model.catch_up(definitions_in(path), int(reported[-1]))


def can_mount() -> bool:
    try:
        return subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not can_mount(), reason="needs the right to mount a small disk")
def test_a_full_disk_ends_the_reports_and_takes_nothing_back(tmp_path: Path) -> None:
    command = ["unshare", "-rm", sys.executable, "-m", "tests.store.full_disk", str(tmp_path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True)
    seen = json.loads(done.stdout)
    *reported, reason = seen["told"]
    assert reason.startswith(f"The disk is full: cannot write {tmp_path}/catalog.sqlite3")
    assert reported == list(range(1, len(reported) + 1))
    assert seen["found"] == len(reported)
    for sentence in seen["on_full"].values():
        assert sentence.startswith("The disk is full")
