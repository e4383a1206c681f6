"""Definitions in RabbitMQ's format: everything that was declared or set, but for messages, as one JSON document.

    document = yield from exporting.whole(node, identity)       `single` for one virtual host
    imported = yield from importing.import_definitions(node, document)

Both are generators, so that others have their turn in between; `run` takes one to its end. An import is rehearsed on a
copy of the node first: what a document asks for can be done as a whole, or is refused with the name of the first thing
that is wrong, and nothing has changed. What is there already stays as it is, so importing twice is importing once. What
cannot be taken over, as there is no such thing here, is left out and told (`Imported.skipped`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from menura.management.definitions.exporting import Identity, single, whole
from menura.management.definitions.importing import Imported, Skipped, import_definitions, parse
from menura.management.http.messages import run

if TYPE_CHECKING:
    from menura.core.node import Node

__all__ = ["Identity", "Imported", "Skipped", "import_definitions", "load", "parse", "run", "single", "whole"]


def load(node: Node, path: Path) -> list[Imported]:
    """Import a file, or all of a directory that are called `.json`, by name. Raises OSError and Refusal."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    return [run(import_definitions(node, run(parse(file.read_bytes())))) for file in files]
