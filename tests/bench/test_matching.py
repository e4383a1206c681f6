"""A match costs what matches, not what there is: counted in steps of the interpreter, which no other load moves.

The questions are those of `benchmarks.matching`, which measures them in time.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from benchmarks import matching
from click.testing import CliRunner

FEW, MANY, LARGE = 100, 1_000, 30_000
QUESTIONS = [matching.match_subscriptions, matching.match_retained]


def steps(ask: Callable[[], int]) -> int:
    """How many instructions of Python's it takes."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        ask()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_does_not_match_costs_nothing(question: Callable[[int, int], Callable[[], int]]) -> None:
    few, large = question(FEW, 10), question(LARGE, 10)
    assert few() == large() == 10
    assert steps(large) <= 1.1 * steps(few)


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_matches_is_found_and_counted(question: Callable[[int, int], Callable[[], int]]) -> None:
    assert question(MANY, MANY)() == MANY
    assert question(MANY, 0)() == 0


def test_each_retained_message_that_matches_costs_the_same() -> None:
    ten, thousand = (steps(matching.match_retained(2 * MANY, count)) for count in (10, 1_000))
    assert 50 * ten < thousand < 100 * ten


def test_steps_are_more_for_more_work() -> None:
    assert steps(lambda: sum(number for number in range(100))) > 100


def test_the_measurement_prints_and_writes_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "SIZES", (10, 50))
    monkeypatch.setattr(matching, "MATCHES", (1, 20))
    monkeypatch.setattr(matching, "LARGE", 50)
    monkeypatch.setattr(matching, "SECONDS_MIN", 0.0001)
    result = CliRunner().invoke(matching.main, ["--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "matching.md").read_text()
    assert text.count("| 50 | 20 |") == 2
    assert "retained" in result.output
