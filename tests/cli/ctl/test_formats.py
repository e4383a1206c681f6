"""How results are printed."""

from __future__ import annotations

import json

import pytest

from menura.cli.ctl.formats import FORMATTERS, Facts, Table, formatted
from menura.cli.ctl.terms import Arguments, Protocol, Tags, pid, protocol, text

TABLE = Table(
    ("name", "durable", "arguments", "tags", "rate", "policy"),
    [
        ("q", True, Arguments({"x-max-length": 5, "deep": {"a": [1, "two"]}}), Tags(("a", "b")), 0.5, None),
        ('say "x"', False, Arguments(), Tags(), 0, "p"),
    ],
)


def shown(formatter: str, headers: bool = True) -> list[str]:
    return list(formatted(TABLE, formatter, headers))


def test_a_table_has_tabs_between_columns_and_values_as_terms() -> None:
    assert shown("table") == [
        "name\tdurable\targuments\ttags\trate\tpolicy",
        'q\ttrue\t[{"x-max-length",5},{"deep",[{"a",[1,"two"]}]}]\t[a, b]\t0.5\t',
        'say "x"\tfalse\t[]\t[]\t0\tp',
    ]


def test_the_header_can_be_left_out() -> None:
    for formatter in ("table", "csv", "pretty_table"):
        assert not any("durable" in line for line in shown(formatter, headers=False))


def test_a_table_without_rows_is_nothing_but_a_list_in_json() -> None:
    empty = Table(("a",), [])
    assert [list(formatted(empty, name, True)) for name in FORMATTERS] == [[], [], ["[", "]"], [], ["[]"]]


def test_json_has_a_row_on_a_line() -> None:
    lines = shown("json")
    assert lines[0] == "["
    assert lines[2].startswith(',{"name":"say')
    first = json.loads("".join(lines))[0]
    assert first["arguments"] == [
        ["x-max-length", "signedint", 5],
        ["deep", "table", [["a", "array", [["signedint", 1], ["longstr", "two"]]]]],
    ]
    assert (first["tags"], first["policy"], first["durable"]) == (["a", "b"], "", True)


def test_csv_doubles_quotes() -> None:
    assert shown("csv")[2] == '"say ""x""","false","[]","[]","0","p"'


def test_a_box_is_as_wide_as_what_is_in_it() -> None:
    plain = [
        line.replace("\033(0", "").replace("\033(B", "").replace("\033[1m", "").replace("\033[0m", "")
        for line in shown("pretty_table")
    ]
    assert len({len(line) for line in plain}) == 1
    assert plain[0].startswith("lqqqq")
    assert plain[-1].startswith("mqqqq")


def test_facts_are_text_or_json() -> None:
    facts = Facts("well", {"state": "well"})
    assert list(formatted(facts, "table", True)) == ["well"]
    assert list(formatted(facts, "json", True)) == ['{"state":"well"}']


def test_the_same_name_has_the_same_pid_and_another_one_another() -> None:
    names = [f"127.0.0.1:{port} -> 127.0.0.1:5672" for port in range(40000, 42000)]
    pids = [pid("n@h", name) for name in names]
    assert pids == [pid("n@h", name) for name in names]
    assert len(set(pids)) == len(pids)


@pytest.mark.parametrize(
    ("label", "shape"),
    [("AMQP 0-9-1", "{0,9,1}"), ("MQTT 3.1.1", "{'MQTT',\"3.1.1\"}"), ("STOMP 1.2", "{'STOMP',\"1.2\"}"), ("", "")],
)
def test_a_protocol_is_a_tuple(label: str, shape: str) -> None:
    assert text(protocol(label)) == shape


def test_a_protocol_is_a_list_in_json() -> None:
    assert json.loads("".join(formatted(Table(("p",), [[Protocol((0, 9, 1))]]), "json", True)))[0]["p"] == [0, 9, 1]
