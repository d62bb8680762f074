"""What pruning costs in accuracy: ResNet-20 on CIFAR-10, each row beside a dense fine-tuning of the same recipe.

    python benchmarks/cifar.py CHECKPOINT DATA [ROW ...]

CHECKPOINT is the public resnet20-12fca82f.th, DATA a folder in ImageFolder layout. A row that is already in the results
with the same recipe is not run again. `--table` prints what is there.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import torch

from cct.checkpoint import load_model
from cct.clicktrain import ClickTrain
from cct.data import Data, load_data
from cct.recipe import Recipe
from cct.source import ModelSource
from cct.train import evaluate, fine_tune, total_steps

ROWS: dict[str, tuple[str | None, float, tuple[int, int]]] = {
    "dense": (None, 1.0, (1, 1)),
    "2.25x 1x1": (None, 2.25, (1, 1)),
    "2.25x 4x1": (None, 2.25, (4, 1)),
    "4.5x 1x1": (None, 4.5, (1, 1)),
    "4.5x 4x1": (None, 4.5, (4, 1)),
    "paper dense": ("clicktrain-paper", 1.0, (1, 1)),
    "paper 2.25x 1x1": ("clicktrain-paper", 2.25, (1, 1)),
    "paper 2.25x 4x1": ("clicktrain-paper", 2.25, (4, 1)),
    "paper 4.5x 1x1": ("clicktrain-paper", 4.5, (1, 1)),
    "paper 4.5x 4x1": ("clicktrain-paper", 4.5, (4, 1)),
}
RESULTS = Path(__file__).parent / "results" / "cifar.jsonl"


def recipe_of(row: str, knobs: dict[str, object]) -> Recipe:
    name, compression, block = ROWS[row]
    base = Recipe() if name is None else Recipe.named(name)
    return Recipe.from_values(asdict(replace(base, compression=compression, block=block, epochs=3)) | knobs)


def run(checkpoint: Path, data: Data, recipe: Recipe) -> dict[str, float]:
    loaded = load_model(ModelSource(checkpoint, "cct.models:resnet20"))
    teacher = load_model(ModelSource(checkpoint, "cct.models:resnet20")).module if recipe.distillation else None
    start = time.perf_counter()
    pruner = ClickTrain(loaded.module, recipe, total_steps(data, recipe))
    fine_tune(loaded.module, data, recipe, pruner, teacher)
    seconds = time.perf_counter() - start
    accuracy = evaluate(loaded.module, data)
    return {"accuracy": round(accuracy, 2), "compression": round(pruner.compression, 3), "seconds": round(seconds)}


def read(results: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []


def shared_knobs(line: dict[str, Any]) -> Recipe:
    """The recipe of a row, but for what tells a row from its dense one."""
    return replace(Recipe.from_toml(line["recipe"]), compression=1.0, block=(1, 1))


def table(results: list[dict[str, Any]]) -> str:
    """The rows as Markdown; a drop is against the dense row whose other knobs are the same."""
    latest = {line["row"]: line for line in results}
    dense = [(shared_knobs(line), line["accuracy"]) for line in results if line["compression"] == 1]
    lines = ["| row | accuracy, % | drop, points | compression | seconds |", "|---|---|---|---|---|"]
    for row in (row for row in ROWS if row in latest):
        line = latest[row]
        beside = [accuracy for knobs, accuracy in dense if knobs == shared_knobs(line) and line["compression"] > 1]
        drop = f"{beside[-1] - line['accuracy']:.2f}" if beside else ""
        lines.append(f"| {row} | {line['accuracy']:.2f} | {drop} | {line['compression']:.2f} | {line['seconds']} |")
    return "\n".join(lines)


@click.command()
@click.argument("checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("data", type=click.Path(exists=True, file_okay=False))
@click.argument("rows", nargs=-1, type=click.Choice(list(ROWS)))
@click.option("--results", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS, show_default=True)
@click.option("--set", "knobs", multiple=True, help="Another value for a knob, as TOML: learning_rate=0.1.")
@click.option("--threads", default=2, show_default=True)
@click.option("--table", "only_table", is_flag=True, help="Print what is there, run nothing.")
def main(
    checkpoint: Path,
    data: str,
    rows: tuple[str, ...],
    results: Path,
    knobs: tuple[str, ...],
    threads: int,
    only_table: bool,
) -> None:
    """Run ROWS (all, if none is named) and print the table."""
    torch.set_num_threads(threads)
    given = Recipe.from_toml("\n".join(knobs))
    changed = {knob.split("=")[0].strip() for knob in knobs}
    overrides = {name: value for name, value in asdict(given).items() if name in changed}
    results.parent.mkdir(parents=True, exist_ok=True)
    images = None
    for row in () if only_table else rows or ROWS:
        recipe = recipe_of(row, overrides)
        if any(line["row"] == row and Recipe.from_toml(str(line["recipe"])) == recipe for line in read(results)):
            continue
        images = images or load_data(data)
        line = {"row": row, **run(checkpoint, images, recipe), "threads": threads, "recipe": recipe.to_toml()}
        with results.open("a") as file:
            file.write(json.dumps(line) + "\n")
        click.echo(f"{row}: {line['accuracy']}")
    click.echo(table(read(results)))


if __name__ == "__main__":
    main()
