"""The benchmark of the management side measures what it says; how much, is for a quiet machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.management import loop_time, rates, under_load
from benchmarks.management.__main__ import main
from click.testing import CliRunner


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_time, "QUEUES", 300)
    monkeypatch.setattr(loop_time, "BUSY", 20)
    monkeypatch.setattr(loop_time, "HISTORY_SECONDS", 30)
    monkeypatch.setattr(loop_time, "REPETITIONS", 1)
    monkeypatch.setattr(rates, "SCENARIO_NAMES", ("autoack-128",))
    monkeypatch.setattr(under_load, "RATES", (2_000,))
    monkeypatch.setattr(under_load, "PROBES_PER_SECOND", 100)
    monkeypatch.setattr(under_load, "QUEUES", 600)
    # What this machine is busy with is not to decide.
    monkeypatch.setattr(under_load, "CARRIED", 0.0)
    monkeypatch.setattr(under_load, "CALM_MS_MAX", 60_000.0)


@pytest.mark.parametrize("part", ["loop-time", "under-load", "rates"])
def test_a_part_of_it_ends_with_figures(part: str, tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    arguments = [part, "--rounds", "1", "--seconds", "0.3", "--output", str(output)]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    figures = json.loads(output.read_text())["figures"]
    assert figures
    assert [figure for figure in figures if figure["most"] is not None]
    for figure in figures:
        assert figure["name"] in result.output.replace("\n", " ")
