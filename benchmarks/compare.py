"""`make bench`: every scenario against Menura, RabbitMQ and, over MQTT, mosquitto in turn, several rounds, in one run.

Absolute figures depend on the machine and on the hour, so what counts is the ratio: within a round each
scenario is run against one broker right after the other, and who goes first alternates. All run throughout: for each
protocol a Menura with nothing on disk and one with a data directory for the durable scenarios. The memory figures get
a Menura and a mosquitto of their own, since they are true of a fresh process only. A peer that is missing is named and
left out.

Writes into benchmarks/results: a JSON file with every single run, latest.md and latest.svg.
"""

import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import chart, peers, report
from benchmarks.peers import Peer
from benchmarks.summary import Row, Run, cores, rows
from menura.bench import SCENARIOS, BenchError, Result, Settings
from menura.bench import run as run_scenario
from menura.bench.processes import raise_open_files_max

RABBITMQ_DATA = Path("/var/lib/rabbitmq")  # where its packages keep it
ON_DISK = {"menura-on-disk", "menura-mqtt-on-disk"}
RABBITMQ = {"rabbitmq", "rabbitmq-mqtt"}
RESULTS = Path(__file__).parent / "results"
SCREEN_COLUMNS = 132
QUICK_SECONDS = 1.0
QUICK_WARMUP_SECONDS = 0.5
QUICK_COUNT_MAX = 100_000
QUICK_CONNECTIONS_MAX = 1_000


def scenarios_of(wanted: Sequence[str]) -> list[str]:
    return list(wanted) or [name for name, scenario in SCENARIOS.items() if not scenario.long]


def peers_of(scenario: str) -> tuple[str, ...]:
    if scenario.startswith("redis-"):
        return ("redis",)
    if scenario.startswith("disk-"):
        return (peers.DISK,)
    if scenario.startswith("durable-"):
        return ("menura-on-disk", "rabbitmq")
    if scenario.startswith("delayed-"):  # RabbitMQ knows delays by a plugin alone
        return ("menura-on-disk",)
    if scenario.startswith("mqtt-"):
        on_disk = "-on-disk" if SCENARIOS[scenario].settings().durable else ""
        return (f"menura-mqtt{on_disk}", "rabbitmq-mqtt", "mosquitto")
    if scenario.startswith("stomp-"):
        return ("menura-stomp", "rabbitmq-stomp")
    return ("menura",) if scenario == "startup" else ("menura", "rabbitmq")


def rounds_of(scenario: str, rounds: int) -> int:
    return 1 if wants_fresh(scenario) else rounds


def wants_fresh(scenario: str) -> bool:
    """Whether the figures are true of a broker only that has just started."""
    return "memory-" in scenario


def settings_of(scenario: str, peer: Peer, disk: Path, *, quick: bool) -> Settings:
    settings = SCENARIOS[scenario].settings(url=peer.url, broker_pid=peer.pid, disk_path=str(disk))
    if not quick:
        return settings
    return replace(
        settings,
        count=min(settings.count, QUICK_COUNT_MAX),
        connections=min(settings.connections, QUICK_CONNECTIONS_MAX),
        seconds=QUICK_SECONDS,
        warmup_seconds=QUICK_WARMUP_SECONDS,
    )


def plan(scenarios: Sequence[str], present: Sequence[str], rounds: int) -> list[tuple[int, str, str]]:
    """Round, scenario and peer of every run in order; the first peer of a scenario alternates."""
    steps = []
    for number in range(rounds):
        for scenario in scenarios:
            turn = [peer for peer in peers_of(scenario) if peer in present]
            if number < rounds_of(scenario, rounds):
                steps += [(number, scenario, peer) for peer in (turn if number % 2 == 0 else turn[::-1])]
    return steps


Starter = Callable[[], AbstractContextManager[Peer | None]]


def starters(rabbitmq_url: str, disk: Path) -> dict[str, Starter]:
    """How each peer that a scenario may name is found or started."""
    return {
        **own(disk),
        "rabbitmq": lambda: peers.rabbitmq(rabbitmq_url),
        "rabbitmq-mqtt": lambda: peers.rabbitmq_plugin(rabbitmq_url, "mqtt"),
        "rabbitmq-stomp": lambda: peers.rabbitmq_plugin(rabbitmq_url, "stomp"),
        "redis": peers.redis,
        peers.DISK: lambda: peers.disk_itself(disk),
    }


def own(disk: Path) -> dict[str, Starter]:
    """Those that can be started afresh for one scenario."""
    return {
        "menura": peers.menura,
        "menura-on-disk": lambda: peers.menura_on_disk(disk),
        "menura-mqtt": lambda: peers.menura("mqtt"),
        "menura-mqtt-on-disk": lambda: peers.menura_on_disk(disk, "mqtt"),
        "menura-stomp": lambda: peers.menura("stomp"),
        "mosquitto": peers.mosquitto,
    }


@contextmanager
def target_of(scenario: str, name: str, peer: Peer, disk: Path) -> Iterator[Peer]:
    start = own(disk).get(name)
    if start is None or not wants_fresh(scenario):
        yield peer
        return
    with start() as fresh:
        yield fresh or peer


def measure(number: int, scenario: str, name: str, peer: Peer, disk: Path, *, quick: bool) -> Run:
    try:
        with target_of(scenario, name, peer, disk) as running:
            result: Result = run_scenario(settings_of(scenario, running, disk, quick=quick))
    except BenchError as error:
        return Run(number, peer.name, None, scenario, str(error))
    return Run(number, peer.name, result, scenario)


def machine() -> dict[str, Any]:
    return {
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


@click.command()
@click.option("--quick", is_flag=True, help="One short round: a look, not a result.")
@click.option("--scenario", "wanted", multiple=True, type=click.Choice(list(SCENARIOS)), metavar="NAME")
@click.option("--rounds", type=click.IntRange(min=1), help="Rounds [default: 3, with --quick 1].")
@click.option("--rabbitmq-url", default="amqp://guest:guest@127.0.0.1:5672/", show_default=True)
@click.option(
    "--disk",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default="/var/tmp",
    show_default=True,
    help="Folder, on RabbitMQ's disk, for Menura's data meanwhile.",
)
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), default=RESULTS, help="Folder.")
def main(quick: bool, wanted: Sequence[str], rounds: int | None, rabbitmq_url: str, disk: Path, output: Path) -> None:
    """Compare Menura with RabbitMQ, mosquitto and redis-server on this machine.

    Every scenario of `menura bench --list` but the long ones, or those named with --scenario.
    """
    console = Console()
    scenarios = scenarios_of(wanted)
    rounds = rounds or (1 if quick else 3)
    raise_open_files_max()  # ten thousand connections; the brokers started here inherit it
    load_before = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    with ExitStack() as stack:
        present = start(stack, scenarios, rabbitmq_url, disk, console)
        runs = run_all(plan(scenarios, list(present), rounds), present, disk, quick=quick, console=console)
    document = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **machine(),
        "load_average_before": load_before,
        "rounds": rounds,
        "quick": quick,
        "peers": {name: peer.product for name, peer in present.items()},
        "runs": [asdict(run) for run in runs],
    }
    summary = rows(runs)
    write(output, document, summary, runs)
    Console(width=max(console.width, SCREEN_COLUMNS)).print(summary_table(summary))
    if line := report.disk_line(summary):
        console.print(line)
    console.print(f"the whole table: {output / 'latest.md'}", soft_wrap=True)
    sys.exit(any(run.error and run.peer == "menura" for run in runs))


def start(
    stack: ExitStack, scenarios: Sequence[str], rabbitmq_url: str, disk: Path, console: Console
) -> dict[str, Peer]:
    """Start what the scenarios need and say what is missing."""
    known, present = starters(rabbitmq_url, disk), {}
    for name in dict.fromkeys(name for scenario in scenarios for name in peers_of(scenario)):
        peer = stack.enter_context(known[name]())
        if peer is None:
            console.print(f"[yellow]{name} is not here: measuring without it[/yellow]")
        else:
            present[name] = peer
            console.print(f"{name}: {peer.product}")
    if ON_DISK & present.keys() and RABBITMQ & present.keys() and not same_disk(disk, RABBITMQ_DATA):
        console.print(f"[yellow]{disk} and {RABBITMQ_DATA} are not on one disk: choose another --disk[/yellow]")
    return present


def same_disk(one: Path, other: Path) -> bool:
    """Whether two folders are on one disk; True where one of them can't be seen."""
    try:
        return one.stat().st_dev == other.stat().st_dev
    except OSError:
        return True


def run_all(
    steps: Sequence[tuple[int, str, str]], present: dict[str, Peer], disk: Path, *, quick: bool, console: Console
) -> list[Run]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    runs = []
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=len(steps))
        for number, scenario, name in steps:
            progress.update(task, description=f"round {number + 1}: {scenario}, {name}")
            run = measure(number, scenario, name, present[name], disk, quick=quick)
            runs.append(run)
            if run.error:
                progress.console.print(f"[red]{scenario}, {name}: {run.error}[/red]")
            progress.advance(task)
    return runs


def write(output: Path, document: dict[str, Any], summary: Sequence[Row], runs: Sequence[Run]) -> None:
    output.mkdir(parents=True, exist_ok=True)
    day = document["date"][:10]
    name = f"{day}-{document['machine']}-{document['cpus']}cpu{'-quick' if document['quick'] else ''}.json"
    (output / name).write_text(json.dumps(document, indent=1) + "\n")
    system = f"{document['system']}, {document['machine']}, {document['cpus']} processors, {document['python']}"
    about = [
        f"{document['date'][:16].replace('T', ' ')} UTC, rounds: {document['rounds']}"
        + (", quick: short runs, a look rather than a result" if document["quick"] else ""),
        system,
        "; ".join(f"{peer}: {product}" for peer, product in document["peers"].items()),
        f"every single run: [{name}]({name})",
    ]
    failures = [f"{run.scenario}, {run.peer}, round {run.round + 1}: {run.error}" for run in runs if run.error]
    heading = "Menura and RabbitMQ on one machine"
    (output / "latest.md").write_text(report.markdown(heading, about, summary, cores(runs), failures))
    (output / "latest.svg").write_text(
        chart.svg("How many times better than RabbitMQ", f"{day}, {system}; marks are targets", report.bars(summary))
    )


def summary_table(summary: Sequence[Row]) -> Table:
    table = Table(box=None, padding=(0, 2))
    beside = any("mosquitto" in row.values for row in summary)
    for column in report.VOICES_HEADER if beside else report.HEADER:
        table.add_column(column, justify="left" if column in ("scenario", "figure") else "right", no_wrap=True)
    for row in filter(report.shown, summary):
        cells = report.voices_cells(row) if beside else report.cells(row)
        table.add_row(*(cell.replace("**", "") for cell in cells))
    return table


if __name__ == "__main__":
    main()
