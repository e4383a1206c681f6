"""The topic exchange: which routing keys a pattern of words matches.

Dots part words, and words may be empty; but the empty key has no word at all.
"""

from __future__ import annotations

import pytest
from pamqp.commands import Queue
from tests.conformance.wire import Client

# pattern: (keys that match, keys that do not)
PATTERNS: dict[str, tuple[list[str], list[str]]] = {
    "a.b": (["a.b"], ["a", "a.b.c", "a.c", "", "A.B", "a.b.", ".a.b"]),
    "": ([""], ["a", "."]),
    "#": (["", "a", "a.b", "a.b.c", ".", "..", "*", "#"], []),
    "*": (["a", "*", "#"], ["a.b", ".", ""]),
    "*.*": (["a.b", ".", "a.", ".b"], ["", "a", "a.b.c"]),
    "a.*": (["a.b", "a.*", "a."], ["a", "a.b.c", "b.a"]),
    "*.a": (["b.a", ".a"], ["a", "c.b.a"]),
    "a.#": (["a", "a.b", "a.b.c", "a."], ["b.a", "", "ab"]),
    "#.a": (["a", "b.a", "c.b.a", ".a"], ["a.b", ""]),
    "a.#.b": (["a.b", "a.c.b", "a.c.d.b", "a.b.b", "a..b"], ["a", "b", "a.b.c", "ab"]),
    "#.a.#": (["a", "b.a", "a.b", "b.a.c", "a.a", "b.c.a.d.e"], ["", "b", "b.c", "ba"]),
    "a.*.#": (["a.b", "a.b.c", "a.b.c.d", "a."], ["a", "b.a"]),
    "a.#.*": (["a.b", "a.b.c"], ["a"]),
    "*.#": (["a", "a.b", "a.b.c", "."], [""]),
    "#.*": (["a", "a.b"], [""]),
    "#.#": (["", "a", "a.b"], []),
    "a.*.b.#": (["a.x.b", "a.x.b.c.d"], ["a.b", "a.x.y.b"]),
    "*.b.#.d": (["a.b.d", "a.b.c.d", "a.b.c.c.d"], ["b.d", "a.b", "a.b.d.e"]),
    "#.a.#.b.#": (["a.b", "x.a.y.b.z", "a.a.b.b"], ["b.a", "a", "b"]),
    "a..b": (["a..b"], ["a.b", "a.c.b"]),
    ".a": ([".a"], ["a", "b.a"]),
    "a.": (["a."], ["a", "a.b"]),
    ".": (["."], ["", "a", "a.b"]),
    "a*": (["a*"], ["ab", "a"]),
    "#a": (["#a"], ["a", "ba", "b.a"]),
    "a.b*.c": (["a.b*.c"], ["a.bb.c"]),
    "ü.*": (["ü.ß"], ["u.ß"]),
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_matches_word_by_word(c: Client, q: str, x: str, pattern: str) -> None:
    matching, others = PATTERNS[pattern]
    c.exchange(x, "topic")
    c.queue(q)
    c.bind(q, x, pattern)
    for key in matching + others:
        c.publish(key, key.encode(), exchange=x)
    assert c.bodies(q) == [key.encode() for key in matching]


def test_a_queue_gets_one_copy_however_many_patterns_match(c: Client, q: str, x: str) -> None:
    c.exchange(x, "topic")
    c.queue(q)
    for pattern in ("#", "a.*", "*.b", "a.b", "a.#.b"):
        c.bind(q, x, pattern)
    c.publish("a.b", exchange=x)
    assert c.bodies(q) == [b"m"]


def test_unbinding_one_pattern_leaves_the_others(c: Client, q: str, x: str) -> None:
    c.exchange(x, "topic")
    c.queue(q)
    for pattern in ("#", "a.*", "a.#", "a.b"):
        c.bind(q, x, pattern)
    for pattern in ("#", "a.b", "a.#"):
        c.ask(Queue.Unbind(queue=q, exchange=x, routing_key=pattern), "1 Queue.UnbindOk()")
    for key in ("a", "b", "a.b", "a.b.c"):
        c.publish(key, key.encode(), exchange=x)
    assert c.bodies(q) == [b"a.b"]


def test_bindings_of_several_queues_do_not_mix(c: Client, q: str, q2: str, x: str) -> None:
    c.exchange(x, "topic")
    c.queue(q)
    c.queue(q2)
    c.bind(q, x, "a.*")
    c.bind(q2, x, "a.#")
    for key in ("a", "a.b", "a.b.c"):
        c.publish(key, key.encode(), exchange=x)
    assert c.bodies(q) == [b"a.b"]
    assert c.bodies(q2) == [b"a", b"a.b", b"a.b.c"]


def test_a_key_may_have_as_many_words_as_fit(c: Client, q: str, x: str) -> None:
    c.exchange(x, "topic")
    c.queue(q)
    c.bind(q, x, "#.end")
    c.publish("." * 251 + ".end"[1:], exchange=x)
    c.publish("." * 255, exchange=x)
    assert c.bodies(q) == [b"m"]
