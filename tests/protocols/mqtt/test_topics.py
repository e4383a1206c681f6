"""Topics to routing keys and back, and which strings are topics and filters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from menura.core.topics import TopicTrie
from menura.protocols.mqtt.topics import filter_of, hidden, is_filter, is_topic, key_of, pattern_of, share_of, topic_of

LEVELS = st.sampled_from(["a", "b", "", "*", "\\*", "\\\\*", "a*", "*a", "a.b", ".", "\\", "$x", " "])
TOPICS = st.lists(LEVELS, min_size=1, max_size=5).map("/".join).filter(bool)
FILTERS = st.tuples(
    st.lists(st.one_of(LEVELS, st.just("+")), max_size=4), st.one_of(LEVELS, st.sampled_from(["+", "#"]))
).map(lambda found: "/".join([*found[0], found[1]]))


def matches(filter: list[str], topic: list[str]) -> bool:
    """Section 4.7, word for word."""
    if not filter:
        return not topic
    if filter == ["#"]:
        return True
    if not topic:
        return False
    return filter[0] in ("+", topic[0]) and matches(filter[1:], topic[1:])


@given(TOPICS)
def test_a_topic_comes_back_unchanged(topic: str) -> None:
    assert topic_of(key_of(topic)) == topic


@given(st.text(max_size=20))
def test_so_does_any_text(text: str) -> None:
    assert topic_of(key_of(text)) == text


@given(FILTERS.filter(bool))
def test_a_filter_comes_back_unchanged(filter: str) -> None:
    assert filter_of(pattern_of(filter)) == filter


@given(FILTERS.filter(bool), TOPICS)
def test_4_7_a_filter_matches_what_the_specification_says(filter: str, topic: str) -> None:
    trie: TopicTrie[int] = TopicTrie()
    pattern, key = pattern_of(filter), key_of(topic)
    trie.add(pattern, 1)
    expected = matches(filter.split("/"), topic.split("/"))
    if topic.startswith("$") and filter[0] in "+#":
        expected = False
    assert (bool(trie.match(key)) and not hidden(key, pattern)) is expected


@pytest.mark.parametrize("filter", ["#", "+", "a/#", "a/+/b", "/", "//", "+/+", "+//#", "$share", "a b"])
def test_4_7_1_filters(filter: str) -> None:
    assert is_filter(filter)


@pytest.mark.parametrize("filter", ["", "a#", "#/a", "a/#/b", "a+", "+a/b", "a/b+", "##", "++", "a\0"])
def test_4_7_1_strings_that_are_no_filters(filter: str) -> None:
    assert not is_filter(filter)


@pytest.mark.parametrize(("topic", "wanted"), [("a", True), ("/", True), ("", False), ("+", False), ("a/#", False)])
def test_4_7_3_topics(topic: str, wanted: bool) -> None:
    assert is_topic(topic) is wanted


@pytest.mark.parametrize(
    ("filter", "share"),
    [
        ("a", None),
        ("$share", None),
        ("$share/g/a/#", ("g", "a/#")),
        ("$share/g//a", ("g", "/a")),
        ("$share/g", ("g", "")),
        ("$share//a", ("", "")),
        ("$share/g+/a", ("g+", "")),
    ],
)
def test_4_8_2_shared_filters(filter: str, share: tuple[str, str] | None) -> None:
    assert share_of(filter) == share
