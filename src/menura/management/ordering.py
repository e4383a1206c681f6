"""Rows put in the order of their keys, in slices.

A key is a list of values of any kind, each behind its rank (`ranked`). Rows are dealt out to buckets by keys taken from
all over, and only the buckets that the wanted part lies in are sorted, so that no slice is longer than a bucket.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Generator
from typing import Any, Final, TypeVar

Row = TypeVar("Row")
Key = list[Any]

ABSENT: Final = object()
"""What a column gives for a row that does not have it."""

_KEYS_AT_ONCE = 100
_BUCKET_ROWS = 256
_PIVOTS_MAX = 500
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def ranked(value: Any) -> tuple[int, Any]:
    """A value behind its rank: numbers, then truth values and null, then objects and arrays, then texts."""
    kind = type(value)
    if kind is str:
        return 4, value
    if kind is int or kind is float:
        return (0, value) if value == value else (0, 0)
    if value is ABSENT:
        return 0, 0
    if value is None or kind is bool:
        return 1, _encode(value)
    return (4, str(value)) if isinstance(value, str) else (2, _encode(value))


def in_order(
    rows: list[Row], key: Callable[[Row], Key], start: int, stop: int, reverse: bool
) -> Generator[None, None, list[Row]]:
    """The rows start .. stop - 1 of them all in order."""
    stop = min(stop, len(rows))
    if reverse:
        start, stop = len(rows) - stop, len(rows) - start
    keyed: list[Key] = []
    for at, row in enumerate(rows):
        if at % _KEYS_AT_ONCE == 0:
            yield
        keyed.append([*key(row), at])  # rows that are alike stay as they came
    ordered: list[Row] = []
    for bucket in (yield from _dealt(keyed)):
        if start < len(bucket) and stop > 0:
            bucket.sort()
            ordered += [rows[entry[-1]] for entry in bucket[max(start, 0) : stop]]
            yield
        start -= len(bucket)
        stop -= len(bucket)
    if reverse:
        ordered.reverse()
    return ordered


def _dealt(keyed: list[Key]) -> Generator[None, None, list[list[Key]]]:
    """The keys in buckets, all of one bucket before all of the next."""
    count = min(len(keyed) // _BUCKET_ROWS, _PIVOTS_MAX)
    if count < 2:
        return [keyed]
    # More than are needed, so that the buckets come out about equal.
    sample = sorted(keyed[:: max(len(keyed) // (count * 4), 1)])
    pivots = sample[4::4]
    buckets: list[list[Key]] = [[] for _ in range(len(pivots) + 1)]
    for at, entry in enumerate(keyed):
        if at % _KEYS_AT_ONCE == 0:
            yield
        buckets[bisect_right(pivots, entry)].append(entry)
    return buckets
