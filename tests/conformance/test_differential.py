"""Random operations have the same answers from RabbitMQ, where one runs on this machine; see `differential`."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from tests.conformance.administration import Rabbitmqctl
from tests.conformance.differential.lockstep import RABBITMQ, Lockstep, find, open_lockstep
from tests.seeds import first_seed

import menura

CASES = 4


@pytest.fixture(scope="module")
def lockstep(session_broker: menura.Broker | None) -> Iterator[Lockstep]:
    if session_broker is None:
        pytest.skip("the broker under test is not ours: there is nothing to compare RabbitMQ with")
    with socket.socket() as probe:
        if probe.connect_ex(RABBITMQ) or not Rabbitmqctl.available():
            pytest.skip("no RabbitMQ runs here")
    with open_lockstep(session_broker) as lockstep:
        yield lockstep


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", range(CASES))
def test_random_operations_are_answered_as_by_rabbitmq(lockstep: Lockstep, number: int) -> None:
    seed = first_seed() + number
    print(f"seed {seed}")
    _, text = find(lockstep, seed)
    assert text == ""
