"""What has become of an object's numbers: rates, and samples at even distances.

A history puts together the series of an object, or of several: a connection is all of its channels.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple

from menura.management.http.messages import bad_request
from menura.management.statistics.columns import SUMS
from menura.management.statistics.series import Series

if TYPE_CHECKING:
    from menura.management.http.messages import Request

STEP_SECONDS = 5
AGE_SECONDS_MAX = 3600
_SAMPLES_MAX = 1000


class Window(NamedTuple):
    """Samples of the last `age` seconds, `incr` seconds apart."""

    age: int
    incr: int


class Windows(NamedTuple):
    """What a request wants to see samples of: rates of messages, lengths of queues, octets, the node."""

    msg_rates: Window | None = None
    lengths: Window | None = None
    data_rates: Window | None = None
    node_stats: Window | None = None


QUERY = {
    f"{name}_{part}": f"{said} of samples of {what}, in seconds"
    for name, what in (
        ("msg_rates", "messages"),
        ("lengths", "lengths"),
        ("data_rates", "octets"),
        ("node_stats", "the node"),
    )
    for part, said in (("age", "age"), ("incr", "distance"))
}
"""The parameters, for the description of routes that know them."""


def windows(request: Request) -> Windows:
    """What was asked for behind the question mark."""
    return Windows(*(_window(request, name) for name in Windows._fields))


def _window(request: Request, name: str) -> Window | None:
    age = request.number(f"{name}_age", 0, least=0, most=86_400)
    incr = request.number(f"{name}_incr", 0, least=0, most=86_400)
    if not age or not incr:
        return None
    if age // incr > _SAMPLES_MAX:
        raise bad_request(f"{name}_age / {name}_incr may be {_SAMPLES_MAX} at most")
    return Window(age, incr)


class Rounds:
    """When the numbers were looked at: (step, time in seconds), of the last hour."""

    def __init__(self) -> None:
        self.all: deque[tuple[int, float]] = deque(maxlen=AGE_SECONDS_MAX // STEP_SECONDS + 1)

    def since(self, seconds: float) -> tuple[tuple[int, float], tuple[int, float]] | None:
        """The last round and the one so long before it, or the first one. None if there were not two."""
        rounds = self.all
        if len(rounds) < 2:
            return None
        last = rounds[-1]
        if seconds <= STEP_SECONDS:
            return rounds[-2], last
        return rounds[min(bisect_left(rounds, (last[0] - seconds / STEP_SECONDS, 0.0)), len(rounds) - 2)], last


class History:
    """The numbers of an object by name. One that is unknown is always 0."""

    __slots__ = ("_parts", "_rounds")

    def __init__(self, rounds: Rounds, parts: Sequence[tuple[Series, Sequence[str]]]) -> None:
        self._rounds = rounds
        self._parts = parts

    def rate(self, name: str, seconds: float = STEP_SECONDS) -> float:
        """The mean increase a second over the last 5, 60, 600 or 3600 seconds, or whatever else."""
        between = self._rounds.since(seconds) if self._parts else None
        if between is None:
            return 0.0
        (then, before), (now, after) = between
        lines = self._lines(name)
        return (_value(lines, now) - _value(lines, then)) / (after - before)

    def series(self, name: str, window: Window) -> list[tuple[int, int]]:
        """(milliseconds since 1970, value), oldest first; for charts."""
        rounds = self._rounds.all
        if not rounds:
            return []
        first, now = rounds[0][0], rounds[-1][0] * STEP_SECONDS
        lines = self._lines(name)
        end = now - now % window.incr
        start = end - min(window.age, AGE_SECONDS_MAX) // window.incr * window.incr
        times = [at for at in range(start, end + 1, window.incr) if at // STEP_SECONDS >= first]
        steps = [at // STEP_SECONDS for at in times]
        values = [0] * len(times)
        for series, column in lines:
            values = list(map(add, values, series.along(steps, column)))
        return [(at * 1000, value) for at, value in zip(times, values, strict=True)]

    def details(self, name: str, window: Window | None = None) -> dict[str, Any]:
        """What RabbitMQ says beside a number, under `..._details`."""
        if window is None:
            return {"rate": round(self.rate(name), 3)}
        found = self.series(name, window)
        if not found:
            return {"rate": 0.0, "samples": [], "avg_rate": 0.0, "avg": 0.0}
        (first_ms, first), (last_ms, last) = found[0], found[-1]
        several = len(found) > 1
        return {
            "rate": (last - found[-2][1]) / window.incr if several else 0.0,
            "samples": [{"sample": value, "timestamp": at} for at, value in reversed(found)],
            "avg_rate": (last - first) * 1000 / (last_ms - first_ms) if several else 0.0,
            "avg": sum(value for _, value in found) / len(found),
        }

    def latest(self, name: str) -> int:
        """As it was when it was last looked at."""
        return _value(self._lines(name), self._rounds.all[-1][0]) if self._rounds.all else 0

    def _lines(self, name: str) -> list[tuple[Series, int]]:
        names = SUMS.get(name, (name,))
        return [
            (series, columns.index(one)) for series, columns in self._parts for one in names if one in columns
        ]


def _value(lines: list[tuple[Series, int]], step: int) -> int:
    return sum([series.at(step, column) for series, column in lines])
