"""`--keep-faster`: measure every layer packed and dense on this machine, and leave dense what would not gain.

Speed depends on shapes, block and density, hardly on the trained values. So it is measured before the training: the
network is pruned at once, as in a dry run, and exported both ways.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from cct.bench import compare, cores
from cct.choice import Choice, LayerChoice
from cct.clicktrain import ClickTrain
from cct.errors import CctError, LibraryError, RecipeError, UnsupportedModel
from cct.exporter import export
from cct.layer_times import LayerTime, layer_times
from cct.library import supported
from cct.operator import NAME
from cct.passes.plan_masks import PATTERN_COMPRESSION
from cct.recipe import Recipe

LEAST_GAIN = 0.05  # of the dense time: two sessions of one file differ by up to 3 %
_ROUNDS = 4  # that leave layers dense, before only the whole network counts
_TURNS = 15  # of the whole network


@dataclass(frozen=True)
class Tried:
    """One layer of a trial.

    Attributes:
        weights: of the layer.
        kept: those that are not pruned.
        times: both ways, for each number of threads; empty where it is not packed, or not told apart in the profile.
        not_packed: why it is dense in the file although it is pruned; empty if it is packed.
    """

    weights: int
    kept: int
    times: Sequence[LayerTime] = ()
    not_packed: str = ""

    @property
    def least(self) -> LayerTime | None:
        """Its times with the number of threads with which it gains least."""
        return min(self.times, key=lambda times: times.ratio, default=None)

    @property
    def ratio(self) -> float:
        """How many times faster it is packed, at least; without times nothing speaks against it."""
        return float("inf") if self.least is None else self.least.ratio

    @property
    def reason(self) -> str:
        """Why to leave it dense; empty if it gains."""
        if self.not_packed:
            return f"pruned, it would be dense all the same: {self.not_packed}"
        return "" if _gains(self.ratio) else f"packed, it would not be {LEAST_GAIN:.0%} faster"


@dataclass(frozen=True)
class Trial:
    """A network pruned by a recipe, measured.

    Attributes:
        layers: those that the recipe prunes, in the network's order.
        ratios: how many times faster than dense the whole network is, with the number of threads with which it gains
            least: of all networks tried so far, in one interleaved run; this one's is the last.
    """

    layers: Mapping[str, Tried]
    ratios: Sequence[float]

    @property
    def packed(self) -> bool:
        """Whether anything is packed."""
        return any(not layer.not_packed for layer in self.layers.values())


def check_keep_faster(recipe: Recipe) -> None:
    """Make sure that there is something to measure.

    Raises:
        RecipeError: the recipe packs nothing, or is for another processor than this one.
        LibraryError: the platform has no library.
    """
    if recipe.portable:
        raise RecipeError("--keep-faster measures packed layers, and a portable file has none: leave one of them out")
    if recipe.compression == 1:
        raise RecipeError("--keep-faster measures packed layers, and compression 1 has none: leave one of them out")
    if recipe.target != "cpu":
        raise RecipeError(
            f"--keep-faster measures this CPU, and the file is for {recipe.target}: leave one of them out"
        )
    if not supported():
        raise LibraryError("--keep-faster measures the operator library, and this platform has none: leave it out")


def choose_layers(
    module: nn.Module, example: torch.Tensor, recipe: Recipe, log: Callable[[str], None] = lambda line: None
) -> Choice:
    """Choose which of the layers that the recipe prunes stay dense on this machine.

    Measured are one image, one thread and as many as there are cores; a layer must gain with both.

    Args:
        module: the baseline; stays as it is.
        example: an input.
        recipe: of the run.
        log: takes one line per round.

    Raises:
        CctError: nothing is faster packed.
    """
    with tempfile.TemporaryDirectory(prefix="cct-") as folder:
        return choose(recipe, _measured(copy.deepcopy(module).cpu(), example, Path(folder)), log)


def choose(recipe: Recipe, try_out: Callable[[Recipe], Trial], log: Callable[[str], None]) -> Choice:
    """Leave layers dense until all others gain, and the whole network does.

    1. Each round leaves dense what is not packed although it is pruned, and what would not be `LEAST_GAIN` faster,
       with the layout reorders around it. These lie elsewhere afterwards, so the next round measures again.
    2. If all layers gain, or the rounds are spent, and the whole network does not, the half that gains least goes.
    3. The last round's choice holds, unless the network of an earlier one was faster by `LEAST_GAIN`: a layer that is
       dense amid packed ones may cost more reorders than it loses packed.

    What stays packed keeps the weights that it would have kept: leaving a layer dense makes no other one slower.

    Args:
        recipe: of the run.
        try_out: prunes by a recipe and measures.
        log: takes one line per round.

    Raises:
        CctError: nothing is faster packed.
    """
    trials: list[tuple[Recipe, Trial]] = []
    dense: dict[str, LayerChoice] = {}
    current: Recipe | None = recipe
    while current is not None:
        try:
            found = try_out(current)
        except UnsupportedModel:  # few layers are left, whose blocks come to no such compression
            if not trials:
                raise
            break
        trials.append((current, found))
        left = {n: layer.reason for n, layer in found.layers.items() if layer.reason and len(trials) <= _ROUNDS}
        if not left and not _gains(found.ratios[-1]):
            order = sorted(found.layers, key=lambda name: found.layers[name].ratio)
            left = dict.fromkeys(order[: -(-len(order) // 2)], "with it the whole network would not be faster")
        log(
            f"keep-faster, round {len(trials)}: {len(found.layers)} layers pruned, the network {found.ratios[-1]:.2f}x "
            f"as fast as dense, {len(left) or 'none'} to stay dense"
        )
        dense |= {name: _row(name, found.layers[name], reason) for name, reason in left.items()}
        current = _without(current, found, left) if left else None
    ratios = trials[-1][1].ratios
    enough = max(1 / (1 - LEAST_GAIN), max(ratios) * (1 - LEAST_GAIN))
    good = [t for t, ratio in zip(trials, ratios, strict=True) if t[1].packed and ratio >= enough]
    if not good:
        raise CctError(
            f"--keep-faster: nothing would be faster than dense on this machine at compression {recipe.compression:g} "
            f"and block {recipe.block[0]}x{recipe.block[1]}: ask for more compression or a larger block, or leave the "
            "option out to prune all the same"
        )
    chosen, trial = good[-1]
    for name, layer in trial.layers.items():
        dense[name] = _row(name, layer, layer.reason if layer.not_packed else "")
    rows = tuple(dense[name] for name in trials[0][1].layers)
    not_packed = [name for name, layer in trial.layers.items() if layer.not_packed]
    return Choice(_compression(chosen, trial, not_packed), rows)


def _measured(network: nn.Module, example: torch.Tensor, folder: Path) -> Callable[[Recipe], Trial]:
    """A function that prunes a copy of the network by a recipe and measures it."""
    dense, tried, counts = folder / "dense.onnx", list[Path](), sorted({1, cores()})
    export(network, example, dense, pack=False)

    def try_out(planned: Recipe) -> Trial:
        pruned, packed = copy.deepcopy(network), folder / f"packed{len(tried)}.onnx"
        # how channels are grouped matters to accuracy, not to speed, and takes minutes in a large network
        pruner = ClickTrain(pruned, replace(planned, epochs=0, importance="magnitude", grouping="none"), 0)
        pruner.finish()
        rows = export(pruned, example, packed, weights=planned.weights, activations=planned.activations)
        tried.append(packed)
        not_packed = {row.name: row.reason for row in rows if row.op != NAME}
        times = [layer_times(packed, dense, threads) for threads in counts]
        layers = {
            row.name: Tried(
                row.weights, row.kept, [t[row.name] for t in times if row.name in t], not_packed.get(row.name, "")
            )
            for row in pruner.summary()
            if row.reason is None
        }
        return Trial(layers, list(map(min, zip(*(_ratios(dense, tried, threads) for threads in counts), strict=True))))

    return try_out


def _gains(ratio: float) -> bool:
    return ratio >= 1 / (1 - LEAST_GAIN)


def _row(name: str, layer: Tried, reason: str) -> LayerChoice:
    least = layer.least
    return LayerChoice(name, reason, *((least.threads, least.packed, least.dense) if least else (0, 0.0, 0.0)))


def _without(recipe: Recipe, trial: Trial, names: Collection[str]) -> Recipe | None:
    """The recipe that leaves further layers dense and keeps of the others what it kept; None if no other is left."""
    if all(name in names or not layer.kept for name, layer in trial.layers.items()):
        return None
    rows = tuple(_row(name, trial.layers[name], "dense") for name in trial.layers if name in names)
    return Choice(_compression(recipe, trial, names), rows).applied_to(recipe)


def _compression(recipe: Recipe, trial: Trial, names: Collection[str]) -> float:
    """Weights / kept weights of the layers without these.

    It never crosses the bound from which 3x3 kernels get patterns: that is a matter of what was asked for.
    """
    others = [layer for name, layer in trial.layers.items() if name not in names]
    if len(others) == len(trial.layers):
        return recipe.compression
    compression = round(sum(layer.weights for layer in others) / max(sum(layer.kept for layer in others), 1), 4)
    if recipe.entries == 1:
        return compression
    if recipe.compression >= PATTERN_COMPRESSION:
        return max(compression, PATTERN_COMPRESSION)
    return min(compression, PATTERN_COMPRESSION - 1e-4)


def _ratios(dense: Path, packed: Sequence[Path], threads: int) -> list[float]:
    """How many times faster than dense each network is."""
    files = {"dense": dense, **{path.name: path for path in packed}}
    times = compare(files, threads=threads, rounds=_TURNS)
    return [times["dense"].median / times[path.name].median for path in packed]
