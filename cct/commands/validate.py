"""`cct validate`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cct.commands.options import data_option, goal_options, model_options, result_options, scale_options
from cct.commands.types import FILE
from cct.goals import Goal
from cct.source import ModelSource, is_onnx

if TYPE_CHECKING:
    from cct.validate import Verdict


@click.command(short_help="Gate an ONNX file: accuracy, parity, proof, size, speed.")
@click.argument("model", type=FILE)
@click.option("--baseline", type=FILE, help="The unpruned model (.pt or .onnx), for accuracy, size and speed.")
@click.option("--parity", type=FILE, help="The pruned weights.")
@model_options
@data_option
@scale_options
@goal_options
@click.option("--provider", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@result_options
def validate(
    model: Path,
    baseline: Path | None,
    parity: Path | None,
    source: Callable[[Path], ModelSource],
    data: str,
    scale: dict[str, Any],
    goals: tuple[Goal, ...],
    provider: str,
) -> Verdict:
    """Gate MODEL, an ONNX file: accuracy, parity, proof that the library ran, size and speed.

    Without a goal it reports and exits 0. A goal that is not reached exits 1, anything else that is wrong 2.
    """
    from cct.validate import validate

    read = [path for path in (baseline, parity) if path is not None and not is_onnx(path)]
    if not read and source(model) != ModelSource(model):
        raise click.UsageError("--arch, --key, ... say how to read a checkpoint: give one with --baseline or --parity")
    shared = len(read) > 1
    return validate(
        model,
        data=data,
        baseline=replace(source(baseline), shared=shared) if baseline else None,
        pruned=replace(source(parity), shared=shared) if parity else None,
        goals=goals,
        scale=scale,
        provider=provider,
    )
