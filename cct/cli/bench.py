"""`cct bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cct.cli.numbers import Whole
from cct.cli.options import result_options
from cct.cli.types import FILE, Counts, Size

if TYPE_CHECKING:
    from cct.report.comparison import Comparison


@click.command(short_help="Time ONNX files side by side, in one run.")
@click.argument("model", type=FILE)
@click.option("--against", type=FILE, multiple=True, help="Another ONNX file; may be given several times.")
@click.option("--threads", type=Counts(), multiple=True, help="Within an operator: 1,2 or several times; else 1.")
@click.option("--batch", type=Whole(1), default=1, show_default=True, help="Images a run, where it is free.")
@click.option("--size", type=Size(), help="Of the images in pixels, where it is free: 224 or HEIGHTxWIDTH.")
@click.option("--rounds", type=Whole(1), default=20, show_default=True, help="Turns of each, of equal length.")
@click.option("--provider", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--layers", is_flag=True, help="Show where the time goes, from ONNX Runtime's profile.")
@result_options
def bench(
    model: Path,
    against: tuple[Path, ...],
    threads: tuple[tuple[int, ...], ...],
    batch: int,
    size: tuple[int, int] | None,
    rounds: int,
    provider: str,
    layers: bool,
) -> Comparison:
    """Time MODEL, an ONNX file, side by side with others, end to end in ONNX Runtime.

    All run in one process, in turns, warmed up, on the same random input. One thread is timed by its processor time,
    several by the wall clock: for these, leave the machine alone meanwhile.
    """
    from cct.workflows.bench import compare_files

    return compare_files(
        [model, *against],
        threads=[count for counts in threads for count in counts] or [1],
        provider=provider,
        batch=batch,
        size=size,
        rounds=rounds,
        layers=layers,
    )
