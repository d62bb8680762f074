"""What pruning costs in accuracy, and what it gains in measured time: the rows of `rows.py`.

    python -m benchmarks.accuracy train CHECKPOINT DATA [ROW ...]
    python -m benchmarks.accuracy latency
    python -m benchmarks.accuracy report

CHECKPOINT is the public resnet20-12fca82f.th, DATA a folder in ImageFolder layout. `train` goes on where it was
stopped: a run that is in the results with the same recipe is not run again, and several processes may share the work.
It leaves one ONNX file a run under `build/accuracy`, which `latency` times in turns, with the network's dense one.
`report` writes docs/accuracy-figures.md and the curve in docs/images.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import torch

from benchmarks.accuracy.latency import measure
from benchmarks.accuracy.plot import draw
from benchmarks.accuracy.rows import BY_NAME, ROWS
from benchmarks.accuracy.runs import Starts, file_of, is_done, missing, read, run
from benchmarks.accuracy.subset import subset
from benchmarks.accuracy.table import figures
from cct.data.load_data import load_data
from cct.data.split import Data
from cct.training.malloc import keep_freed_memory

RESULTS = Path(__file__).parents[1] / "results" / "accuracy.jsonl"
LATENCY = Path(__file__).parents[1] / "results" / "accuracy_latency.json"
DOCS = Path(__file__).parents[2] / "docs"
FOLDER = Path("build/accuracy")


@click.group()
def main() -> None:
    """Train, time, report."""


@main.command()
@click.argument("checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("data", type=click.Path(exists=True, file_okay=False))
@click.argument("rows", nargs=-1, type=click.Choice(list(BY_NAME)))
@click.option("--seed", "seeds", type=int, multiple=True, help="Only these.")
@click.option("--threads", default=1, show_default=True, help="Of this process; two processes of one are faster.")
def train(checkpoint: Path, data: str, rows: tuple[str, ...], seeds: tuple[int, ...], threads: int) -> None:
    """Run ROWS (all, if none is named) that are not in the results and whose start and teacher are trained."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    starts, images = Starts(checkpoint, FOLDER), dict[int, Data]()
    everything = load_data(data)
    wanted = [BY_NAME[name] for name in rows] or ROWS
    for row, seed in missing(wanted, seeds, RESULTS, FOLDER):
        if row.images not in images:
            images[row.images] = subset(everything, row.images)
        line = run(row, seed, starts, images[row.images], FOLDER)
        with RESULTS.open("a") as file:
            file.write(json.dumps(line) + "\n")
        click.echo(f"{row.name}, seed {seed}: {line['accuracy']}")
    for row in wanted:
        left = [s for s in row.seeds if s in (seeds or row.seeds) and not is_done(row, s, RESULTS)]
        if left:
            click.echo(f"{row.name}: not run. Its start or teacher is not trained, or another process is at it")


@main.command()
@click.option("--rounds", default=60, show_default=True, help="Turns of each file.")
def latency(rounds: int) -> None:
    """Time a file of each row, those of a network in turns: one image, one thread and two."""
    if not file_of(FOLDER, "dense", 0, "onnx").exists():
        raise click.ClickException(f"{FOLDER} has no trained network to compare with: train the row dense first")
    LATENCY.write_text(json.dumps(measure(read(RESULTS), FOLDER, rounds), indent=1) + "\n")


@main.command()
def report() -> None:
    """Write the tables and draw the curve, in docs/."""
    times = json.loads(LATENCY.read_text()) if LATENCY.exists() else {}
    (DOCS / "accuracy-figures.md").write_text(figures(read(RESULTS), times))
    draw(read(RESULTS), times, DOCS / "images")


if __name__ == "__main__":
    main()
