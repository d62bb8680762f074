"""What a coarse block costs in accuracy: VGG-11 on CIFAR-10 at one compression, with blocks from 1x1 to 64x8.

    python benchmarks/blocks.py DATA [BLOCK ...]

DATA is a folder in ImageFolder layout. The network is trained dense on a fixed random 10,000 of the training images,
then every row goes on from there for as many epochs, dense too. A row that is already in the results is not run again.
ACCELERATE_MIXED_PRECISION=bf16 in the environment halves the time on CPUs that have it.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import click
import torch
from subset import subset

from cct.data.load_data import load_data
from cct.data.split import Data
from cct.models import MODELS
from cct.pruning.clicktrain import ClickTrain
from cct.recipe.recipe import Recipe
from cct.training.fine_tune import evaluate, fine_tune, total_steps

BLOCKS = ("dense", "64x8", "4x1", "32x8", "16x8", "64x4", "1x1")
IMAGES = 10_000
RESULTS = Path(__file__).parent / "results" / "blocks.jsonl"


def run(start: Path, data: Data, block: str, recipe: Recipe) -> dict[str, object]:
    """Go on from the dense weights in `start`, which are trained first if they are not there."""
    network = MODELS["vgg11"]()
    if not start.exists():
        torch.manual_seed(recipe.seed)
        fresh = MODELS["vgg11"]()
        fine_tune(fresh, data, recipe)
        torch.save(fresh.state_dict(), start)
        click.echo(f"start: {evaluate(fresh, data):.2f}")
    network.load_state_dict(torch.load(start, weights_only=True))
    if block != "dense":
        out, into = (int(side) for side in block.split("x"))
        recipe = replace(recipe, block=(out, into))
    begin = time.perf_counter()
    pruner = None if block == "dense" else ClickTrain(network, recipe, total_steps(data, recipe))
    fine_tune(network, data, recipe, pruner)
    return {
        "block": block,
        "accuracy": round(evaluate(network, data), 2),
        "compression": round(pruner.compression, 3) if pruner else 1.0,
        "seconds": round(time.perf_counter() - begin),
    }


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False))
@click.argument("blocks", nargs=-1, type=click.Choice(BLOCKS))
@click.option("--results", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS, show_default=True)
@click.option("--start", type=click.Path(dir_okay=False, path_type=Path), default=Path("build/vgg11-start.pt"))
@click.option("--epochs", default=6, show_default=True)
@click.option("--compression", default=4.0, show_default=True)
@click.option("--threads", default=2, show_default=True)
def main(
    data: str, blocks: tuple[str, ...], results: Path, start: Path, epochs: int, compression: float, threads: int
) -> None:
    """Run BLOCKS (all, if none is named) and print the table."""
    torch.set_num_threads(threads)
    # a gentler start than the default, which is for trained networks: VGG has no shortcuts
    recipe = Recipe(
        epochs=epochs, compression=compression, learning_rate=0.02, warmup=0.2, weight_decay=5e-4, connectivity="global"
    )
    done = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    images = None
    for block in blocks or BLOCKS:
        if any(line["block"] == block for line in done):
            continue
        images = images or subset(load_data(data), IMAGES)
        done.append(run(start, images, block, recipe) | {"recipe": recipe.to_toml()})
        with results.open("a") as file:
            file.write(json.dumps(done[-1]) + "\n")
        click.echo(done[-1])
    dense = next((line["accuracy"] for line in done if line["block"] == "dense"), None)
    click.echo("| block | accuracy, % | drop, points | compression | seconds |\n|---|---|---|---|---|")
    for line in sorted(done, key=lambda line: BLOCKS.index(line["block"])):
        drop = "" if dense is None else f"{dense - line['accuracy']:.2f}"
        click.echo(
            f"| {line['block']} | {line['accuracy']:.2f} | {drop} | {line['compression']:.2f} | {line['seconds']} |"
        )


if __name__ == "__main__":
    main()
