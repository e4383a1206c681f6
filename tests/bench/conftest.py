"""An address where nothing listens."""

import socket
from collections.abc import Iterator

import pytest


@pytest.fixture
def unused_url() -> Iterator[str]:
    with socket.socket() as bound:  # bound but not listening: taken for as long as the test needs it refused
        bound.bind(("127.0.0.1", 0))
        yield f"amqp://127.0.0.1:{bound.getsockname()[1]}/"
