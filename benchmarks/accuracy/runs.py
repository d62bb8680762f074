"""Train one row of `python -m benchmarks.accuracy`, and keep what came out."""

from __future__ import annotations

import fcntl
import json
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.accuracy.peers import PEERS
from benchmarks.accuracy.rows import BY_NAME, Row
from cct.checkpoint.load_model import load_model
from cct.data.split import Data
from cct.errors import RecipeError
from cct.exporter.export import export
from cct.model_source import ModelSource
from cct.models import MODELS
from cct.pruning.clicktrain import ClickTrain
from cct.recipe.recipe import Recipe
from cct.runtime.machine import machine
from cct.training.evaluate import evaluate
from cct.training.fine_tune import fine_tune, total_steps

Result = dict[str, Any]


def of(row: Row, seed: int, line: Result) -> bool:
    """Whether a result is this run's: all that is known before it is the same."""
    if not about(row).items() <= line.items() or line["seed"] != seed:
        return False
    try:
        return Recipe.from_toml(line["recipe"]) == row.recipe(seed)
    except RecipeError:  # of a knob that is no more
        return False


def about(row: Row) -> Result:
    """What a result says of its row."""
    fields = ("network", "images", "method", "start", "teacher")
    return {"row": row.name, **{name: getattr(row, name) for name in fields}}


def read(results: Path) -> list[Result]:
    return [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []


def is_done(row: Row, seed: int, results: Path) -> bool:
    """Whether a run is in the results."""
    return any(of(row, seed, line) for line in read(results))


def file_of(folder: Path, name: str, seed: int, suffix: str) -> Path:
    """Where a run leaves its lock, pth or onnx."""
    return folder / f"{name.replace(' ', '-')}-{seed}.{suffix}"


def missing(rows: Sequence[Row], seeds: Sequence[int], results: Path, folder: Path) -> Iterator[tuple[Row, int]]:
    """Runs that are not in the results, that no other process is at, and whose start and teacher are trained.

    A row that others of `rows` wait for is run again if its weights are not in the folder. What becomes possible by the
    runs before it follows them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(row, seed) for row in rows for seed in row.seeds if not seeds or seed in seeds]
    awaited = {name for row, _ in wanted for name in (row.start, row.teacher)}

    def trained(row: Row, seed: int, weights: bool) -> bool:
        return is_done(row, seed, results) and (not weights or file_of(folder, row.name, seed, "pth").exists())

    possible = True
    while possible:
        possible = False
        for row, seed in wanted:
            needed = [BY_NAME[name] for name in (row.start, row.teacher) if name not in ("", "random")]
            if not all(trained(other, 0, weights=True) for other in needed):
                continue
            with _claim(file_of(folder, row.name, seed, "lock")) as ours:
                if ours and not trained(row, seed, weights=seed == 0 and row.name in awaited):
                    possible = True
                    yield row, seed


@contextmanager
def _claim(lock: Path) -> Iterator[bool]:
    """Whether no other process has it; the claim ends with the process, however that ends."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@dataclass(frozen=True)
class Starts:
    """The networks that rows begin with and learn from.

    Attributes:
        checkpoint: of ResNet-20; the others begin at random.
        folder: where the weights of rows are.
    """

    checkpoint: Path
    folder: Path

    def of(self, row: Row) -> nn.Module:
        """What a row begins with."""
        if row.start not in ("", "random"):
            return self._trained(row.start)
        if row.network == "resnet20" and not row.start:
            return load_model(ModelSource(self.checkpoint, "cct.models:resnet20")).module
        torch.manual_seed(0)
        return MODELS[row.network]()

    def teacher(self, row: Row) -> nn.Module | None:
        """What a row that distils learns from: the row's own start, as in `cct compress`, or another row's network."""
        if row.recipe(0).distillation == 0:
            return None
        return (self._trained(row.teacher) if row.teacher else self.of(row)).eval()

    def _trained(self, name: str) -> nn.Module:
        module = MODELS[BY_NAME[name].network]()
        module.load_state_dict(torch.load(file_of(self.folder, name, 0, "pth"), weights_only=True))
        return module


def run(row: Row, seed: int, starts: Starts, data: Data, folder: Path) -> Result:
    """Train and evaluate; leave weights and an ONNX file in the folder.

    Args:
        row: what to train.
        seed: of the recipe.
        starts: the networks to begin with.
        data: images and labels.
        folder: see `file_of`.
    """
    recipe, network = row.recipe(seed), starts.of(row)
    teacher = starts.teacher(row)
    begin, steps = time.perf_counter(), total_steps(data, recipe)
    pruner = (ClickTrain if row.method == "cct" else PEERS[row.method])(network, recipe, steps)
    history = fine_tune(network, data, recipe, pruner, teacher)
    seconds = time.perf_counter() - begin
    onnx = file_of(folder, row.name, seed, "onnx")
    torch.save(network.state_dict(), file_of(folder, row.name, seed, "pth"))
    export(network, data.example(), onnx, pack=row.method != "channels" and recipe.compression > 1)
    return about(row) | {
        "recipe": recipe.to_toml(),
        "seed": seed,
        "accuracy": round(evaluate(network, data), 2),
        "compression": round(pruner.compression, 3),
        "loss": round(history[-1].loss, 4),
        "bytes": onnx.stat().st_size,
        "seconds": round(seconds),
        "threads": torch.get_num_threads(),
        "machine": machine(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
