"""A program that fills a small disk of its own with a catalog, and prints what it was told as JSON.

Run in a mount namespace of its own (`unshare -rm`), as it mounts the disk.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.store.workers import at_once

from menura.core.definitions import VHostDefinition
from menura.store.catalog import Catalog
from menura.store.directory import DataDirectory
from menura.store.errors import StoreError


def mount(path: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)


def said(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except StoreError as error:
        return str(error)
    return ""


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as rest, suppress(OSError):
        while True:
            rest.write(bytes(4096))


def main(disk: Path) -> None:
    mount(disk, "size=256k")
    catalog = Catalog(disk / "catalog.sqlite3", run_in_worker=at_once, call_back=at_once)
    catalog.open()
    told: list[str | int] = []
    catalog.on_committed = told.append
    catalog.on_failure = told.append
    while catalog.failure is None:
        catalog.put(VHostDefinition(f"{catalog.changed:0500}"))
        catalog.flush()
    (disk / "folder").mkdir()
    fill(disk / "rest")
    on_full = {
        "directory": said(DataDirectory(disk / "folder", version="1").open),
        "catalog": said(Catalog(disk / "folder" / "new.sqlite3", run_in_worker=at_once, call_back=at_once).open),
    }
    catalog.close()
    (disk / "rest").unlink()
    mount(disk, "remount,size=8m")
    found = Catalog(disk / "catalog.sqlite3", run_in_worker=at_once, call_back=at_once)
    vhosts = found.open().vhosts
    found.close()
    print(json.dumps({"told": told, "on_full": on_full, "found": len(vhosts)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
