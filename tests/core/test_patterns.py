"""Expressions find what `re` finds, and none of them takes longer than a bound."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from menura.core.errors import PreconditionFailed
from menura.core.matching import STEPS_MAX, Subject, TooLong
from menura.core.patterns import LENGTH_MAX, Pattern, escaped

ATOMS = st.sampled_from([
    "a", "b", "c", ".", "[ab]", "[^a]", r"\w", r"\W", r"\d", "[^b-c]", r"\.", r"\x61", "^", "$", r"\b", r"\B", r"\A",
    "(?i:A)", "(?#note)",
])  # fmt: skip
QUANTIFIERS = st.sampled_from(["*", "+", "?", "*?", "??", "{2}", "{1,2}", "{0,3}", "{2,}"])
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.tuples(inner, QUANTIFIERS).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        st.tuples(st.sampled_from("ab."), QUANTIFIERS).map("".join),
        st.tuples(st.sampled_from(["(?=", "(?!", "(", "(?:"]), inner).map(lambda pair: "".join(pair) + ")"),
        st.tuples(st.sampled_from(["(?<=", "(?<!"]), st.sampled_from(["a", "[ab]c", "b|c"])).map(
            lambda pair: "".join(pair) + ")"
        ),
    ),
    max_leaves=8,
)


def finds(pattern: Pattern, text: str) -> bool:
    """Found by following all ways at once, even where `re` would do."""
    subject = Subject(text)
    return pattern._everywhere(subject, subject.all) != 0


@settings(max_examples=600, deadline=None)
@given(EXPRESSIONS, st.lists(st.text("abA.\n0_", max_size=8), min_size=1, max_size=6))
def test_an_expression_finds_what_re_finds(expression: str, texts: list[str]) -> None:
    try:
        compiled = re.compile(expression, re.ASCII)
    except re.error:
        with pytest.raises(PreconditionFailed):
            Pattern(expression)
        return
    pattern = Pattern(expression)
    for text in texts:
        expected = compiled.search(text) is not None
        assert (text, finds(pattern, text), pattern.search(text)) == (text, expected, expected)


@pytest.mark.parametrize(
    ("expression", "found", "not_found"),
    [
        (r"^(?!amq\.).*", ["", "orders"], ["amq.gen"]),
        ("(?i)^Orders", ["ORDERS.eu"], ["x.orders"]),
        ("a(?i)b|c", ["aB", "C"], ["AB"]),
        ("^[[:alpha:]]+[[:digit:]]{2}$", ["abc12"], ["abc1", "12"]),
        ("^[^[:space:]&&]$", ["a", "["], [" ", "&"]),
        (r"^a\z", ["a"], ["a\n"]),
        (r"^a\Z", ["a", "a\n"], ["a\n\n"]),
        (r"^\h$", [" ", "\t"], ["\n"]),
        ("(?<year>2026)", ["in 2026"], ["2025"]),
        ("(?'year'2026)", ["in 2026"], ["2025"]),
        ("^[]a]$", ["]", "a"], ["b"]),
        (r"^\d$", ["7"], ["\u0667"]),
        ("é+$", ["caféé"], ["cafe"]),
        ("", ["", "anything"], []),
    ],
)
def test_what_expressions_mean(expression: str, found: list[str], not_found: list[str]) -> None:
    pattern = Pattern(expression)
    for text in found + not_found:
        assert (text, pattern.search(text), finds(pattern, text)) == (text, text in found, text in found)


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("(", "missing )"),
        (")", "unbalanced parenthesis"),
        ("[a", "unterminated character set"),
        ("*", "nothing to repeat"),
        ("a**", "multiple repeat"),
        ("a{3,1}", "min repeat greater than max repeat"),
        ("[z-a]", "bad character range z-a"),
        ("\\", "bad escape (end of pattern)"),
        (r"\p{Lu}", r"bad escape \p"),
        ("(?<=a*)", "look-behind requires fixed-width pattern"),
        (r"(a)\1", "references to groups are not supported"),
        ("(?P<n>a)(?P=n)", "unrecognized character after (?"),
        ("(?>a*)b", "unrecognized character after (?"),
        ("a*+", "possessive quantifiers are not supported"),
        ("(" * 100 + ")" * 100, "parentheses are too deeply nested"),
        ("a{99999999999}", "the repetition number is too large"),
        ("a" * (LENGTH_MAX + 1), "must not exceed 1024 bytes"),
        ("é" * LENGTH_MAX, "must not exceed 1024 bytes"),
    ],
)
def test_what_is_no_expression_is_refused(expression: str, wrong: str) -> None:
    with pytest.raises(PreconditionFailed, match=re.escape(wrong)):
        Pattern(expression)


BOMBS = [
    "^(a+)+$", "(a|a)*b", "(x+x+)+y", "(a?){250}a{250}b", "((a{1,1000}){1,1000}){1,1000}b", "(.*)(.*)(.*)(.*)(.*)z",
    "(((a{1000}){1000}){1000}){1000}", "(((){1000}){1000}){1000}b", "(?=(?=(?=(?=.*b).*b).*b).*b)", "(?:(?=.*b)a)*b",
    "((((a*b?)*b?)*b?)*c?)*d", "((a|(?=.*))*b|)*(?=.*z)c", "(?i)A*A*A*B", "a*a*a*a*b", "[a-c]*?[a-c]*?d",
    "(a*)*(a*)*(a*)*b", "((((((((a*)*)*)*)*)*)*)*)*b", "(?!(a+)+$)b", "((?=a*(?=a*(?=a*b)))a)*b",
]  # fmt: skip


@pytest.mark.parametrize("expression", BOMBS)
def test_what_would_keep_a_backtracking_engine_busy_for_ever_is_soon_answered(expression: str) -> None:
    pattern = Pattern(expression)
    assert pattern._fast is None, "nothing is left to `re` that it cannot do"
    for text in ("a" * 255, "a" * 255 + "!", "ab" * 127, "a" * 65535):
        pattern.search(text)  # the test's own time limit is the assertion


def test_a_search_that_takes_too_much_work_finds_nothing() -> None:
    pattern = Pattern("(?:(?=(?:(?=(?:.|a)*b)a)*)a)*b$")
    subject = Subject("a" * 255 + "b")
    with pytest.raises(TooLong):
        pattern._everywhere(subject, subject.all)
    assert subject.steps < 0
    assert pattern.search("aab")
    assert not pattern.search("a" * 255 + "b")


@pytest.mark.parametrize("expression", [".*", r"^orders\.", r"^(foo|bar)\..*-x$", r"^(?!amq\.).*", "^a.*b.*", "x?y?z"])
def test_expressions_in_common_use_are_left_to_re_where_names_are_short(expression: str) -> None:
    pattern = Pattern(expression)
    assert pattern._fast is not None
    steps = re.compile(expression, re.ASCII).search("a" * 256 + "b")
    assert pattern.search("a" * 256 + "b") is (steps is not None)


def test_a_long_text_costs_an_ordinary_expression_little_of_what_it_may() -> None:
    text = "a/" * 30_000 + "end"
    for expression in (r"^a/.*end$", "(a/)b|end", r"^[a/]*[a-z]+$"):
        subject = Subject(text)
        before = subject.steps
        assert Pattern(expression)._everywhere(subject, subject.all)
        assert before == STEPS_MAX // (1 + len(text) // 1024)
        assert before - subject.steps < 20


@given(st.text(max_size=20), st.text(max_size=20))
def test_an_escaped_text_is_found_as_it_stands(text: str, around: str) -> None:
    assert Pattern(escaped(text)).search(around + text + around)
    assert finds(Pattern(f"^{escaped(text)}$"), text)
