"""Two brokers: `near` has the shovels, `far` is somewhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.shovels.queues import Queues, eventually

import menura
from menura.core.errors import NotFound
from menura.shovels.shovels import status

Dig = Callable[..., None]
"""Sets a shovel on the near broker: `dig("name", **{"src-queue": ...})`; cleared after the test."""


@pytest.fixture(scope="module")
def near() -> Iterator[menura.Broker]:
    with menura.Broker() as broker:
        yield broker


@pytest.fixture(scope="module")
def far() -> Iterator[menura.Broker]:
    with menura.Broker() as broker:
        yield broker


@pytest.fixture
def here(near: menura.Broker) -> Iterator[Queues]:
    with Queues(near.amqp_url) as queues:
        yield queues


@pytest.fixture
def there(far: menura.Broker) -> Iterator[Queues]:
    with Queues(far.amqp_url) as queues:
        yield queues


@pytest.fixture
def dig(near: menura.Broker, far: menura.Broker) -> Iterator[Dig]:
    names: list[str] = []

    def dig(name: str = "s", **value: Any) -> None:
        names.append(name)
        from_far = {"src-uri": far.amqp_url, "dest-uri": "amqp://", "reconnect-delay": 0.1}
        near.set_parameter("shovel", name, {**from_far, **{key.replace("_", "-"): item for key, item in value.items()}})

    yield dig
    for name in names:
        try:
            near.clear_parameter("shovel", name)
        except NotFound:
            assert not any(worker.name == name for worker in near.shovels.all())


class State:
    """What a shovel says of itself."""

    def __init__(self, broker: menura.Broker, vhost: str = "/") -> None:
        self._broker = broker
        self._vhost = vhost

    def __call__(self, name: str = "s") -> dict[str, Any]:
        """{} for one that is not there. It waits a little: it asks the broker's thread."""
        return self._broker._call(
            lambda: next(
                (status(worker) for worker in self._broker.shovels.all(self._vhost) if worker.name == name), {}
            )
        )

    def until(self, state: str, name: str = "s") -> dict[str, Any]:
        eventually(lambda: self(name).get("state", "gone") == state, f"shovel {name} {state}, it is {self(name)}")
        return self(name)


@pytest.fixture
def state(near: menura.Broker) -> State:
    return State(near)
