"""`make simulate`: lives of a journal, and of queues on one, seed after seed, until enough cuts have been looked at or
a promise is broken.

    python -m tests.simulation                     10,000 cuts, from a random seed on
    python -m tests.simulation --seed 7 --cuts 1   the life of seed 7 alone
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from contextlib import closing

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from tests.simulation.lives import HAPPENINGS, Life, lives

BAR = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


@click.command(help="Cut the power under the journal and its queues, and compare what is left with what was promised.")
@click.option("--cuts", type=click.IntRange(1), default=10_000, show_default=True, help="How many at least.")
@click.option("--seed", type=click.IntRange(0), help="That of the first life; the next ones follow.  [default: random]")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count(), show_default=True, help="At the same time.")
def main(cuts: int, seed: int | None, jobs: int) -> None:
    first = random.randrange(1 << 40) if seed is None else seed
    console = Console(highlight=False)
    console.print(f"first seed {first}")
    seen, counts = 0, Counter[str]()
    with Progress(*BAR, console=console) as progress, closing(lives(first, 1 if cuts == 1 else jobs)) as lived:
        bar = progress.add_task("cuts", total=cuts)
        for life in lived:
            seen += life.cuts
            counts += life.counts
            progress.update(bar, completed=min(seen, cuts))
            if life.complaint or seen >= cuts:
                break
    console.print(table(counts))
    if life.complaint:
        tell(life)
        sys.exit(1)
    console.print(f"{seen:,} cuts, from seed {first} on: every promise kept")


def table(counts: Counter[str]) -> Table:
    rows = Table(box=None, show_header=False)
    rows.add_column(justify="right")
    for happening in HAPPENINGS:
        rows.add_row(f"{counts[happening]:,}", happening)
    return rows


def tell(life: Life) -> None:
    """Where a log of the run keeps it, whatever it does with the screen."""
    print(f"seed {life.seed}: {life.complaint}", file=sys.stderr)
    print(f'make simulate ARGS="--seed {life.seed} --cuts 1" repeats it', file=sys.stderr)


if __name__ == "__main__":
    main()
