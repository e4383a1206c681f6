"""From single runs to the table, the targets and the chart."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from benchmarks import chart, compare, peers, report
from benchmarks.chart import Bar
from benchmarks.peers import Peer
from benchmarks.summary import Row, Run, cores, rows
from benchmarks.targets import BESIDE_MOSQUITTO, QUOTIENTS, TARGETS, Kind, Target
from click.testing import CliRunner

import menura
from menura.bench import SCENARIOS, Metric, Result


def run(peer: str, value: float, number: int = 0, scenario: str = "autoack-128", name: str = "rate") -> Run:
    unit = "ms" if name.startswith("p") else "/s"
    result = Result(scenario, (Metric(name, value, unit),), 1.0, load_cores=value / 100, broker_cores=1.0)
    return Run(number, peer, result, scenario)


def test_a_row_holds_the_median_of_the_rounds_and_the_ratio_of_the_medians() -> None:
    runs = [run("menura", value, n) for n, value in enumerate([700, 100, 900])]
    runs += [run("rabbitmq", value, n) for n, value in enumerate([100, 90, 500])]
    (row,) = rows(runs)
    assert row.values == {"menura": 700, "rabbitmq": 100}
    assert row.ratio == row.times_better == 7
    assert row.met is True


def test_a_failed_run_is_no_sample() -> None:
    assert rows([Run(0, "menura", None, "autoack-128", "it broke")]) == []


def test_shorter_latencies_are_better() -> None:
    (row,) = rows([run("menura", 2, name="p99"), run("rabbitmq", 8, name="p99")])
    assert row.ratio == 0.25
    assert row.times_better == 4


@pytest.mark.parametrize(
    ("target", "value", "peer", "met"),
    [
        (Target(Kind.RATIO_MIN, 2), 200, 100, True),
        (Target(Kind.RATIO_MIN, 2), 199, 100, False),
        (Target(Kind.RATIO_MAX, 0.5), 50, 100, True),
        (Target(Kind.RATIO_MAX, 0.5), 51, 100, False),
        (Target(Kind.RATIO_MIN, 2), 200, None, None),
        (Target(Kind.VALUE_MAX, 60), 60, None, True),
        (Target(Kind.VALUE_MAX, 60), 61, 1000, False),
        (Target(Kind.VALUE_MIN, 0.8), 0.8, None, True),
        (Target(Kind.VALUE_MIN, 0.8), 0.79, 0.1, False),
    ],
)
def test_a_target_is_met_at_its_limit(target: Target, value: float, peer: float | None, met: bool | None) -> None:
    assert target.met(value, peer) is met


def test_every_target_belongs_to_a_scenario() -> None:
    assert {scenario for scenario, _ in (*TARGETS, *BESIDE_MOSQUITTO)} <= SCENARIOS.keys()


def test_every_quotient_is_of_scenarios() -> None:
    assert {name for quotient in QUOTIENTS for name in (quotient.scenario, quotient.other)} <= SCENARIOS.keys()


def test_a_quotient_is_the_median_of_what_each_round_gives() -> None:
    spread, one = "durable-window-100-spread", "durable-window-100-one-queue"
    runs = [run("menura", value, n, spread) for n, value in enumerate([90, 400, 100])]
    runs += [run("menura", value, n, one) for n, value in enumerate([100, 1000, 50])]
    runs += [run("rabbitmq", 30, 0, spread), run("rabbitmq", 40, 1, one)]
    first, quotient, second = rows(runs)
    assert (first.scenario, first.metric, second.scenario) == (spread, "rate", one)
    assert quotient.values == {"menura": 0.9}
    assert report.cells(quotient) == (spread, "rate / one queue's", "0.90 x", "-", "-", "≥ 0.8 x", "yes")


def test_a_scenario_without_its_other_one_has_no_quotient() -> None:
    (row,) = rows([run("menura", 90, scenario="durable-window-100-spread")])
    assert row.metric == "rate"


def quotient_run(peer: str, value: float) -> Run:
    metric = Metric("p50 / sync p50", value, "x")
    return Run(0, peer, Result("durable-latency-1", (metric,), 1.0), "durable-latency-1")


def test_what_compares_already_is_not_compared_again() -> None:
    summary = rows([quotient_run("menura", 1.25), quotient_run("rabbitmq", 2.5)])
    assert report.cells(summary[0]) == (
        "durable-latency-1",
        "p50 / sync p50",
        "1.25 x",
        "2.50 x",
        "-",
        "≤ 1.5 x",
        "yes",
    )
    assert report.bars(summary) == []


def test_messages_on_disk_have_a_table_of_their_own_with_the_disk_below() -> None:
    disk = Result("disk-sync", tuple(Metric(name, 7, "ms") for name in ("rate", "p50", "p99")), 1.0)
    runs = [run("menura", 700), run("menura", 70, scenario="durable-128"), Run(0, "disk", disk, "disk-sync")]
    text = report.markdown("heading", [], rows(runs), [], [])
    in_memory, on_disk = text.split("## Messages on disk")
    assert "| autoack-128 |" in in_memory
    assert "| durable-128 |" not in in_memory
    assert "| durable-128 | rate | 70.0 /s |" in on_disk
    assert "appends of 128 B and fdatasync after each: 7.000 ms, p50 7.000 ms, p99 7.000 ms." in on_disk
    assert "| disk-sync | rate |" not in text
    assert "redis" not in on_disk


def test_messages_on_disk_are_measured_with_a_menura_on_disk_and_without_redis() -> None:
    names = [name for name in SCENARIOS if name.startswith("durable-")]
    assert {compare.peers_of(name) for name in names} == {("menura-on-disk", "rabbitmq")}
    assert compare.peers_of("disk-sync") == ("disk",)
    assert compare.peers_of("autoack-128") == ("menura", "rabbitmq")


def test_mqtt_and_stomp_have_brokers_of_their_own() -> None:
    assert compare.peers_of("mqtt-qos0-64") == ("menura-mqtt", "rabbitmq-mqtt", "mosquitto")
    assert compare.peers_of("mqtt-durable-128") == ("menura-mqtt-on-disk", "rabbitmq-mqtt", "mosquitto")
    assert compare.peers_of("stomp-128") == ("menura-stomp", "rabbitmq-stomp")


def test_every_peer_of_a_scenario_can_be_started(tmp_path: Path) -> None:
    known = compare.starters("amqp://", tmp_path)
    assert {peer for name in SCENARIOS for peer in compare.peers_of(name)} == known.keys()
    assert known.keys() >= compare.own(tmp_path).keys()


def test_a_figure_of_a_fresh_process_is_measured_once_at_processes_of_its_own(tmp_path: Path) -> None:
    assert compare.rounds_of("mqtt-memory-connections", 3) == 1
    with peers.menura("mqtt") as running:
        with compare.target_of("mqtt-memory-connections", "menura-mqtt", running, tmp_path) as fresh:
            assert (fresh.name, fresh.url == running.url) == ("menura", False)
            assert fresh.url.startswith("mqtt://")
        with compare.target_of("mqtt-memory-connections", "rabbitmq-mqtt", running, tmp_path) as same:
            assert same is running
        with compare.target_of("mqtt-qos0-64", "menura-mqtt", running, tmp_path) as same:
            assert same is running


def test_a_rabbitmq_that_is_not_there_has_no_plugins(monkeypatch: pytest.MonkeyPatch, unused_url: str) -> None:
    monkeypatch.setattr(peers, "_start_rabbitmq", lambda: False)
    for scheme in ("mqtt", "stomp"):
        with peers.rabbitmq_plugin(unused_url, scheme) as absent:
            assert absent is None


def test_a_plugin_that_answers_is_a_rabbitmq_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with menura.Broker(listen=["amqp://127.0.0.1:0", "mqtt://127.0.0.1:0", "stomp://127.0.0.1:0"]) as broker:
        for scheme in ("mqtt", "stomp"):
            port = int(broker.url(scheme).rstrip("/").rpartition(":")[2])
            monkeypatch.setitem(peers._PLUGINS, scheme, (scheme.upper(), port))
            with peers.rabbitmq_plugin(broker.amqp_url, scheme) as peer:
                assert peer is not None
                assert peer.name == "rabbitmq"
                assert peer.url == f"{scheme}://guest:guest@127.0.0.1:{port}"
                assert peer.product.endswith(f"{scheme.upper()} plugin")


def test_without_mosquitto_there_is_no_such_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers.shutil, "which", lambda *_, **__: None)
    with peers.mosquitto() as absent:
        assert absent is None


def test_mqtt_and_stomp_have_a_table_with_mosquitto_beside() -> None:
    name = "mqtt-qos0-64"
    runs = [
        run("menura", 700, scenario=name),
        run("rabbitmq", 100, scenario=name),
        run("mosquitto", 1000, scenario=name),
    ]
    summary = rows([*runs, run("menura", 70, scenario="stomp-128"), run("menura", 7)])
    text = report.markdown("heading", [], summary, [], [])
    in_memory, voices = text.split("## MQTT and STOMP")
    assert "| mqtt-qos0-64 | rate | 700 /s | 100 /s | 7.00x | ≥ 5x | yes | 1,000 /s | 0.70x | ≥ 1x | **no** |" in voices
    assert "| stomp-128 | rate | 70.0 /s | - | - | ≥ 5x | ? | - | - |  |  |" in voices
    assert "| autoack-128 |" in in_memory
    assert "mqtt" not in in_memory


def test_the_folder_of_the_disk_reaches_every_scenario(tmp_path: Path) -> None:
    peer = Peer("rabbitmq", "RabbitMQ", "amqp://", 7)
    settings = compare.settings_of("durable-memory-10m", peer, tmp_path, quick=False)
    assert (settings.disk_path, settings.broker_pid, settings.count) == (str(tmp_path), 7, 10_000_000)
    quick = compare.settings_of("durable-memory-10m", peer, tmp_path, quick=True)
    assert (quick.disk_path, quick.count, quick.durable, quick.seconds) == (str(tmp_path), 100_000, True, 1.0)


def test_what_takes_long_is_measured_when_named() -> None:
    assert "durable-memory-10m" not in compare.scenarios_of(())
    assert "durable-128" in compare.scenarios_of(())
    assert compare.scenarios_of(("durable-memory-10m",)) == ["durable-memory-10m"]


def test_the_disk_is_measured_and_reported_by_the_command(tmp_path: Path) -> None:
    arguments = ["--scenario", "disk-sync", "--disk", str(tmp_path), "--quick", "--output", str(tmp_path)]
    result = CliRunner().invoke(compare.main, arguments)
    assert result.exit_code == 0, result.output
    assert "fdatasync after each" in result.output
    (document,) = (json.loads(path.read_text()) for path in tmp_path.glob("*-quick.json"))
    assert document["peers"] == {"disk": f"the disk of {tmp_path}"}
    assert document["runs"][0]["result"]["metrics"][0]["value"] > 0
    assert not list(tmp_path.glob("menura-bench-*"))


def test_brokers_take_turns_and_alternate_who_is_first() -> None:
    steps = compare.plan(["autoack-128", "startup", "memory-queue"], ["menura", "rabbitmq"], rounds=2)
    assert steps == [
        (0, "autoack-128", "menura"),
        (0, "autoack-128", "rabbitmq"),
        (0, "startup", "menura"),
        (0, "memory-queue", "menura"),
        (0, "memory-queue", "rabbitmq"),
        (1, "autoack-128", "rabbitmq"),
        (1, "autoack-128", "menura"),
        (1, "startup", "menura"),
    ]


def test_without_a_peer_menura_is_measured_alone() -> None:
    assert compare.plan(["autoack-128", "redis-single-1k"], ["menura"], rounds=1) == [(0, "autoack-128", "menura")]
    (row,) = rows([run("menura", 700)])
    assert report.cells(row) == ("autoack-128", "rate", "700 /s", "-", "-", "≥ 7x", "?")


def test_the_cores_are_those_of_load_and_broker() -> None:
    (used,) = cores([run("menura", 20, 0), run("menura", 40, 1), run("menura", 30, 2)])
    assert (used.scenario, used.peer, used.load, used.broker) == ("autoack-128", "menura", 0.3, 1.0)


def test_the_table_of_queues_puts_redis_beside_the_brokers() -> None:
    runs = [
        run("menura", 500, scenario="enqueue-dequeue-1k", name="enqueue"),
        run("rabbitmq", 50, scenario="enqueue-dequeue-1k", name="enqueue"),
        run("redis", 900, scenario="redis-pipelined-1k", name="enqueue"),
    ]
    text = report.backlog_table(rows(runs))
    assert "| 1k | enqueue | 500 /s | 50.0 /s | 10.00x | 900 /s | - |" in text.splitlines()


def bar_rows() -> list[Row]:
    return rows([run("menura", 700), run("rabbitmq", 100), run("menura", 1, name="p99", scenario="latency-10k")])


def test_the_chart_has_a_bar_for_each_compared_figure() -> None:
    assert report.bars(bar_rows()) == [Bar("autoack-128", 7.0, 7)]


@pytest.mark.parametrize("times", [0.01, 0.3, 1.0, 7.25, 480.0])
def test_the_chart_is_well_formed_and_its_bars_fit_and_begin_at_one(times: float) -> None:
    root = ElementTree.fromstring(chart.svg("a < b", 'c "d"', [Bar("x & y", times, 2.0), Bar("z", 1.0)]))
    width = float(root.attrib["width"])
    bar, one = (element.attrib for element in root.iter() if element.tag.endswith("rect"))
    left, right = float(bar["x"]), float(bar["x"]) + float(bar["width"])
    assert 0 < left <= right < width
    assert float(one["width"]) == 0
    assert float(one["x"]) == pytest.approx(left if times >= 1 else right, abs=0.2)


def test_a_chart_of_nothing_is_well_formed() -> None:
    assert ElementTree.fromstring(chart.svg("title", "", [])).tag.endswith("svg")


def test_a_run_is_written_as_json_table_and_chart(tmp_path: Path) -> None:
    runs = [run("menura", 700), run("rabbitmq", 100), Run(0, "rabbitmq", None, "rpc-1", "it broke")]
    document = {
        "date": "2026-11-21T10:00:00+00:00",
        **compare.machine(),
        "rounds": 1,
        "quick": True,
        "peers": {"menura": "Menura 1", "rabbitmq": "RabbitMQ 3"},
        "runs": [],
    }
    compare.write(tmp_path, document, rows(runs), runs)
    (saved,) = tmp_path.glob("2026-11-21-*-quick.json")
    assert json.loads(saved.read_text()) == document
    text = (tmp_path / "latest.md").read_text()
    assert "| autoack-128 | rate | 700 /s | 100 /s | 7.00x | ≥ 7x | yes |" in text
    assert "rpc-1, rabbitmq, round 1: it broke" in text
    assert "<svg" in (tmp_path / "latest.svg").read_text()
