"""The table at the end of a run, and below it, by name, every test that did not pass where it must."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tests.suites.definition import Suite
from tests.suites.outcomes import PASSED, Outcome, Run
from tests.suites.passlist import PassList, read_pass_list


@dataclass(frozen=True)
class Row:
    """One suite with its runs, or the reason why it has none."""

    suite: Suite
    runs: list[Run]
    skipped: str | None

    @cached_property
    def pass_list(self) -> PassList:
        return read_pass_list(self.suite.pass_list)

    @property
    def is_broken(self) -> bool:
        return any(run.problem or self.pass_list.broken(run) for run in self.runs)

    def run(self, subject: str) -> Run | None:
        return next((run for run in self.runs if run.subject == subject), None)

    def differences(self) -> dict[str, Outcome]:
        """What RabbitMQ passes and Menura does not, whatever the pass list says."""
        theirs, ours = self.run("rabbitmq"), self.run("menura")
        if theirs is None or ours is None:
            return {}
        missing = Outcome("failed", "did not run")
        passed = [test for test, outcome in theirs.tests.items() if outcome.state == PASSED]
        outcomes = {test: ours.tests.get(test, missing) for test in passed}
        return {test: outcome for test, outcome in outcomes.items() if outcome.state != PASSED}


def show(rows: list[Row], console: Console) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("suite")
    for heading in ("tests", "must pass", "RabbitMQ", "Menura", "differences", "broken"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(row.suite.name, *_cells(row))
    console.print()
    console.print(table)
    for row in rows:
        _explain(row, console)


def _cells(row: Row) -> list[str]:
    if row.skipped:
        return ["skipped"]
    tests = {test for run in row.runs for test in run.tests}
    passed = [str(run.count(PASSED)) if (run := row.run(subject)) else "-" for subject in ("rabbitmq", "menura")]
    broken = sum(len(row.pass_list.broken(run)) for run in row.runs)
    differences = len(row.differences())
    mark = f"[red]{broken}[/]" if row.is_broken else "[green]0[/]"
    return [str(len(tests)), str(len(row.pass_list.expected)), *passed, str(differences), mark]


def _explain(row: Row, console: Console) -> None:
    if row.skipped:
        console.print(f"\n{row.suite.name}: skipped, {escape(row.skipped)}")
    for run in row.runs:
        broken = row.pass_list.broken(run)
        if run.problem or broken:
            console.print(f"\n[bold]{run.suite} on {run.broker}[/]: {escape(run.problem or 'not as listed')}")
        for test, outcome in sorted(broken.items()):
            console.print(f"  [red]{outcome.state}[/] {escape(test)}\n    {escape(outcome.reason)}")
    known = {test: outcome for test, outcome in row.differences().items() if row.pass_list.reason(test, "menura")}
    for test in sorted(known):
        console.print(f"\n{row.suite.name}: known difference {escape(test)}: {row.pass_list.reason(test, 'menura')}")
