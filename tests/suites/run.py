"""Runs other projects' test suites against Menura and RabbitMQ and compares both with the pass lists.

    python tests/suites/run.py                        every suite, both brokers
    python tests/suites/run.py kombu --broker menura  one suite, one broker

For each suite: fetch and set up (once), run it against each broker in a network namespace of its own, read the JUnit
file, write `.cache/suites/results/SUITE.BROKER.json`, compare with `passlists/SUITE.txt`. The status is 1 if a test
that must pass did not. Runs go on at the same time, as many as there are processors: most tests wait. Beside each JSON
file lie the suite's own output and the broker's log.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import click
from rich.console import Console
from tests.suites import brokers, passlist, report
from tests.suites.definition import CACHE, Suite, read_suite, suite_names
from tests.suites.fetch import Unavailable, prepare
from tests.suites.isolation import namespace, run_isolated
from tests.suites.outcomes import PASSED, Run, read_junit

RESULTS = CACHE / "results"


@click.command(help="Run other projects' test suites against Menura and RabbitMQ.")
@click.argument("names", metavar="[SUITE]...", nargs=-1, type=click.Choice(suite_names()))
@click.option("--broker", type=click.Choice([*brokers.NAMES, "both"]), default="both", show_default=True)
@click.option("--checkout", multiple=True, metavar="NAME=DIR", help="Tests of a suite that no registry has.")
@click.option("--jobs", type=int, default=os.cpu_count(), show_default=True, help="Runs at the same time.")
@click.option("--write", is_flag=True, help="Rewrite the pass lists: what passed in this run must pass from now on.")
def main(names: tuple[str, ...], broker: str, checkout: tuple[str, ...], jobs: int, write: bool) -> None:
    console = Console(highlight=False)
    if not namespace():
        brokers.require_free_ports()
        jobs = 1
    checkouts = {name: Path(directory).resolve() for name, _, directory in (each.partition("=") for each in checkout)}
    suites = [read_suite(name) for name in names or suite_names()]
    skipped = {suite.name: reason for suite in suites if (reason := _prepare(suite, checkouts, console))}
    subjects = _subjects(broker, console)
    runs: dict[str, list[Run]] = {suite.name: [] for suite in suites}
    with ThreadPoolExecutor(jobs) as pool:
        ready = [suite for suite in suites if suite.name not in skipped]
        started = [pool.submit(_run, suite, subject) for suite in ready for subject in subjects]
        for finished in as_completed(started):
            run = finished.result()
            runs[run.suite].append(run)
            passed = f"{run.count(PASSED)} of {len(run.tests)} passed in {run.seconds:.0f} s"
            console.print(f"{run.suite} on {run.broker}: {passed}")
    if write:
        for suite in ready:
            passlist.rewrite(suite.pass_list, runs[suite.name])
    rows = [report.Row(suite, runs[suite.name], skipped.get(suite.name)) for suite in suites]
    report.show(rows, console)
    sys.exit(any(row.is_broken for row in rows))


def _prepare(suite: Suite, checkouts: dict[str, Path], console: Console) -> str | None:
    """Fetch and set up; the reason if this suite cannot run here."""
    with console.status(f"{suite.name}: {suite.source}"):
        try:
            prepare(suite, checkouts.get(suite.name))
        except Unavailable as reason:
            return str(reason)
    return None


def _subjects(broker: str, console: Console) -> list[str]:
    wanted = list(brokers.NAMES) if broker == "both" else [broker]
    for absent in [name for name in wanted if not brokers.is_installed(name)]:
        console.print(f"{absent} is not installed here")
        wanted.remove(absent)
    return wanted


def _run(suite: Suite, subject: str) -> Run:
    RESULTS.mkdir(parents=True, exist_ok=True)
    junit = RESULTS / f"{suite.name}.{subject}.xml"
    junit.unlink(missing_ok=True)
    facts = run_isolated(suite, subject, junit)
    tests = read_junit(junit)
    problem = facts.problem or (None if tests else "no test ran")
    run = Run(suite.name, subject, facts.broker, facts.seconds, problem, tests)
    run.write(junit.with_suffix(".json"))
    return run


if __name__ == "__main__":
    main()
