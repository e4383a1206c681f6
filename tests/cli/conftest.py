"""Starts brokers as processes and sees to it that they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.process import Process

Start = Callable[..., Process]


@pytest.fixture
def start() -> Iterator[Start]:
    processes: list[Process] = []

    def begin(*arguments: str, environment: dict[str, str] | None = None, folder: Path | None = None) -> Process:
        processes.append(Process(*arguments, environment=environment, folder=folder))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
