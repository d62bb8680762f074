"""What a run says of its progress, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cct import distributed


def print_line(text: str) -> None:
    """Write one line of progress to stderr; of several processes, the main one does."""
    if distributed.is_main():
        click.echo(text, err=True)  # where stderr is closed, print would take stdout


@contextmanager
def progress_bar(steps: int, done: int) -> Iterator[Callable[[], object]]:
    """A progress bar on a terminal; elsewhere the lines of the epochs are enough.

    Args:
        steps: of the whole run.
        done: those before this one began.

    Yields:
        What to call after each step.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda: None
        return
    columns = TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("training", total=steps, completed=done)
        yield lambda: progress.advance(task)
