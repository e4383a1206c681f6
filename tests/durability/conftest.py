"""Starts brokers on data directories and sees to it that they end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.durability.serving import Serve, Serving


@pytest.fixture
def serve() -> Iterator[Serve]:
    processes: list[Serving] = []

    def start(path: Path, *arguments: str, prefix: Sequence[str] = ()) -> Serving:
        processes.append(Serving(path, *arguments, prefix=prefix))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
