"""How even the ring of `x-consistent-hash` is, and how much moves when a queue leaves: the chart in the documents.

Shares are exact, from the arcs between points; what moves is counted over keys, beside a hash modulo the number of
queues. Nothing is random, so the same drawing comes out everywhere: `python -m benchmarks.hashing` writes it.
"""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from menura.core.exchanges.modulus_hash import phash2
from menura.core.exchanges.ring import POINTS, Ring, places

COUNTS = (2, 3, 4, 5, 7, 10, 14, 20, 30, 50, 70, 100)
KEYS = [f"key {n}" for n in range(10_000)]
CHART = Path(__file__).parents[1] / "docs" / "consistent-hashing.svg"

LEFT, TOP, WIDTH, HEIGHT, GAP = 60, 62, 330, 220, 90
_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #6e7781 } .title { font-weight: 600; font-size: 14px; fill: #24292f }
  .grid { stroke: #8c959f; stroke-opacity: .3 } polyline { fill: none; stroke-width: 2 }
  .ring { stroke: #2f81f7 } .modulus { stroke: #d4772c } .own { stroke: #8c959f; stroke-dasharray: 5 4 }
  .band { fill: #2f81f7; fill-opacity: .2 }
  @media (prefers-color-scheme: dark) { text { fill: #9198a1 } .title { fill: #e6edf3 } }
"""


def names(count: int) -> list[str]:
    return [f"queue orders-{n}" for n in range(count)]


def shares(count: int) -> list[float]:
    """What each of so many queues has of the ring; 1 is an even share."""
    points = sorted((place, name) for name in names(count) for place in places(name, POINTS))
    arcs: Counter[str] = Counter()
    before = points[-1][0] - (1 << 64)
    for place, name in points:
        arcs[name] += place - before
        before = place
    return [arc * count / (1 << 64) for arc in arcs.values()]


def moved_on_the_ring(count: int) -> float:
    """Which part of the keys has another queue when one of so many has left."""
    ring: Ring[str] = Ring()
    for name in names(count):
        ring.add(name, name, 1)
    before = [ring.member(key.encode()) for key in KEYS]
    ring.remove(names(count)[0])
    return sum(ring.member(key.encode()) != old for key, old in zip(KEYS, before, strict=True)) / len(KEYS)


def moved_by_modulus(count: int) -> float:
    """The same where a queue is chosen by the hash modulo their number."""
    hashes = [phash2([key]) for key in KEYS]
    # The first has left, so each of the others has moved up one place.
    return sum(value % count != value % (count - 1) + 1 for value in hashes) / len(KEYS)


def svg() -> str:
    width, height = LEFT + 2 * WIDTH + GAP + 30, TOP + HEIGHT + 60
    spread = [shares(count) for count in COUNTS]
    low, high = [min(each) for each in spread], [max(each) for each in spread]
    own = [1 / count for count in COUNTS]
    ring, modulus = [moved_on_the_ring(count) for count in COUNTS], [moved_by_modulus(count) for count in COUNTS]
    second = LEFT + WIDTH + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'role="img" aria-label="Evenness and movement of consistent hashing, by number of queues">',
        f"<style>{_STYLE}</style>",
        *_frame(LEFT, "Smallest and largest share (even: 1)", (0, 0.5, 1, 1.5)),
        f'<polygon class="band" points="{_points(LEFT, high, 1.5)} {_points(LEFT, low, 1.5, backwards=True)}"/>',
        _line(LEFT, [1.0] * len(COUNTS), 1.5, "own"),
        *_frame(second, "Keys that move when one queue leaves", (0, 0.25, 0.5, 0.75, 1), percent=True),
        _line(second, modulus, 1, "modulus"),
        _line(second, ring, 1, "ring"),
        _line(second, own, 1, "own"),
        _label(second + WIDTH * 0.5, TOP + HEIGHT * 0.14, "x-modulus-hash"),
        _label(second + WIDTH * 0.5, TOP + HEIGHT * 0.72, "x-consistent-hash"),
        _label(second + WIDTH * 0.5, TOP + HEIGHT * 0.72 + 16, "(dashed: its own share)"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _x(left: int, count: int) -> float:
    return left + WIDTH * math.log(count / COUNTS[0]) / math.log(COUNTS[-1] / COUNTS[0])


def _y(value: float, top: float) -> float:
    return TOP + HEIGHT * (1 - value / top)


def _points(left: int, values: Sequence[float], top: float, backwards: bool = False) -> str:
    placed = [f"{_x(left, count):.1f},{_y(value, top):.1f}" for count, value in zip(COUNTS, values, strict=True)]
    return " ".join(reversed(placed) if backwards else placed)


def _line(left: int, values: Sequence[float], top: float, kind: str) -> str:
    return f'<polyline class="{kind}" points="{_points(left, values, top)}"/>'


def _frame(left: int, title: str, marks: Sequence[float], percent: bool = False) -> list[str]:
    parts = [f'<text class="title" x="{left}" y="32">{title}</text>']
    for mark in marks:
        y = _y(mark, marks[-1])
        text = f"{mark:.0%}" if percent else f"{mark:g}"
        parts.append(f'<line class="grid" x1="{left}" x2="{left + WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for count in (2, 5, 10, 20, 50, 100):
        parts.append(f'<text x="{_x(left, count):.1f}" y="{TOP + HEIGHT + 20}" text-anchor="middle">{count}</text>')
    parts.append(f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 42}" text-anchor="middle">queues</text>')
    return parts


def _label(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}">{text}</text>'


if __name__ == "__main__":
    CHART.write_text(svg(), encoding="utf-8")
    print(CHART)
