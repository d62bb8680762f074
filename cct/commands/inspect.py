"""`cct inspect`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from cct.commands.options import model_options
from cct.commands.types import Size
from cct.source import ModelSource


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@model_options
@click.option("--size", type=Size(), help="Of the images of a checkpoint, for MACs: 224 or HEIGHTxWIDTH.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def inspect(model: Path, source: Callable[[Path], ModelSource], size: tuple[int, int] | None, as_json: bool) -> None:
    """Show what is in MODEL, a checkpoint or an ONNX file, a line a convolution.

    density: kept weights / weights. block: output x input channels that share patterns. pool: patterns x entries. KB of
    the weight stored dense, and packed. MMACs: millions of multiply-adds of the dense layer for one image. prunable:
    yes, or why not.
    """
    if model.suffix == ".onnx":
        from cct.inspect_onnx import inspect_onnx

        if size is not None or source(model) != ModelSource(model):
            raise click.UsageError("an ONNX file says all by itself: --arch, --key, --size, ... are for checkpoints")
        found = inspect_onnx(model)
    else:
        from cct.inspect_checkpoint import inspect_checkpoint

        found = inspect_checkpoint(source(model), size)
    click.echo(found.to_json() if as_json else found.to_text())
