"""`cct inspect`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cct.cli.options import model_options, result_options
from cct.cli.types import FILE, Size
from cct.model_source import ModelSource, is_onnx

if TYPE_CHECKING:
    from cct.report.inspection import Inspection


@click.command(short_help="Show what is in a checkpoint or ONNX file, layer by layer.")
@click.argument("model", type=FILE)
@model_options
@click.option("--size", type=Size(), help="Of the images of a checkpoint, for MACs: 224 or HEIGHTxWIDTH.")
@result_options
def inspect(model: Path, source: Callable[[Path], ModelSource], size: tuple[int, int] | None) -> Inspection:
    """Show what is in MODEL, a checkpoint or an ONNX file, a line a convolution.

    density: kept weights / weights. block: output x input channels that share patterns. pool: patterns x entries. KB of
    the weight stored dense, and packed. MMACs: millions of multiply-adds of the dense layer for one image. prunable:
    yes, or why not.
    """
    if is_onnx(model):
        from cct.workflows.inspect_onnx import inspect_onnx

        if size is not None or source(model) != ModelSource(model):
            raise click.UsageError("an ONNX file says all by itself: --arch, --key, --size, ... are for checkpoints")
        return inspect_onnx(model)
    from cct.workflows.inspect_checkpoint import inspect_checkpoint

    return inspect_checkpoint(source(model), size)
