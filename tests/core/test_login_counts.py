"""Logins counted."""

from __future__ import annotations

from menura.core.login_counts import SOURCES_MAX, USER_LENGTH_MAX, LoginCounts


def test_made_up_names_push_out_what_was_seen_longest_ago_and_no_more() -> None:
    counts = LoginCounts()
    counts.note("p", "h", "first", True)
    counts.note("p", "h", "second", False)
    counts.note("p", "h", "first", False)
    for number in range(SOURCES_MAX - 1):
        counts.note("p", "h", f"user {number}", False)
    assert len(counts.by_source) == SOURCES_MAX
    assert ("p", "h", "second") not in counts.by_source
    first = counts.by_source["p", "h", "first"]
    assert (first.succeeded, first.failed) == (1, 1)
    assert counts.by_protocol["p"].total == SOURCES_MAX + 2


def test_of_a_long_name_the_beginning_is_kept() -> None:
    counts = LoginCounts()
    counts.note("p", "h", "u" * 100_000, False)
    assert list(counts.by_source) == [("p", "h", "u" * USER_LENGTH_MAX)]


def test_counting_begins_anew_when_it_is_cleared() -> None:
    counts = LoginCounts()
    counts.note("p", "h", "u", True)
    counts.clear_sources()
    assert (len(counts.by_protocol), len(counts.by_source)) == (1, 0)
    counts.note("p", "h", "u", True)
    counts.clear()
    assert (len(counts.by_protocol), len(counts.by_source)) == (0, 0)
