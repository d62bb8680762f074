"""`cct doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cct.cli.options import result_options
from cct.cli.types import FILE

if TYPE_CHECKING:
    from cct.report.diagnosis import Diagnosis


@click.command(short_help="Show what this machine can run, and why not.")
@click.argument("model", type=FILE, required=False)
@result_options
def doctor(model: Path | None) -> Diagnosis:
    """Show what this machine can run: library, processor, ONNX Runtime, NVIDIA driver and GPU.

    With MODEL, an ONNX file: which of its layers which routine computes. It is opened on each provider that is here and
    runs once on random numbers. Exits 2 when the library does not load, or MODEL does not run on the CPU.
    """
    from cct.workflows.doctor import diagnose

    return diagnose(model)
