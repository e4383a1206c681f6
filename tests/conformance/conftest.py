"""Connections to the broker under test, and names that no other test uses.

A test calls its queues and exchanges q, q2, x, y and z; to the broker each name ends in something unique,
which is taken out again of what the broker answers. What outlives a connection is deleted after the test.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import menura

pytest.register_assert_rewrite("tests.conformance.wire", "tests.conformance.deaths")

from tests.conformance.administration import Administration, OwnBroker, Rabbitmqctl  # noqa: E402
from tests.conformance.deaths import Graveyard  # noqa: E402
from tests.conformance.differences import DIFFERENCES  # noqa: E402
from tests.conformance.wire import Client  # noqa: E402

Connect = Callable[..., Client]


class Names:
    """Makes names of one test unique, and turns them back."""

    def __init__(self) -> None:
        self.suffix = f"-{uuid.uuid4().hex[:8]}"

    def __call__(self, name: str) -> str:
        return name + self.suffix

    def undo(self, text: str) -> str:
        return text.replace(self.suffix, "")


@pytest.fixture
def name() -> Names:
    return Names()


@pytest.fixture
def q(name: Names) -> str:
    return name("q")


@pytest.fixture
def q2(name: Names) -> str:
    return name("q2")


@pytest.fixture
def x(name: Names) -> str:
    return name("x")


@pytest.fixture
def y(name: Names) -> str:
    return name("y")


@pytest.fixture
def z(name: Names) -> str:
    return name("z")


@pytest.fixture(scope="session")
def janitor(amqp_url: str) -> Iterator[Client]:
    """A connection that deletes what tests leave."""
    client = Client(amqp_url).login().open_channel()
    yield client
    client.close()


@pytest.fixture
def connect(amqp_url: str, name: Names, janitor: Client, request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Opens a TCP connection, and no more, to the broker under test (or another URL)."""
    clients: list[Client] = []
    difference = DIFFERENCES.get(request.node.originalname)
    answers = difference.older_answers if difference and janitor.version.startswith("3.") else list

    def open_connection(url: str = amqp_url, rename: Callable[[str], str] = name.undo) -> Client:
        client = Client(url, rename, answers)
        clients.append(client)
        return client

    yield open_connection
    leftovers: list[Any] = []
    for client in clients:
        client.close()
        leftovers += client.leftovers
    if leftovers:
        janitor.send(*leftovers)
        janitor.expect_nothing()


@pytest.fixture
def c(connect: Connect) -> Client:
    """A connection with channel 1 open."""
    return connect().login().open_channel()


@pytest.fixture
def grave(connect: Connect, name: Names) -> Graveyard:
    """Where the dead letters of queues declared with `grave.to_here` end."""
    return Graveyard(connect().login().open_channel(), name("d"))


@pytest.fixture(scope="session")
def administration(session_broker: menura.Broker | None) -> Iterator[Administration]:
    if session_broker is not None:
        yield OwnBroker(session_broker)
        return
    if not Rabbitmqctl.available():
        pytest.skip("the broker under test is not ours, and there is no rabbitmqctl to ask it with")
    rabbitmqctl = Rabbitmqctl()
    yield rabbitmqctl
    rabbitmqctl.remove_all()
