"""redis-server's protocol, and redis-server itself where it is installed."""

import shutil

import pytest
from benchmarks import peers
from hypothesis import given
from hypothesis import strategies as st

from menura.bench import SCENARIOS
from menura.bench.resp import command, integer_reply_bytes
from menura.bench.scenarios import run_here


def test_a_command_is_an_array_of_bulk_strings() -> None:
    assert command(b"LPUSH", b"key", b"") == b"*3\r\n$5\r\nLPUSH\r\n$3\r\nkey\r\n$0\r\n\r\n"


@given(first=st.integers(1, 12_000), count=st.integers(0, 2_000))
def test_the_length_of_integer_replies_is_known_ahead(first: int, count: int) -> None:
    assert integer_reply_bytes(first, count) == sum(len(f":{n}\r\n") for n in range(first, first + count))


@pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed")
@pytest.mark.parametrize("scenario", ["redis-pipelined-1k", "redis-single-1k"])
def test_redis_server_is_measured(scenario: str) -> None:
    with peers.redis() as redis:
        assert redis is not None
        result = run_here(SCENARIOS[scenario].settings(url=redis.url, broker_pid=redis.pid, count=1_234))
    assert [metric.name for metric in result.metrics] == ["enqueue", "dequeue"]
    assert all(metric.value > 0 for metric in result.metrics)
