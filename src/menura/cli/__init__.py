"""The command line: `menura` alone is `menura serve`, `menura help` is `menura --help`.

Commands are imported when they are called, so that `menura serve` starts fast. A verb of `menura ctl` that was typed
without `ctl` is pointed out.
"""

from __future__ import annotations

import importlib
from typing import Any

import click

COMMANDS = {
    "serve": "menura.cli.serve",
    "ctl": "menura.cli.ctl",
    "data": "menura.cli.data",
    "config": "menura.cli.config",
    "doctor": "menura.cli.doctor",
    "bench": "menura.cli.bench",
    "demo": "menura.cli.demo",
    "completion": "menura.cli.completion",
}


class Commands(click.Group):
    """Commands by name, each in a module of its own."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[name]), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in COMMANDS or context.resilient_parsing:
            return super().resolve_command(context, args)
        from difflib import get_close_matches

        from menura.cli.ctl.running import knows

        near = [f"ctl {args[0]}"] if knows(args[0]) else get_close_matches(args[0], COMMANDS, 1)
        hint = f" Did you mean 'menura {near[0]}'?" if near else ""
        context.fail(f"No such command '{args[0]}'.{hint}")

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "--version", "-h")):
            args = ["serve", *args]
        elif args[0] == "help":
            args = [*(word for word in args[1:] if word != "help"), "--help"]
        return super().parse_args(context, args)


def _version(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value:
        from menura.version import __version__

        click.echo(f"menura {__version__}")
        context.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
def main() -> None:
    """A message broker in one process. RabbitMQ clients use it unchanged."""
