"""`menura config`: what settings hold, where each comes from, and whether a file is good."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from menura.broker import ListenError, check_listeners
from menura.configuration.layers import Effective, gather
from menura.configuration.problems import ConfigurationError, Remark
from menura.configuration.settings import SETTINGS, Setting
from menura.configuration.toml import quoted

_HIDDEN = "***"


@click.group()
def config() -> None:
    """Check settings, or show them."""


@config.command()
@click.argument("file", metavar="[FILE]", required=False)
def check(file: str | None) -> None:
    """Check FILE (or what `menura serve` would read here) without starting anything.

    FILE is TOML, or a rabbitmq.conf. The exit status is 0 if a broker would start with it, otherwise 1.
    """
    effective = _gathered(file)
    for remark in effective.remarks:
        click.echo(f"{click.style('note', fg='yellow', bold=True)}: {remark}")
    wrong = _wrong(effective)
    for remark in wrong:
        _tell(remark)
    if wrong:
        sys.exit(1)
    click.echo(f"{effective.file or 'the defaults'}: {click.style('good', fg='green', bold=True)}")


@config.command("show")
@click.option("--config", "file", metavar="FILE", help="Instead of what `menura serve` would read here.")
@click.option("--format", "form", type=click.Choice(["toml", "json"]), default="toml", show_default=True)
def show(file: str | None, form: str) -> None:
    """Print the settings that hold, each with where it comes from. Secrets are not printed.

    As TOML it can be used as a file, once the secrets have been put in.
    """
    effective = _gathered(file)
    click.echo(_as_json(effective) if form == "json" else _as_toml(effective), nl=False)


def _gathered(file: str | None) -> Effective:
    try:
        return gather(file)
    except ConfigurationError as error:
        for remark in error.remarks:
            _tell(remark)
        sys.exit(1)


def _tell(remark: Remark) -> None:
    click.echo(f"{click.style('error', fg='red', bold=True)}: {remark}", err=True)


def _wrong(effective: Effective) -> list[Remark]:
    """What is wrong though each value by itself is right."""
    found = []
    try:
        check_listeners(effective.config())
    except ListenError as error:
        found.append(Remark(effective.values["listen"].origin, 0, "listen", str(error)))
    path, origin = effective.values["load_definitions"]
    if path and not Path(path).is_file():
        found.append(Remark(origin, 0, "load_definitions", f"there is no file {path}"))
    return found


def _shown(effective: Effective, setting: Setting) -> Any:
    value, origin = effective.values[setting.key]
    return _HIDDEN if setting.secret and origin != "default" else setting.kind.show(value)


def _as_json(effective: Effective) -> str:
    found = {
        key: {"value": _shown(effective, setting), "origin": effective.values[key].origin}
        for key, setting in SETTINGS.items()
    }
    return json.dumps(found, indent=2) + "\n"


def _as_toml(effective: Effective) -> str:
    lines, table = [], ""
    for key, setting in sorted(SETTINGS.items(), key=lambda item: "." in item[0]):
        group, _, name = key.rpartition(".")
        if group != table:
            lines += ["", f"[{group}]"]
            table = group
        said = f"{name} = {quoted(_shown(effective, setting))}"
        lines.append(f"{said:<40} # {effective.values[key].origin}")
    return "\n".join(lines) + "\n"
