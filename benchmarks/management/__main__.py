"""python -m benchmarks.management"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.management import loop_time, rates, turns, under_load
from benchmarks.management.figures import Figure

PARTS = ("rates", "under-load", "loop-time", "turns")
SCREEN_COLUMNS = 150
HEADER = ("part", "figure", "value", "target", "met", "")


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--rounds", default=5, show_default=True, help="How often the parts that compare are run.")
@click.option("--seconds", default=5.0, show_default=True, help="How long each run is.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="A JSON file for the figures.")
def main(parts: tuple[str, ...], rounds: int, seconds: float, output: Path | None) -> None:
    """Measure what looking at the broker costs those who use it.

    PARTS: rates, under-load, loop-time, turns; all if none.
    """
    console = Console(width=SCREEN_COLUMNS)

    def tell(line: str) -> None:
        console.print(line, style="dim", highlight=False)

    figures: list[Figure] = []
    for part in parts or PARTS:
        if part == "rates":
            figures += rates.measure(rounds, seconds, tell)
        elif part == "under-load":
            figures += under_load.measure(rounds, seconds, tell)
        elif part == "loop-time":
            figures += loop_time.measure(tell)
        else:
            figures += turns.measure(tell)
    table = Table(*HEADER)
    for figure in figures:
        table.add_row(*figure.cells())
    console.print(table)
    if output is not None:
        machine = {"python": platform.python_version(), "machine": platform.machine(), "processors": os.cpu_count()}
        found = {"at": datetime.now(UTC).isoformat(), **machine, "figures": [asdict(each) for each in figures]}
        output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
