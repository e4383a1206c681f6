"""A horizontal bar chart as SVG: how many times as good as RabbitMQ, with a mark where the target is.

The axis is logarithmic, since the figures lie between one and some dozens, and bars begin at 1: to the right is
better, to the left worse. Drawn by hand, since a bar is a rectangle; colours follow the reader's light or dark
scheme, on a transparent ground.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

ROW, BAR, TOP, LEFT, WIDTH, RIGHT = 28, 16, 58, 270, 460, 70

_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 15px } .quiet { fill: #6e7781; font-size: 12px }
  .bar { fill: #2f81f7 } .grid { stroke: #8c959f; stroke-opacity: .3 } .one { stroke: #8c959f }
  .target { stroke: #d4772c; stroke-width: 3 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .quiet { fill: #9198a1 } }
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """`times` as good as the peer, and the `target` for it if there is one; both above 0."""

    label: str
    times: float
    target: float | None = None


class Axis:
    """Powers of two from the one below the smallest value to the one above the largest."""

    def __init__(self, values: Sequence[float]) -> None:
        self.first = min(0, *(math.floor(math.log2(value)) for value in values)) if values else 0
        self.last = max(1, *(math.ceil(math.log2(value)) for value in values)) if values else 1

    def x(self, value: float) -> float:
        return LEFT + WIDTH * (math.log2(value) - self.first) / (self.last - self.first)


def svg(title: str, subtitle: str, bars: Sequence[Bar]) -> str:
    axis = Axis([value for bar in bars for value in (bar.times, bar.target) if value is not None])
    width, bottom = LEFT + WIDTH + RIGHT, TOP + ROW * len(bars)
    size = f'width="{width}" height="{bottom + 28}" viewBox="0 0 {width} {bottom + 28}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={quoteattr(title)}>',
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="8" y="20">{escape(title)}</text>',
        f'<text class="quiet" x="8" y="40">{escape(subtitle)}</text>',
    ]
    for power in range(axis.first, axis.last + 1):
        x, kind = axis.x(2.0**power), "grid" if power else "one"
        parts.append(_mark(kind, x, TOP, bottom))
        parts.append(f'<text class="quiet" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{2.0**power:g}x</text>')
    for number, bar in enumerate(bars):
        parts += _row(bar, TOP + number * ROW + ROW // 2, axis)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _row(bar: Bar, middle: int, axis: Axis) -> list[str]:
    left, right = sorted((axis.x(1), axis.x(bar.times)))
    parts = [
        f'<text x="{LEFT - 10}" y="{middle + 4}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect class="bar" x="{left:.1f}" y="{middle - BAR // 2}" width="{right - left:.1f}" height="{BAR}" rx="2"/>',
    ]
    if bar.target is not None:
        right = max(right, axis.x(bar.target))
        parts.append(_mark("target", axis.x(bar.target), middle - 11, middle + 11))
    parts.append(f'<text x="{right + 8:.1f}" y="{middle + 4}">{bar.times:.1f}x</text>')
    return parts


def _mark(kind: str, x: float, top: int, bottom: int) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'
