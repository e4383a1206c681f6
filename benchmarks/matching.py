"""`python -m benchmarks.matching`: what a match costs, by what matches and by all there is.

In one process, without a socket. Two structures are asked: the bindings of a topic exchange, which say which queues a
published topic goes to, and the retained messages, which say what a new subscription gets at once. In the first half
of each table the number of subscriptions (or retained topics) grows a thousandfold and the number of matches stays; in
the second half it is the other way round.

Subscriptions are to sensors of sites: one in four has a `+`, one in four a `#`, the others are exact. `Scene` builds
both structures, so a test can count the steps that the same questions take.
"""

import time
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from benchmarks.report import table
from menura.core import content as packed
from menura.core.node import Node
from menura.core.routing import Route
from menura.core.run import Run
from menura.core.topics import TopicTrie
from menura.core.vhost import VHost

SIZES = (100, 1_000, 10_000, 100_000)
MATCHES = (1, 10, 100, 1_000, 10_000)
FEW = 10
LARGE = SIZES[-1]
REPETITIONS = 7
SECONDS_MIN = 0.02
HEADER = ("there are", "match", "time of a match", "a matching one")


def others(count: int) -> list[str]:
    """Patterns that do not match what is asked for, though they begin alike: exact ones, `*` (MQTT: `+`), and `#`."""
    shapes = ("site.s{0}.sensor.t{0}", "site.*.sensor.t{0}", "site.s{0}.#", "site.s{0}.sensor.h{0}")
    return [shapes[number % 4].format(number) for number in range(count)]


def subscriptions(count: int, matching: int) -> TopicTrie[int]:
    """`count` patterns of which `matching` want the key `asked`; destinations are numbers."""
    trie: TopicTrie[int] = TopicTrie()
    shapes = ("site.x.sensor.t", "site.*.sensor.t", "site.x.#", "*.x.sensor.*")
    for number in range(matching):
        trie.add(shapes[number % 4], number)
    for number, pattern in enumerate(others(count - matching), matching):
        trie.add(pattern, number)
    return trie


ASKED = "site.x.sensor.t"


def retained(count: int, matching: int) -> VHost:
    """A virtual host with `count` retained topics, of which `matching` fit the pattern WANTED."""
    vhost = Node(bytes).add_vhost("bench")
    names = [f"site.x.sensor.t{number}" for number in range(matching)]
    names += [f"site.s{number}.sensor.t{number}" for number in range(count - matching)]
    for name in names:
        content = packed.pack(b"\0\0", b"21.5")
        vhost.retained.keep(Run(Route("amq.topic", name), [content], len(content), len(content), False))
    return vhost


WANTED = "site.x.#"


def match_subscriptions(count: int, matching: int) -> Callable[[], int]:
    """Asks once when called; the number of matches."""
    trie = subscriptions(count, matching)
    return lambda: len(trie.match(ASKED))


def match_retained(count: int, matching: int) -> Callable[[], int]:
    vhost = retained(count, matching)
    return lambda: sum(1 for _ in vhost.retained.match(WANTED))


def seconds_of(ask: Callable[[], int]) -> float:
    """The shortest of a few stretches of repeated questions, each long enough for the clock: the least disturbed."""
    times = 1
    while (taken := _stretch(ask, times)) < SECONDS_MIN:
        times *= 4
    return min(taken, *(_stretch(ask, times) for _ in range(REPETITIONS - 1))) / times


def _stretch(ask: Callable[[], int], times: int) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        ask()
    return time.perf_counter() - begun


def lines(build: Callable[[int, int], Callable[[], int]]) -> list[list[str]]:
    cells = []
    for count, matching in [*((size, FEW) for size in SIZES), *((LARGE, matching) for matching in MATCHES)]:
        ask = build(count, matching)
        if (found := ask()) != matching:
            raise AssertionError(f"{matching} should match, {found} do")
        seconds = seconds_of(ask)
        each = seconds / matching
        cells.append([f"{count:,}", f"{matching:,}", f"{seconds * 1e6:,.1f} us", f"{each * 1e6:,.2f} us"])
    return cells


@click.command()
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="Folder for matching.md.")
def main(output: Path | None) -> None:
    """Measure how the cost of a match grows."""
    text = "# What a match costs\n"
    for title, build in (
        ("A topic and the subscriptions that want it", match_subscriptions),
        ("A new subscription and the retained messages it gets", match_retained),
    ):
        text += f"\n## {title}\n\n{table(HEADER, lines(build), text_columns=0)}"
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "matching.md").write_text(text)
    Console().print(text, markup=False, highlight=False)


if __name__ == "__main__":
    main()
