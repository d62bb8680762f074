"""`cct validate`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from cct.cli.numbers import Whole
from cct.cli.options import data_option, goal_options, model_options, result_options, scale_options
from cct.cli.types import FILE, CountOrAll
from cct.gate.goals import Goal
from cct.model_source import ModelSource, is_onnx

if TYPE_CHECKING:
    from cct.report.verdict import Verdict


@click.command(short_help="Gate an ONNX file: accuracy, parity, proof, size, speed.")
@click.argument("model", type=FILE)
@click.option("--baseline", type=FILE, help="The unpruned model (.pt or .onnx), for accuracy, size and speed.")
@click.option("--parity", type=FILE, help="The pruned weights, which must answer alike up to rounding.")
@click.option(
    "--parity-images",
    type=CountOrAll(),
    help="How many images parity is measured on, spread over all classes: a number or all; default 64, or one of each "
    "class.",
)
@click.option("--require-packed", type=Whole(0), default=0, metavar="N", help="Fail if fewer PatternConv run.")
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
    parity_images: int | Literal["all"] | None,
    require_packed: int,
) -> Verdict:
    """Gate MODEL, an ONNX file: accuracy, parity, proof that the library ran, size and speed.

    A goal that is not reached exits 1, and without any goal: answers that are not finite, or that differ between the
    ways to run the file, and fewer packed operators than the file says. Anything else that is wrong exits 2.
    """
    from cct.workflows.validate import validate

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
        parity_images=parity_images,
        require_packed=require_packed,
    )
