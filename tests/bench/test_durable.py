"""The scenarios of durable messages, very short, and what they rest on, against a real broker."""

from pathlib import Path

import pytest
from benchmarks import peers

from menura.bench import (
    SCENARIOS,
    BenchError,
    BrokerClosedError,
    Result,
    Scenario,
    UnavailableError,
    footprint,
    wire,
)
from menura.bench.backlog import empty, fill
from menura.bench.connection import Address, Connection
from menura.bench.disk import SyncedFile
from menura.bench.durable_latency import ConfirmedPublisher
from menura.bench.flow import Ack
from menura.bench.scenarios import run_here
from menura.bench.topology import Topology

SHORT = {"seconds": 0.1, "warmup_seconds": 0.02}
BASIC_CANCEL, BASIC_CANCEL_OK = (60, 30), (60, 31)
BASIC_RECOVER, BASIC_RECOVER_OK = (60, 110), (60, 111)
DURABLE = [scenario for name, scenario in SCENARIOS.items() if name.startswith("durable-")]


def short(name: str, amqp_url: str, **given: object) -> Result:
    return run_here(SCENARIOS[name].settings(url=amqp_url, **{**SHORT, **given}))


def figures(result: Result) -> dict[str, float]:
    return {metric.name: metric.value for metric in result.metrics}


@pytest.mark.parametrize("scenario", DURABLE, ids=lambda scenario: scenario.name)
def test_each_of_them_uses_durable_queues_and_persistent_messages(amqp_url: str, scenario: Scenario) -> None:
    pika = pytest.importorskip("pika")
    settings = scenario.settings(url=amqp_url)
    with Topology(Address.parse(amqp_url), durable=settings.durable) as topology:
        queue = topology.queue()
        fill(settings, queue, 1)
        connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
        channel = connection.channel()
        assert channel.queue_declare(queue, durable=True).method.message_count == 1  # refused if it is not durable
        assert channel.basic_get(queue, auto_ack=True)[1].delivery_mode == 2
        connection.close()


@pytest.mark.parametrize(
    "name",
    [
        "durable-128",
        "durable-1k",
        "durable-10k",
        "durable-window-100-one-queue",
        "durable-window-100-spread",
    ],
)
def test_confirmed_messages_have_a_rate(amqp_url: str, name: str) -> None:
    result = short(name, amqp_url)
    assert result.scenario == name
    assert figures(result)["rate"] > 0


def test_the_count_of_a_durable_backlog_is_not_bounded_by_memory(amqp_url: str) -> None:
    assert SCENARIOS["durable-enqueue-dequeue-10k"].settings().count == 200_000
    assert SCENARIOS["durable-enqueue-dequeue-1k"].settings().count == 1_000_000
    result = short("durable-enqueue-dequeue-128", amqp_url, count=4_321)
    assert figures(result).keys() == {"enqueue", "dequeue"}
    assert result.notes == ("4,321 messages of 128 B",)


def test_what_empties_a_durable_backlog_has_acknowledged_everything(amqp_url: str) -> None:
    settings = SCENARIOS["durable-enqueue-dequeue-128"].settings(url=amqp_url)
    address = Address.parse(amqp_url)
    with Topology(address, durable=True) as topology:
        queue = topology.queue()
        fill(settings, queue, 5_000)
        with Connection(address) as connection:
            empty(settings, connection, queue, 5_000, Ack.RANGES)
            connection.call(BASIC_CANCEL, wire.short_string("c") + b"\x00", BASIC_CANCEL_OK)
            connection.call(BASIC_RECOVER, b"\x01", BASIC_RECOVER_OK)  # back with what is not acknowledged
            assert connection.declare_queue(queue, durable=True) == 0


def test_memory_of_a_queue_on_disk_comes_with_its_rates(amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "SETTLE_SECONDS", 0)
    assert SCENARIOS["durable-memory-10m"].long
    result = short("durable-memory-10m", amqp_url, count=2_000)
    missing = {"message"} if any("no growth" in note for note in result.notes) else set()
    assert figures(result).keys() == {"enqueue", "dequeue", "resident", "message"} - missing
    assert all(value > 0 for value in figures(result).values())


def test_latency_stands_beside_that_of_bare_syncs(amqp_url: str, tmp_path: Path) -> None:
    result = short("durable-latency-1", amqp_url, disk_path=str(tmp_path))
    found = figures(result)
    assert 0 < found["p50"] <= found["p99"] <= found["p99.9"]
    assert 0 < found["sync p50"] <= found["sync p99"] <= found["sync p99.9"]
    assert found["p50 / sync p50"] == pytest.approx(found["p50"] / found["sync p50"])
    assert str(tmp_path) in result.notes[0]
    assert list(tmp_path.iterdir()) == []


def test_each_message_awaits_its_confirm(amqp_url: str) -> None:
    address = Address.parse(amqp_url)
    with Topology(address, durable=True) as topology, Connection(address) as connection:
        queue = topology.queue()
        publisher = ConfirmedPublisher(connection, wire.publish("", queue, b"x"))
        assert [len(publisher.publish(times)) for times in (3, 1, 40)] == [3, 1, 40]
        assert topology.control.declare_queue(queue, durable=True) == 44


def test_a_close_in_place_of_a_confirm_is_raised(amqp_url: str) -> None:
    with Connection(Address.parse(amqp_url)) as connection:
        publisher = ConfirmedPublisher(connection, wire.publish("no-such-exchange", "q", b"x"))
        with pytest.raises(BrokerClosedError, match="404 NOT_FOUND"):
            publisher.publish(2)


def test_a_menura_on_disk_keeps_its_data_in_the_folder_and_leaves_nothing(tmp_path: Path) -> None:
    with peers.menura_on_disk(tmp_path) as peer:
        result = run_here(SCENARIOS["durable-enqueue-dequeue-128"].settings(url=peer.url, count=1_000))
        assert any(path.stat().st_size for path in tmp_path.glob("*/data/**/*") if path.is_file())
    assert figures(result)["enqueue"] > 0
    assert list(tmp_path.iterdir()) == []


def test_the_disk_by_itself_has_a_rate_and_ordered_percentiles(unused_url: str, tmp_path: Path) -> None:
    result = run_here(SCENARIOS["disk-sync"].settings(url=unused_url, disk_path=str(tmp_path), **SHORT))
    found = figures(result)
    assert list(found) == ["rate", "p50", "p99", "p99.9"]
    assert found["rate"] > 0
    assert 0 < found["p50"] <= found["p99"] <= found["p99.9"]
    assert list(tmp_path.iterdir()) == []


def test_the_measured_file_grows_by_what_is_appended(tmp_path: Path) -> None:
    with SyncedFile(SCENARIOS["disk-sync"].settings(disk_path=str(tmp_path))) as file:
        assert len(file.append(b"x" * 100, 7)) == 7
        assert [path.stat().st_size for path in tmp_path.iterdir()] == [700]
        file.append(b"x" * 100, 1)
        assert [path.stat().st_size for path in tmp_path.iterdir()] == [800]


def test_a_folder_where_no_file_can_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no-such-folder") as caught:
        SyncedFile(SCENARIOS["disk-sync"].settings(disk_path=str(tmp_path / "no-such-folder")))
    assert isinstance(caught.value, BenchError)
