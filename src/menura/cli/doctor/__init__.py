"""`menura doctor`: looks into what may be wrong before it is, and says what to do.

It starts nothing and changes nothing; for a moment it writes a small file beside the data directory's files, to see how
fast the disk is. Exit status: 0 if nothing is wrong, 1 if something is; what is only worth knowing does not count.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from menura.cli.doctor.findings import Finding


@click.command()
@click.option("--data", metavar="DIR", help="The data directory, instead of the one `menura serve` would use here.")
@click.option("--config", "file", metavar="FILE", help="The settings, instead of what `menura serve` would read here.")
@click.option("--url", help="The HTTP API of a running broker, if it is not found by its data directory.")
@click.option("--json", "as_json", is_flag=True, help="Print findings as JSON.")
def doctor(data: str | None, file: str | None, url: str | None, as_json: bool) -> None:
    """Check settings, ports, disk, limits, clock, access and certificates, of a broker that runs or is to run here."""
    from menura.cli.doctor.findings import Grade

    found = list(_findings(data, file, url))
    if as_json:
        click.echo(json.dumps([finding.as_json() for finding in found], indent=2, ensure_ascii=False))
    else:
        for finding in found:
            _show(finding)
    sys.exit(1 if any(finding.grade is Grade.WRONG for finding in found) else 0)


def _findings(data: str | None, file: str | None, url: str | None) -> Iterator[Finding]:
    from menura.cli.doctor import machine, running, settings
    from menura.cli.doctor.findings import wrong
    from menura.configuration.layers import gather
    from menura.configuration.problems import ConfigurationError

    try:
        effective = gather(file, {"data": data})
    except ConfigurationError as error:
        for remark in error.remarks:
            yield wrong("settings", str(remark), "Correct it; `menura config check` looks at settings alone.")
        return
    config = effective.config()
    yield from settings.settings(effective)
    state = running.state_of(config, url)
    if state is None:
        listening = settings.places(config)
        yield from running.ports(settings.addresses(config))
    else:
        listening = running.places(state)
        config = running.as_it_runs(config, state)
        yield from running.broker(state)
    yield from machine.disk(config)
    yield from machine.open_files(None if state is None else int(state["os_pid"]))
    yield from machine.memory(config)
    yield from machine.clock()
    yield from settings.exposure(config, listening)
    yield from settings.certificates(config)


def _show(finding: Finding) -> None:
    sign, colour = finding.grade.value
    click.echo(f"{click.style(sign, fg=colour, bold=True)} {finding.check}: {finding.text}")
    if finding.advice:
        click.echo(f"    → {finding.advice}")
