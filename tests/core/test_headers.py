"""Header conditions of a binding."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from menura.core import fields
from menura.core.errors import PreconditionFailed
from menura.core.headers import HeaderMatch, x_match

KEYS = ["a", "b", "x-a"]
VALUES = st.sampled_from([None, "1", "2", "", 1, 2, True, False])
TABLES = st.dictionaries(st.sampled_from(KEYS), VALUES)
KINDS = st.sampled_from([None, "all", "any", "all-with-x", "any-with-x"])


def arguments(wanted: dict[str, Any], kind: Any = None) -> dict[str, bytes]:
    raw = {key: fields.encode_value(value) for key, value in wanted.items()}
    return raw if kind is None else raw | {"x-match": fields.encode_value(kind)}


def agrees(headers: dict[str, Any], key: str, wanted: Any) -> bool:
    if wanted is None:
        return key in headers
    return key in headers and (type(headers[key]), headers[key]) == (type(wanted), wanted)


@given(TABLES, KINDS, TABLES)
def test_all_or_any_of_the_arguments_must_agree(
    wanted: dict[str, Any], kind: str | None, given_: dict[str, Any]
) -> None:
    counted = wanted
    if not (kind or "").endswith("-with-x"):
        counted = {key: value for key, value in wanted.items() if not key.startswith("x-")}
    verdicts = [agrees(given_, key, value) for key, value in counted.items()]
    expected = any(verdicts) if (kind or "all").startswith("any") else all(verdicts)
    assert HeaderMatch(arguments(wanted, kind))(given_) is expected


def test_without_conditions_all_matches_everything_and_any_nothing() -> None:
    assert HeaderMatch({})({"a": 1})
    assert HeaderMatch(arguments({}, "all"))({})
    assert not HeaderMatch(arguments({}, "any"))({"a": 1})


def test_the_kind_of_match_is_no_condition_itself() -> None:
    assert HeaderMatch(arguments({}, "all-with-x"))({})
    assert not HeaderMatch(arguments({}, "any-with-x"))({"x-match": "any-with-x"})


@pytest.mark.parametrize("raw", [b"b\x01", b"B\x01", b"s\0\x01", b"I\0\0\0\x01", b"l" + bytes(7) + b"\x01"])
def test_numbers_compare_by_value_whatever_their_width(raw: bytes) -> None:
    assert HeaderMatch({"n": raw})({"n": 1})
    assert HeaderMatch({"n": raw})({"n": 1.0})
    assert not HeaderMatch({"n": raw})({"n": 2})


@pytest.mark.parametrize(("wanted", "given_"), [(1, True), (True, 1), (0, False), ("1", 1), (1, "1"), ("", None)])
def test_values_of_different_kinds_are_never_equal(wanted: Any, given_: Any) -> None:
    assert not HeaderMatch(arguments({"k": wanted}))({"k": given_})


@pytest.mark.parametrize(("wanted", "given_"), [([1], [True]), ({"a": True}, {"a": 1}), ([True], [1])])
def test_truth_is_no_number_within_lists_and_tables_either(wanted: Any, given_: Any) -> None:
    assert not HeaderMatch(arguments({"k": wanted}))({"k": given_})


def test_lists_and_tables_compare_by_their_contents() -> None:
    assert HeaderMatch(arguments({"k": [1, {"a": "b"}]}))({"k": [1, {"a": "b"}]})
    assert not HeaderMatch(arguments({"k": [1, {"a": "b"}]}))({"k": [1, {"a": "c"}]})


def test_the_default_kind_is_all() -> None:
    assert x_match({}) == "all"


@pytest.mark.parametrize("kind", ["none", "ALL", "", 1, True, ["all"]])
def test_an_unknown_kind_of_match_is_refused(kind: Any) -> None:
    with pytest.raises(PreconditionFailed, match="Invalid x-match field"):
        x_match(arguments({}, kind))
