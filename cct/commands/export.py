"""`cct export`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from cct.commands.options import file_options, model_options, type_options
from cct.commands.types import Size
from cct.source import ModelSource


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default="model.onnx", show_default=True
)
@model_options
@click.option("--size", type=Size(), help="Of the images in pixels: 224 or HEIGHTxWIDTH; else as MODEL says.")
@type_options
@file_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def export(
    model: Path,
    output: Path,
    source: Callable[[Path], ModelSource],
    size: tuple[int, int] | None,
    weights: str | None,
    activations: str | None,
    portable: bool,
    as_json: bool,
) -> None:
    """Write MODEL, pruned by whomever, as ONNX: what is pattern-sparse is packed, the rest stays dense.

    MODEL is a checkpoint of cct, or a state_dict with --arch. No data is needed and nothing is trained. The file is
    compared with torch before it is written.
    """
    from cct.convert import convert

    result = convert(
        source(model),
        output,
        size=size,
        weights=weights or "float32",
        activations=activations or "float32",
        portable=portable,
    )
    click.echo(result.to_json() if as_json else result.to_text())
