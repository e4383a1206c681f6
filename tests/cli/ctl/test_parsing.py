"""The command line of a verb."""

from __future__ import annotations

import pytest

from menura.cli.ctl.arguments import FLAG, MANY, TEXT, WHOLE, parse, split_verb
from menura.cli.ctl.errors import UsageError


def test_options_stand_anywhere_among_arguments() -> None:
    assert parse(["a", "-p", "v", "b", "--quiet", "c"], {}, {}) == (["a", "b", "c"], {"vhost": "v", "quiet": True})


def test_a_value_may_be_joined_to_its_option() -> None:
    assert parse(["--vhost=v", "--x=1"], {"x": WHOLE}, {}) == ([], {"vhost": "v", "x": 1})


def test_a_flag_is_negated_with_no() -> None:
    assert parse(["--no-table-headers"], {}, {}) == ([], {"table-headers": False})


def test_underscores_in_options_are_dashes() -> None:
    assert parse(["--apply_to", "queues"], {"apply-to": TEXT}, {}) == ([], {"apply-to": "queues"})


def test_an_option_may_be_given_several_times() -> None:
    assert parse(["--header", "a", "--header", "b=1"], {"header": MANY}, {})[1] == {"header": ["a", "b=1"]}


def test_after_two_dashes_everything_is_an_argument() -> None:
    assert parse(["--", "-p", "--quiet"], {}, {}) == (["-p", "--quiet"], {})


def test_negative_numbers_and_a_dash_are_arguments() -> None:
    assert parse(["-1", "-0.5", "-"], {}, {}) == (["-1", "-0.5", "-"], {})


def test_the_virtual_host_may_be_the_one_without_a_name() -> None:
    assert parse(["-p", ""], {}, {}) == ([], {"vhost": ""})


@pytest.mark.parametrize("words", [["--nonsense"], ["-z"], ["--x", "one"], ["--x"], ["--url"]])
def test_what_makes_no_sense_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError, match="Invalid options"):
        parse(words, {"x": WHOLE}, {})


def test_a_verb_with_free_options_takes_them_as_names_and_values() -> None:
    words = ["queue", "--name", "q", "--durable=true", "auto_delete=false", "-p", "v"]
    assert parse(words, {}, {}, free=True) == (["queue", "name=q", "durable=true", "auto_delete=false"], {"vhost": "v"})


@pytest.mark.parametrize(
    ("words", "verb", "rest"),
    [
        (["list_queues", "-q"], "list_queues", ["-q"]),
        (["-n", "rabbit@host", "-q", "status"], "status", ["-n", "rabbit@host", "-q"]),
        (["--node=rabbit@host", "status", "x"], "status", ["--node=rabbit@host", "x"]),
        (["-q"], None, ["-q"]),
    ],
)
def test_common_options_may_come_before_the_verb(words: list[str], verb: str | None, rest: list[str]) -> None:
    assert split_verb(words) == (verb, rest)


def test_options_of_a_verb_may_come_before_it_too() -> None:
    words = ["-f", "tsv", "--sort", "name", "list", "queues"]
    assert split_verb(words, {"format": TEXT, "sort": TEXT}, {"f": "format"}) == (
        "list",
        ["-f", "tsv", "--sort", "name", "queues"],
    )


def test_short_options_of_a_verb_beat_the_common_ones() -> None:
    assert parse(["-s"], {"sort": FLAG}, {"s": "sort"})[1] == {"sort": True}
