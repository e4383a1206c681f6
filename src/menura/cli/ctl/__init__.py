"""`menura ctl`: a running broker from the command line, with rabbitmqctl's verbs and output.

A verb (`verbs.py`; declared by topic in `topics/`) asks the broker's HTTP API (`client.py`) at the place that
`finding.py` finds, and `formats.py` prints what came. Nothing of the broker itself is imported: a list is there in a
fraction of a second.
"""

from __future__ import annotations

import sys

import click

PROGRAMS = ("rabbitmqctl", "rabbitmq-diagnostics", "rabbitmq-plugins", "rabbitmq-queues", "rabbitmqadmin")


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from menura.cli.ctl.completing import candidates

    return candidates(tuple(context.params.get("words") or ()), incomplete)


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []}
)
@click.option("--as", "program", type=click.Choice(PROGRAMS), help="Behave as this program does.", hidden=True)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, shell_complete=_complete, metavar="VERB [ARGUMENT]...")
def ctl(program: str | None, words: tuple[str, ...]) -> None:
    """Look into a running broker and change it; `menura ctl help` lists the verbs."""
    from menura.cli.ctl.running import run
    from menura.cli.ctl.verbs import OWN

    sys.exit(run(words, program or OWN))
