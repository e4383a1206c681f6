"""Every kind of scenario once against a real broker, very short: it runs, counts and cleans up."""

import pytest

from menura.bench import SCENARIOS, BenchError, Result, footprint, run
from menura.bench.backlog import backlog_count
from menura.bench.connection import Address, Connection
from menura.bench.scenarios import run_here

SHORT = {"seconds": 0.2, "warmup_seconds": 0.05}


def short(name: str, amqp_url: str, **given: object) -> Result:
    return run_here(SCENARIOS[name].settings(url=amqp_url, **{**SHORT, **given}))


def figures(result: Result) -> dict[str, float]:
    return {metric.name: metric.value for metric in result.metrics}


@pytest.mark.parametrize(
    "name",
    [
        "autoack-128",
        "autoack-1k",
        "autoack-varied",
        "ack-each-128",
        "confirms-128",
        "fanout-10",
        "topic-1000",
        "topic-1000-one-key",
    ],
)
def test_a_stream_has_a_rate(amqp_url: str, name: str) -> None:
    result = short(name, amqp_url, window=2_000)
    assert result.scenario == name
    assert figures(result)["rate"] > 0
    assert result.seconds >= 0.2


def test_durable_messages_can_be_streamed(amqp_url: str) -> None:
    assert figures(short("confirms-128", amqp_url, durable=True, window=2_000))["rate"] > 0


def test_bodies_larger_than_a_frame_are_counted(amqp_url: str) -> None:
    assert figures(short("autoack-128", amqp_url, body_bytes=300_000, window=20))["rate"] > 0


@pytest.mark.parametrize(("name", "connections"), [("closed-loop-1", 1), ("closed-loop-100", 10), ("rpc-50", 5)])
def test_round_trips_have_a_rate_and_ordered_percentiles(amqp_url: str, name: str, connections: int) -> None:
    result = figures(short(name, amqp_url, connections=connections))
    assert list(result) == ["rate", "p50", "p99", "p99.9"]
    assert result["rate"] > 0
    assert 0 < result["p50"] <= result["p99"] <= result["p99.9"]


def test_gets_are_timed_without_the_filling(amqp_url: str) -> None:
    result = short("get-loop", amqp_url, count=50)
    assert figures(result)["rate"] > 0
    assert result.seconds >= 0.2


def test_a_paced_run_keeps_its_rate(amqp_url: str) -> None:
    result = figures(short("latency-10k", amqp_url, rate=1_000, seconds=0.5))
    assert result["rate"] == pytest.approx(1_000, rel=0.2)
    assert 0 < result["p50"] <= result["p99"] <= result["p99.9"]


def test_a_backlog_is_filled_and_emptied(amqp_url: str) -> None:
    result = short("enqueue-dequeue-1k", amqp_url, count=3_000)
    assert figures(result).keys() == {"enqueue", "dequeue"}
    assert result.notes == ("3,000 messages of 1,024 B",)


def test_a_backlog_of_large_bodies_is_bounded_in_bytes() -> None:
    settings = SCENARIOS["enqueue-dequeue-10k"].settings
    assert backlog_count(settings(body_bytes=1 << 28)) == 4
    assert backlog_count(settings(body_bytes=1 << 31)) == 1
    assert backlog_count(settings(count=10)) == 10


@pytest.mark.parametrize(
    ("name", "given", "names"),
    [
        ("memory-connections", {"connections": 20}, {"idle", "connection", "channel"}),
        ("memory-queue", {"count": 1_000}, {"message"}),
    ],
)
def test_memory_is_read_from_the_brokers_process(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch, name: str, given: dict[str, int], names: set[str]
) -> None:
    monkeypatch.setattr(footprint, "SETTLE_SECONDS", 0)
    result = short(name, amqp_url, **given)
    # A broker that has room from before need not grow for so few; then a note says so in place of the figure.
    missing = {name for name in names - {"idle"} if any(f"for a {name}" in note for note in result.notes)}
    assert figures(result).keys() == names - missing
    assert all(value > 0 for value in figures(result).values())


@pytest.mark.parametrize("client", ["pika", "aio_pika", "kombu"])
def test_a_real_client_publishes_and_consumes(amqp_url: str, client: str) -> None:
    pytest.importorskip(client)
    result = figures(short(f"client-{client.replace('_', '-')}", amqp_url, count=200))
    assert result.keys() == {"publish", "consume"}


def test_a_scenario_runs_in_a_process_of_its_own(amqp_url: str) -> None:
    result = run(SCENARIOS["autoack-128"].settings(url=amqp_url, **SHORT))
    assert figures(result)["rate"] > 0


def test_an_error_in_that_process_comes_back_as_it_is(unused_url: str) -> None:
    with pytest.raises(BenchError, match="nothing answers"):
        run(SCENARIOS["autoack-128"].settings(url=unused_url))


def test_wrong_credentials_are_named(amqp_url: str) -> None:
    url = amqp_url.replace("guest:guest", "guest:wrong")
    with pytest.raises(BenchError, match="403 ACCESS_REFUSED"):
        short("autoack-128", url)


def test_a_broker_says_what_it_is(amqp_url: str) -> None:
    with Connection(Address.parse(amqp_url)) as connection:
        assert connection.product != "unnamed"
        assert connection.version


def test_menura_is_started_and_timed() -> None:
    result = figures(run_here(SCENARIOS["startup"].settings(count=1)))
    assert 0 < result["ready"] == result["slowest"]
