"""`menura completion`: what a shell has to read to complete commands, verbs and columns."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL.

    For bash, in ~/.bashrc: eval "$(menura completion bash)". For zsh the same with zsh, in ~/.zshrc. For fish:
    menura completion fish > ~/.config/fish/completions/menura.fish
    """
    from menura.cli import main

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "menura", "_MENURA_COMPLETE").source())
