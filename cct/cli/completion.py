"""`cct completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(short_help="Print the script by which a shell completes all of this.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script by which SHELL completes commands, options and files.

    In ~/.bashrc or ~/.zshrc: eval "$(cct completion bash)". In fish: cct completion fish | source.
    """
    kind = get_completion_class(shell)
    assert kind is not None  # click has these three
    click.echo(kind(ctx.find_root().command, {}, "cct", "_CCT_COMPLETE").source())
