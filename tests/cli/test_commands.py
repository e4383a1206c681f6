"""`menura` and what comes behind it: help, and names that are none."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from menura.cli import COMMANDS, main


def menura(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def test_help_lists_every_command_however_it_is_asked_for() -> None:
    texts = [menura(*words) for words in (["help"], ["--help"], ["-h"])]
    assert {text.exit_code for text in texts} == {0}
    assert len({text.output for text in texts}) == 1
    assert [line.split()[0] for line in texts[0].output.split("Commands:")[1].splitlines() if line] == list(COMMANDS)


def test_help_of_a_command_is_its_own() -> None:
    assert menura("help", "serve").output == menura("serve", "--help").output
    assert menura("help", "help").output == menura("help").output


def test_help_of_a_verb_of_ctl_is_its_own() -> None:
    told = menura("help", "ctl", "list_queues")
    assert told.exit_code == 0
    assert told.output == menura("ctl", "list_queues", "--help").output
    assert "list_queues" in told.output


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("serv", "No such command 'serv'. Did you mean 'menura serve'?"),
        ("list_queues", "No such command 'list_queues'. Did you mean 'menura ctl list_queues'?"),
        ("status", "No such command 'status'. Did you mean 'menura ctl status'?"),
        ("lyrebird", "No such command 'lyrebird'.\n"),
    ],
)
def test_a_command_that_is_none_is_told_with_what_may_be_meant(word: str, hint: str) -> None:
    result = menura(word)
    assert result.exit_code == 2
    assert hint in result.output
