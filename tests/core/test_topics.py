"""Topic patterns: the trie against a matcher that is plainly right, and what a match may cost."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.core.domain import operations

from menura.core.topics import TopicTrie

WORDS = st.sampled_from(["a", "b", "ab", "", "*", "#"])
TEXTS = st.lists(WORDS, min_size=1, max_size=6).map(".".join)
BOUND = st.lists(st.tuples(TEXTS, st.integers(0, 3)), max_size=12)


def matches(pattern: list[str], key: list[str]) -> bool:
    """Straight from the definition."""
    if not pattern:
        return not key
    if pattern[0] == "#":
        return matches(pattern[1:], key) or (bool(key) and matches(pattern, key[1:]))
    return bool(key) and pattern[0] in ("*", key[0]) and matches(pattern[1:], key[1:])


def words(text: str) -> list[str]:
    return text.split(".") if text else []


def trie_of(bound: list[tuple[str, int]]) -> TopicTrie[int]:
    trie: TopicTrie[int] = TopicTrie()
    for pattern, destination in bound:
        trie.add(pattern, destination)
    return trie


@given(BOUND, TEXTS)
@example([("#.a.#", 0)], "a")
@example([("*", 0), ("#", 1), ("*.*", 2)], "*.#")
@example([("#.#.*", 0)], "a")
def test_a_key_goes_where_a_pattern_matches_it(bound: list[tuple[str, int]], key: str) -> None:
    found = trie_of(bound).match(key)
    assert set(found) == {place for pattern, place in bound if matches(words(pattern), words(key))}


@pytest.mark.parametrize(
    ("pattern", "key", "wanted"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.b.", False),
        ("a.*", "a", False),
        ("a.*", "a.", True),
        ("a.*", "a.b.c", False),
        ("a.#", "a", True),
        ("a.#", "a.b.c", True),
        ("#.b", "a.b", True),
        ("#.b", "b", True),
        ("#", "a.b.c", True),
        ("a..b", "a..b", True),
        ("a.*.b", "a..b", True),
        ("a.#.b", "a.b", True),
        ("*.*", ".", True),
        ("", "", True),
        ("#", "", True),
        ("a", "*", False),
        ("a", "#", False),
    ],
)
def test_patterns_match_by_words(pattern: str, key: str, wanted: bool) -> None:
    assert bool(trie_of([(pattern, 1)]).match(key)) is wanted


@pytest.mark.parametrize("pattern", ["*", "#.*", "*.#", ".#", "#.", "#.*.#"])
def test_the_empty_key_has_no_words(pattern: str) -> None:
    assert not trie_of([(pattern, 1)]).match("")


@given(BOUND, st.data())
def test_a_pattern_holds_until_it_was_removed_as_often_as_added(
    bound: list[tuple[str, int]], data: st.DataObject
) -> None:
    trie = trie_of(bound)
    left = Counter(bound)
    for pattern, destination in data.draw(st.permutations(bound)):
        trie.remove(pattern, destination)
        left[pattern, destination] -= 1
        key = pattern.replace("*", "a").replace("#", "b")
        assert set(trie.match(key)) == {
            place for (each, place), count in left.items() if count and matches(words(each), words(key))
        }


@given(BOUND, st.data())
def test_removing_everything_leaves_nothing_behind(bound: list[tuple[str, int]], data: st.DataObject) -> None:
    trie = trie_of(bound)
    for pattern, destination in data.draw(st.permutations(bound)):
        trie.remove(pattern, destination)
    assert not trie._root.children
    assert not trie._root.destinations


def test_removing_a_branch_keeps_what_lies_beside_and_above_it() -> None:
    trie = trie_of([("a", 1), ("a.b", 2), ("a.c", 3)])
    trie.remove("a.b", 2)
    assert (set(trie.match("a")), set(trie.match("a.b")), set(trie.match("a.c"))) == ({1}, set(), {3})


@pytest.mark.parametrize("others", ["x{}.b.c", "a.x{}.c", "a.b.x{}", "*.x{}.c", "#.x{}", "a.*.x{}", "a.b.c.x{}"])
def test_bindings_that_do_not_match_cost_nothing(others: str) -> None:
    costs = []
    for count in (2, 2000):
        trie = trie_of([("a.b.c", -1), ("a.*.c", -2), ("#.c", -3), *((others.format(n), n) for n in range(count))])
        costs.append(operations(lambda trie=trie: trie.match("a.b.c")))  # type: ignore[misc]
        assert set(trie.match("a.b.c")) == {-1, -2, -3}
    assert costs[0] == costs[1]


def test_a_pattern_of_many_hashes_costs_no_more_than_its_words_times_those_of_the_key() -> None:
    def cost(scale: int) -> int:
        trie = trie_of([(".".join(["#"] * scale + ["x"]), 1)])
        return operations(lambda: trie.match(".".join("a" * 2 * scale)))

    assert cost(32) < 5 * cost(16)
