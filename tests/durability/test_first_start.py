"""A first start that is killed leaves nothing, or a data directory that somebody can log in to."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.durability.serving import Serve, Serving
from tests.net.peer import Peer, eventually
from tests.seeds import first_seed

KILLS = 6


def has_vhosts(catalog: Path) -> bool:
    """Whether something has been put into the catalog."""
    if not catalog.exists():
        return False
    with closing(sqlite3.connect(f"{catalog.as_uri()}?mode=ro", uri=True)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        return "vhosts" in tables and database.execute("SELECT * FROM vhosts").fetchone() is not None


def can_log_in(process: Serving) -> bool:
    with Peer(process.port()) as peer:
        peer.connect()
    return True


def test_killed_as_soon_as_something_is_in_the_catalog(serve: Serve, tmp_path: Path) -> None:
    for kill in range(KILLS):
        path = tmp_path / str(kill)
        process = serve(path)
        eventually(lambda path=path: has_vhosts(path / "catalog.sqlite3"), "the catalog has its first row")
        process.kill()
        assert can_log_in(serve(path))


def test_killed_after_any_file_it_makes(serve: Serve, tmp_path: Path) -> None:
    seed = first_seed()
    print(f"seed {seed}")
    chance = random.Random(seed)
    for kill in range(KILLS):
        path = tmp_path / str(kill)
        files = chance.randrange(1, 7)
        process = serve(path)
        eventually(lambda path=path, files=files: len([*path.rglob("*")]) >= files, f"{files} files")
        process.kill()
        assert can_log_in(serve(path))
