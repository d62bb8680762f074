"""`cct validate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click

from cct.commands.options import model_options
from cct.commands.types import Limit
from cct.source import ModelSource


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--baseline", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The unpruned model.")
@click.option("--parity", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The pruned weights.")
@model_options
@click.option("--data", required=True, help="digits, or a folder with train/CLASS/* and val/CLASS/*.")
@click.option("--max-drop", type=Limit(), help="Exit 1 if accuracy drops by more points against --baseline.")
@click.option("--max-error", type=Limit(), help="Exit 1 if outputs differ by more: max|a - b| / max|b|.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def validate(
    ctx: click.Context,
    model: Path,
    source: Callable[[Path], ModelSource],
    baseline: Path | None,
    parity: Path | None,
    data: str,
    max_drop: float | None,
    max_error: float | None,
    as_json: bool,
) -> None:
    """Gate MODEL, an ONNX file: accuracy, parity of every way to run it, and proof that the library ran.

    Without --max-drop or --max-error it reports and exits 0. A gate that fails exits 1, anything else that is wrong 2.
    """
    from cct.validate import validate

    if max_drop is not None and baseline is None:
        raise click.UsageError("--max-drop needs --baseline: the accuracy to compare with")
    verdict = validate(
        model,
        data=data,
        baseline=source(baseline) if baseline else None,
        pruned=source(parity) if parity else None,
        max_drop=max_drop,
        max_error=max_error,
    )
    click.echo(json.dumps(verdict.as_dict(), indent=2) if as_json else verdict.to_text())
    ctx.exit(1 if verdict.failed else 0)
