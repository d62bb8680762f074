"""What pruning costs and saves in training time: ResNet-20 from scratch, in the same process as dense training.

    python -m benchmarks.training [DATA]

DATA is a folder in ImageFolder layout, such as CIFAR-10; without it images of that size are made up. Three parts, of
which `--part` chooses some: `layers` times the three products of each shape of layer, dense and from kept weights;
`steps` profiles a training step, dense, before the cut and after it; `runs` trains dense and pruned networks in turns
and gives the ratio of their times: the whole of `fine_tune`, with the choice of what stays. What `cct compress` does
around it, dense or pruned alike, is left out. About 30 minutes with two threads, most of it `runs`.

On a machine that others use too, `--threads 1 --cpu-time` counts the time of this process alone.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import click
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.accuracy.subset import subset
from cct.data.load_data import load_data
from cct.data.memory_images import MemoryImages
from cct.data.split import Data, make_data
from cct.models import MODELS
from cct.pruning.clicktrain import ClickTrain
from cct.recipe.recipe import Recipe
from cct.runtime.machine import machine
from cct.sparse_training.autograd import input_gradient, output, weight_gradient
from cct.sparse_training.products import SparseConvolution
from cct.training.fine_tune import fine_tune, total_steps
from cct.training.malloc import keep_freed_memory

RESULTS = Path(__file__).parents[1] / "results" / "training_time.json"
PARTS = ("layers", "steps", "runs")
LAYERS = ((16, 16, 32, 1), (16, 32, 32, 2), (32, 32, 16, 1), (32, 64, 16, 2), (64, 64, 8, 1))  # in, out, size, stride
DENSITIES = (1 / 8, 4 / 9)
T_95 = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}  # by number of pairs
DENSE = Recipe(compression=1.0, batch_size=128, epochs=3, learning_rate=0.1)
PRUNED = {
    "before": replace(DENSE, compression=8.0, cut_at=1.0),
    "before, lasso": replace(DENSE, compression=8.0, cut_at=1.0, easing="lasso", lasso=1e-4),
    "after": replace(DENSE, compression=8.0, cut_at=0.0),
    "after, one ranking": replace(DENSE, compression=8.0, cut_at=0.0, connectivity="global"),
    "after, all dense": replace(DENSE, compression=8.0, cut_at=0.0, sparse_training="off"),
}
RUNS = {
    "default": replace(DENSE, compression=Recipe().compression),
    "8x, cut at half": replace(DENSE, compression=8.0, cut_at=0.5),
}


@dataclass(frozen=True)
class Clock:
    """How seconds are counted."""

    now: Callable[[], float]

    def ms(self, run: Callable[[], object], times: int = 7) -> float:
        """The least that it takes."""
        run()
        least = math.inf
        for _ in range(times):
            start = self.now()
            run()
            least = min(least, self.now() - start)
        return round(least * 1e3, 3)


def layers(clock: Clock, batch: int) -> list[dict[str, Any]]:
    """Each product of each shape and density."""
    generator = torch.Generator().manual_seed(0)
    rows = []
    for (ins, outs, size, stride), density in itertools.product(LAYERS, DENSITIES):
        mask = block_mask(outs, ins, density, generator)
        c = SparseConvolution(mask, (stride, stride), (1, 1), (1, 1), 1)
        times = products(clock, c, mask, torch.randn(batch, ins, size, size, generator=generator))
        rows.append({"layer": f"{ins}->{outs} {size}x{size} /{stride}", "density": round(density, 3), **times})
        click.echo("  ".join(str(part) for part in rows[-1].values()))
    return rows


def products(clock: Clock, c: SparseConvolution, weight: Tensor, x: Tensor) -> dict[str, dict[str, float]]:
    """Torch's own product in its best memory format, and ours."""
    dy = torch.ones_like(output(c, True, x, weight, None))
    first = dy, x, weight
    last = [t.contiguous(memory_format=torch.channels_last) for t in first]
    both: dict[str, Callable[[bool, Tensor, Tensor, Tensor], Tensor]] = {
        "output": lambda sparse, dy, x, w: output(c, sparse, x, w, None),
        "input_gradient": lambda sparse, dy, x, w: input_gradient(c, sparse, dy, x, w),
        "weight_gradient": lambda sparse, dy, x, w: weight_gradient(c, sparse, dy, x, w),
    }
    found = {}
    for name, product in both.items():
        dense, sparse = clock.ms(partial(product, False, *last)), clock.ms(partial(product, True, *first))
        found[name] = {"dense_ms": dense, "sparse_ms": sparse, "times": round(dense / sparse, 2)}
    return found


def block_mask(outs: int, ins: int, density: float, generator: torch.Generator) -> Tensor:
    """Blocks of 4x1 that keep 4 of 9 positions, as many as the density asks for."""
    kernels = torch.zeros(outs // 4 * ins, 9)
    kept = torch.randperm(len(kernels), generator=generator)[: round(len(kernels) * density * 9 / 4)]
    for kernel in kept.tolist():
        kernels[kernel, torch.randperm(9, generator=generator)[:4]] = 1
    return kernels.view(outs // 4, ins, 3, 3).repeat_interleave(4, 0)


class Steps:
    """Training steps of one network, taken apart."""

    def __init__(self, recipe: Recipe, data: Data) -> None:
        torch.manual_seed(0)
        self.module = MODELS["resnet20"]().train()
        self.module.to(memory_format=torch.channels_last)
        self.pruner = ClickTrain(self.module, recipe, 10_000) if recipe.compression > 1 else None
        self.bf16 = recipe.mixed_precision == "bf16"
        self.optimizer = torch.optim.SGD(self.module.parameters(), 0.01, 0.9, weight_decay=1e-4, nesterov=True)
        self.batches = self._forever(data, recipe.batch_size)
        self.parts: list[dict[str, float]] = []

    @staticmethod
    def _forever(data: Data, batch_size: int) -> Iterator[list[Tensor]]:
        generator = torch.Generator().manual_seed(0)
        while True:
            yield from data.batches("train", batch_size, generator)

    def step(self, clock: Clock) -> None:
        """One more, whose times are noted."""
        times = [clock.now()]

        def done() -> None:
            times.append(clock.now())

        images, labels = next(self.batches)
        done()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            loss = F.cross_entropy(self.module(images), labels)
        done()
        if self.pruner is not None:
            loss = loss + self.pruner.penalty()
        done()
        loss.backward()  # type: ignore[no-untyped-call]  # of torch
        done()
        self.optimizer.step()
        done()
        if self.pruner is not None:
            self.pruner.step()
        done()
        self.optimizer.zero_grad()
        names = ("data", "forward", "penalty", "backward", "optimizer", "pruner")
        spent = [b - a for a, b in itertools.pairwise(times)]
        self.parts.append(dict(zip(names, spent, strict=True)) | {"all": times[-1] - times[0]})


def steps(clock: Clock, data: Data, rounds: int) -> dict[str, dict[str, float]]:
    """Medians in ms of each part, the networks in turns; the first steps are not counted."""
    bf16 = replace(DENSE, mixed_precision="bf16")
    recipes = {"dense": DENSE, "dense, bf16": bf16, **PRUNED}
    kinds = {name: Steps(recipe, data) for name, recipe in recipes.items()}
    for _ in range(rounds + 1):
        for kind in kinds.values():
            kind.step(clock)
    found = {}
    for name, kind in kinds.items():
        parts = kind.parts[1:]
        found[name] = {part: round(median(p[part] for p in parts) * 1e3, 2) for part in parts[0]}
    for name in found:
        found[name]["to_dense"] = round(found[name]["all"] / found["dense"]["all"], 3)
        click.echo(f"{name}: {found[name]}")
    return found


def train(clock: Clock, data: Data, recipe: Recipe, seed: int) -> float:
    """Seconds of a training from scratch, the choice of masks included."""
    torch.manual_seed(seed)
    module: nn.Module = MODELS["resnet20"]()
    start = clock.now()
    pruner = ClickTrain(module, recipe, total_steps(data, recipe)) if recipe.compression > 1 else None
    fine_tune(module, data, replace(recipe, seed=seed), pruner, log=lambda line: None)
    return clock.now() - start


def runs(clock: Clock, data: Data, pairs: int, epochs: int) -> dict[str, Any]:
    """Ratio to the dense training of the same turn; every other turn goes backwards."""
    train(clock, subset(data, 5 * DENSE.batch_size), replace(DENSE, epochs=1), 0)  # what is only slow the first time
    seconds: dict[str, list[float]] = {name: [] for name in ("dense", *RUNS)}
    for pair in range(pairs):
        order = [("dense", DENSE), *RUNS.items()]
        for name, recipe in order if pair % 2 == 0 else order[::-1]:
            seconds[name].append(train(clock, data, replace(recipe, epochs=epochs), pair))
            click.echo(f"pair {pair + 1}, {name}: {seconds[name][-1]:.1f} s")
    found: dict[str, dict[str, Any]] = {"dense": {"seconds": [round(s, 2) for s in seconds["dense"]]}}
    for name in RUNS:
        ratios = [own / dense for own, dense in zip(seconds[name], seconds["dense"], strict=True)]
        half = T_95[pairs] * stdev(ratios) / math.sqrt(pairs)
        low, high = round(mean(ratios) - half, 3), round(mean(ratios) + half, 3)
        found[name] = {
            "seconds": [round(s, 2) for s in seconds[name]],
            "ratio": round(mean(ratios), 3),
            "95%": [low, high],
        }
        click.echo(f"{name}: {found[name]['ratio']} of dense, 95 % interval {low} to {high}")
    return {"pairs": pairs, "epochs": epochs, **found}


def images_of(folder: str | None, count: int) -> Data:
    """A fixed subset of a folder's training images, or as many made up."""
    generator = torch.Generator().manual_seed(0)
    if folder is None:
        pixels = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
        labels = torch.randint(10, (count,), generator=generator)
        names = tuple(map(str, range(10)))
        both = {"train": labels, "val": labels}
        scale = (0.5,) * 3, (0.25,) * 3
        return make_data("made up", names, lambda *_: MemoryImages(pixels), both, (32, 32), None, 3, scale, True)
    return subset(load_data(folder), count)


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False), required=False)
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), help="Only these.")
@click.option("--threads", default=2, show_default=True)
@click.option("--pairs", type=click.IntRange(2, 10), default=5, show_default=True, help="Dense and pruned runs.")
@click.option("--epochs", default=3, show_default=True, help="Of a run.")
@click.option("--images", default=20_000, show_default=True, help="Of an epoch.")
@click.option("--rounds", default=20, show_default=True, help="Steps of each kind.")
@click.option("--return-memory", is_flag=True, help="Let glibc give back what a step has freed, unlike cct compress.")
@click.option("--cpu-time", is_flag=True, help="Count the time of this process alone.")
@click.option("--results", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS, show_default=True)
def main(
    data: str | None,
    parts: tuple[str, ...],
    threads: int,
    pairs: int,
    epochs: int,
    images: int,
    rounds: int,
    return_memory: bool,
    cpu_time: bool,
    results: Path,
) -> None:
    """Measure, print, and write the parts into the results; parts that are not asked for stay what they were."""
    torch.set_num_threads(threads)
    if not return_memory:
        keep_freed_memory()
    clock = Clock(time.process_time if cpu_time else time.perf_counter)
    found = json.loads(results.read_text()) if results.exists() else {}
    for part in parts or PARTS:
        about = {"machine": machine(), "torch": torch.__version__, "threads": threads}
        about |= {"cpu_time": cpu_time, "return_memory": return_memory}
        if part == "layers":
            measured: Any = layers(clock, DENSE.batch_size)
        else:
            loaded = images_of(data, images)
            about |= {"data": loaded.name, "images": images}
            measured = steps(clock, loaded, rounds) if part == "steps" else runs(clock, loaded, pairs, epochs)
        found[part] = {**about, "measured": measured}
        results.parent.mkdir(parents=True, exist_ok=True)
        results.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
