"""Fixtures for programs that talk to a broker; pytest finds them by itself once Menura is installed.

def test_order_is_announced(menura_broker):
    connection = pika.BlockingConnection(pika.URLParameters(menura_broker.amqp_url))
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from menura.broker import Broker


@pytest.fixture
def menura_broker() -> Iterator[Broker]:
    """A broker of the test's own, on a free port, in a thread; nothing of it is left afterwards."""
    with Broker() as broker:
        yield broker
