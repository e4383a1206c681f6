"""Results as a person reads them."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from menura.bench.result import QUOTIENT, Metric, Result
from menura.bench.scenarios import Scenario


def figure(metric: Metric) -> str:
    """A value with as many digits as it has meaning, and its unit."""
    value = metric.value
    small = {"ms": 3, "s": 3, QUOTIENT: 2}
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else small.get(metric.unit, 1)
    return f"{value:,.{digits}f} {metric.unit}"


def result_table(result: Result, address: str) -> RenderableType:
    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_column()
    table.add_column(justify="right", style="bold")
    for metric in result.metrics:
        table.add_row(metric.name, figure(metric))
    notes = [*result.notes, f"{result.seconds:.2f} s measured"]
    if result.load_cores is not None:
        notes.append(f"the load used {result.load_cores:.2f} cores")
    if result.broker_cores is not None:
        notes.append(f"the broker {result.broker_cores:.2f}")
    return Group(Text(f"{result.scenario} at {address}"), table, Text(", ".join(notes), style="dim"))


def scenario_table(scenarios: Iterable[Scenario]) -> RenderableType:
    table = Table("scenario", "what it does", box=None, padding=(0, 2))
    for scenario in scenarios:
        table.add_row(scenario.name, scenario.about)
    return table
