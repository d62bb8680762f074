"""`cct export`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cct.cli.options import file_options, model_options, output_option, result_options, type_options
from cct.cli.types import FILE, Size
from cct.model_source import ModelSource

if TYPE_CHECKING:
    from cct.report.export_report import ExportReport


@click.command(short_help="Write ONNX of a network that is pruned already.")
@click.argument("model", type=FILE)
@output_option
@model_options
@click.option("--size", type=Size(), help="Of the images in pixels: 224 or HEIGHTxWIDTH; else as MODEL says.")
@type_options
@file_options
@result_options
def export(
    model: Path,
    output: Path,
    source: Callable[[Path], ModelSource],
    size: tuple[int, int] | None,
    portable: bool,
    **knobs: Any,
) -> ExportReport:
    """Write MODEL, pruned by whomever, as ONNX: what is pattern-sparse is packed, the rest stays dense.

    MODEL is a checkpoint of cct, or a state_dict with --arch. No data is needed and nothing is trained. The file is
    compared with torch before it is written.
    """
    from cct.workflows.export import export_checkpoint

    return export_checkpoint(source(model), output, size=size, portable=portable, **knobs)
