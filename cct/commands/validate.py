"""`cct validate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cct.commands.options import goal_options, model_options, scale_options
from cct.goals import Goal
from cct.source import ModelSource


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--baseline",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The unpruned model (.pt or .onnx), for accuracy, size and speed.",
)
@click.option("--parity", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The pruned weights.")
@model_options
@click.option(
    "--data", required=True, help="digits, a folder with train/CLASS/* and val/CLASS/*, an .npz, or module:function."
)
@scale_options
@goal_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def validate(
    ctx: click.Context,
    model: Path,
    baseline: Path | None,
    parity: Path | None,
    source: Callable[[Path], ModelSource],
    data: str,
    scale: dict[str, Any],
    goals: tuple[Goal, ...],
    as_json: bool,
) -> None:
    """Gate MODEL, an ONNX file: accuracy, parity, proof that the library ran, size and speed.

    Without a goal it reports and exits 0. A goal that is not reached exits 1, anything else that is wrong 2.
    """
    from cct.validate import validate

    verdict = validate(
        model,
        data=data,
        baseline=source(baseline) if baseline else None,
        pruned=source(parity) if parity else None,
        goals=goals,
        scale=scale,
    )
    click.echo(json.dumps(verdict.as_dict(), indent=2) if as_json else verdict.to_text())
    ctx.exit(1 if verdict.failed else 0)
