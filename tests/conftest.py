"""Which broker the tests talk to: one of ours for the session, or the one that the environment names.

`MENURA_TEST_AMQP_URL=amqp://guest:guest@127.0.0.1:5672/ pytest tests/conformance` runs the same tests against
that broker; so does any test that asks for nothing but `amqp_url`.

Hypothesis draws the same examples in every run, so that a change is judged by what it changes;
`pytest --hypothesis-profile=exploring` draws others each time. How long that takes is the machine's affair.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

import menura

_UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeating", _UNHURRIED, derandomize=True)
settings.register_profile("exploring", _UNHURRIED, derandomize=False)
settings.load_profile("repeating")

# A shell lets what runs in the background ignore Ctrl+C, which the programs that tests start would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

NAMED_BROKER = "MENURA_TEST_AMQP_URL"


@pytest.fixture
def unused_tcp_port() -> Iterator[int]:
    """One where nothing listens for as long as the test runs: it is bound, so nobody else gets it meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture(scope="session")
def session_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[menura.Broker | None]:
    """The session's own broker, which keeps its data on the disk; None if the environment names another one."""
    if os.environ.get(NAMED_BROKER):
        yield None
        return
    with menura.Broker(data=str(tmp_path_factory.mktemp("data"))) as broker:
        yield broker


@pytest.fixture(scope="session")
def amqp_url(session_broker: menura.Broker | None) -> str:
    """The address of the broker under test, with user and password."""
    return session_broker.amqp_url if session_broker else os.environ[NAMED_BROKER]
