"""Where the log goes, and how that changes while it is written."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from menura.logs.output import LogOutput, LogSettings

_log = logging.getLogger("menura")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def output(path: Path) -> Iterator[LogOutput]:
    root = logging.getLogger()
    level = root.level
    output = LogOutput(LogSettings(file=str(path), repeats_max=2))
    yield output
    output.close()
    root.setLevel(level)


def test_it_goes_to_a_file_from_the_level_on(output: LogOutput, path: Path) -> None:
    _log.debug("not this")
    _log.info("this")
    output.change(LogSettings(level="error", file=str(path)))
    _log.info("nor this")
    assert path.read_text(encoding="utf-8").endswith("INFO    this\n")


def test_a_file_that_cannot_be_opened_changes_nothing(output: LogOutput, path: Path, tmp_path: Path) -> None:
    output.change(LogSettings(level="debug", file=str(tmp_path / "none" / "log")))
    _log.debug("not this")
    _log.info("this")
    first, second = path.read_text(encoding="utf-8").splitlines()
    assert first.endswith(
        f"log: {tmp_path}/none/log cannot be opened (No such file or directory); the log stays where it is"
    )
    assert second.endswith("this")


def test_a_file_that_cannot_be_opened_at_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LogOutput(LogSettings(file=str(tmp_path / "none" / "log")))


def test_what_was_left_out_is_told_before_the_log_moves_and_at_the_end(
    output: LogOutput, path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    for target in (path, other):
        for _ in range(5):
            _log.info("again", extra={"event": "x"})
        if target == path:
            output.change(LogSettings(file=str(other), repeats_max=2))
    output.close()
    assert path.read_text(encoding="utf-8").splitlines()[-1].endswith('… and 3 more x in 1 s, the last: "again"')
    assert "more x in" in other.read_text(encoding="utf-8").splitlines()[-1]


def test_a_level_that_was_set_at_run_time_lasts_until_the_next_reload(output: LogOutput, path: Path) -> None:
    _log.setLevel(logging.ERROR)
    _log.info("not this")
    output.change(LogSettings(file=str(path)))
    _log.info("this")
    assert [line[-4:] for line in path.read_text(encoding="utf-8").splitlines()] == ["this"]
