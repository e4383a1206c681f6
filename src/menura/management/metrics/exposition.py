"""The text that Prometheus reads: families of samples, in its own format or in OpenMetrics.

A family is a name, a kind and what it means, then a line for each sample. The two formats differ in little: OpenMetrics
names a counter without its `_total`, says `unknown` for `untyped`, and has a last line.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from menura.core.histogram import Histogram
from menura.management.http.messages import Request, Response

COUNTER, GAUGE, HISTOGRAM, UNTYPED = "counter", "gauge", "histogram", "untyped"
TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


class Column(NamedTuple):
    """A family: `name` without a prefix."""

    name: str
    kind: str
    help: str


def labels(**values: str) -> str:
    """What stands between the braces."""
    return ",".join([f'{name}="{value.translate(_ESCAPES)}"' for name, value in values.items()])


def sample(name: str, marks: str, value: float) -> str:
    return f"{name}{{{marks}}} {value}\n" if marks else f"{name} {value}\n"


class Page:
    """An answer that grows by families."""

    def __init__(self, request: Request) -> None:
        self.open_metrics = "application/openmetrics-text" in request.headers.get("accept", "")
        self._text = bytearray()

    def family(self, name: str, column: Column, lines: Iterable[str]) -> None:
        """`name` is the whole name; every line is one sample, ended."""
        kind, title = column.kind, name
        if self.open_metrics:
            title = name.removesuffix("_total") if kind == COUNTER else name
            kind = "unknown" if kind == UNTYPED else kind
        head = f"# TYPE {title} {kind}\n# HELP {title} {column.help}\n"
        self._text += (head + "".join(lines)).encode()

    def value(self, prefix: str, column: Column, value: float, marks: str = "") -> None:
        """A family of one sample."""
        name = prefix + column.name
        self.family(name, column, (sample(name, marks, value),))

    def histogram(self, prefix: str, column: Column, histogram: Histogram) -> None:
        name, total = prefix + column.name, 0
        lines = []
        for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
            total += count
            lines.append(sample(f"{name}_bucket", f'le="{_bound(bound)}"', total))
        lines += sample(f"{name}_sum", "", histogram.sum), sample(f"{name}_count", "", total)
        self.family(name, column, lines)

    def response(self) -> Response:
        if self.open_metrics:
            self._text += b"# EOF\n"
        return Response(200, self._text, OPEN_METRICS_TYPE if self.open_metrics else TEXT_TYPE)


def _bound(bound: float) -> str:
    return "+Inf" if bound == float("inf") else repr(bound)
