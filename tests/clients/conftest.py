"""What the tests with real client libraries share: unique names, and programs as subprocesses.

Queues and exchanges live in a broker that other tests use too, so a test names its own through `name`.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pytest
from tests.clients.program import DEADLINE_SECONDS, Program


@pytest.fixture
def name() -> str:
    """A name nothing else in the broker has."""
    return f"clients-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def connect(amqp_url: str) -> Iterator[Callable[..., pika.BlockingConnection]]:
    """Opens pika's blocking connections, with changed parameters if wanted; closed after the test."""
    opened: list[pika.BlockingConnection] = []

    def open_one(**changes: Any) -> pika.BlockingConnection:
        parameters = pika.URLParameters(amqp_url)
        for option, value in changes.items():
            setattr(parameters, option, value)
        opened.append(pika.BlockingConnection(parameters))
        return opened[-1]

    yield open_one
    for connection in opened:
        if connection.is_open:
            connection.close()


@pytest.fixture(scope="session")
def command(amqp_url: str) -> Callable[..., Program]:
    """`with command("node", "script.js") as running: ...`; the broker's address is in AMQP_URL."""

    def start(*words: str, env: dict[str, str] | None = None) -> Program:
        return Program(*words, env={"AMQP_URL": amqp_url, **(env or {})})

    return start


@pytest.fixture(scope="session")
def program(command: Callable[..., Program]) -> Callable[..., Program]:
    """`with program("tutorials/send.py", "argument") as running: ...`; paths are relative to this folder."""

    def start(script: str, *arguments: str, env: dict[str, str] | None = None) -> Program:
        return command(sys.executable, script, *arguments, env=env)

    return start


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    """Repeat a question that itself waits a little (reads a socket, asks a server) until its answer is true."""

    def wait(ask: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> Any:
        ends_at = time.monotonic() + seconds
        while not (answer := ask()):
            assert time.monotonic() < ends_at, f"not within {seconds} s: {what}"
        return answer

    return wait
