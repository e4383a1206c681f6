"""`menura bench` as it is typed."""

import json

from click.testing import CliRunner

from menura.bench import SCENARIOS
from menura.cli.bench import bench


def test_the_list_has_every_scenario() -> None:
    result = CliRunner().invoke(bench, ["--list"])
    assert result.exit_code == 0
    assert all(name in result.output for name in SCENARIOS)


def test_json_holds_the_figures(amqp_url: str) -> None:
    arguments = [
        "autoack-128",
        "--url",
        amqp_url,
        "--seconds",
        "0.2",
        "--warmup",
        "0.1",
        "--size",
        "64",
        "--json",
    ]
    result = CliRunner().invoke(bench, arguments)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["scenario"] == "autoack-128"
    assert document["metrics"][0]["value"] > 0


def test_the_table_names_scenario_figures_and_address(amqp_url: str) -> None:
    arguments = ["closed-loop-1", "--url", amqp_url, "--seconds", "0.2", "--warmup", "0"]
    result = CliRunner().invoke(bench, arguments)
    assert result.exit_code == 0, result.output
    for word in ("closed-loop-1", "rate", "p99.9", "/s", "ms", "127.0.0.1"):
        assert word in result.stdout
    assert "guest" not in result.stdout


def test_an_absent_broker_is_one_line_and_status_1(unused_url: str) -> None:
    result = CliRunner().invoke(bench, ["autoack-128", "--url", unused_url])
    assert result.exit_code == 1
    assert "nothing answers at 127.0.0.1" in result.output
    assert "Traceback" not in result.output


def test_an_unknown_scenario_is_refused() -> None:
    assert CliRunner().invoke(bench, ["no-such"]).exit_code == 2
