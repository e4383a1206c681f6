"""Kill a broker again and again in the middle of a load, and count what it had promised and did not keep.

python -m tests.durability.kill --client raw              100 kills, from a random seed
python -m tests.durability.kill --client pika --seed 7    the same choices again (not the same moments)
python -m tests.durability.kill --client mqtt             sessions, QoS 1 and 2, retained messages; or stomp
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from tests.durability.books import Verdict
from tests.durability.killing import Killing, summary
from tests.durability.lives import Lives
from tests.durability.mqtt_lives import MqttLives
from tests.durability.stomp_lives import StompLives

BAR = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
SHOWN_MAX = 20
CLIENTS: dict[str, Callable[[Path, int, int], Killing]] = {
    "raw": partial(Lives, client="raw"),
    "pika": partial(Lives, client="pika"),
    "mqtt": MqttLives,
    "stomp": StompLives,
}


@click.command(help="Kill a broker in the middle of a load, and compare what is there with what was confirmed.")
@click.option("--kills", type=click.IntRange(1), default=100, show_default=True, help="How many.")
@click.option(
    "--client", type=click.Choice(list(CLIENTS)), default="raw", show_default=True, help="Who makes the load."
)
@click.option("--seed", type=click.IntRange(0), help="Of the choices the load makes.  [default: random]")
@click.option("--steps", type=click.IntRange(100, 500_000), help="Publishes, confirms and so on up to a kill, at most.")
@click.option("--data", type=click.Path(path_type=Path), help="The directory, kept.  [default: a temporary one]")
def main(kills: int, client: str, seed: int | None, steps: int | None, data: Path | None) -> None:
    seed = random.randrange(1 << 32) if seed is None else seed
    console = Console(highlight=False)
    console.print(f"seed {seed}")
    with TemporaryDirectory() as folder, Progress(*BAR, console=console) as progress:
        lives = CLIENTS[client](data or Path(folder) / "data", seed, steps or 0)
        lives.prepare()
        complaints: list[str] = []
        for _ in progress.track(range(kills), description="kills"):
            complaints += told(lives.live(), console)
        complaints += told(lives.look(), console)
    print(summary(client, lives.totals))
    sys.exit(1 if complaints else 0)


def told(verdict: Verdict, console: Console) -> list[str]:
    for sentence in verdict.sentences[:SHOWN_MAX]:
        console.print(sentence[:2000], markup=False)
    return verdict.sentences


if __name__ == "__main__":
    main()
