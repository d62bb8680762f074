"""`--keep-faster`: measure every layer packed and dense on this machine, and leave dense what would not gain.

It is measured before the training, on the network pruned at once and exported both ways: see `cct.tuning.trial`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from cct.atomic_files import temporary_folder
from cct.errors import CctError, UnsupportedModel
from cct.measure.layer_times import LayerTime, layer_times
from cct.passes.module.plan_masks import PATTERN_COMPRESSION
from cct.recipe.blocks import format_blocks
from cct.recipe.recipe import Recipe
from cct.tuning.layer_choice import Choice, LayerChoice
from cct.tuning.trial import Trials

LEAST_GAIN = 0.05  # of the dense time: two sessions of one file differ by up to 3 %
_ROUNDS = 4  # that leave layers dense, before only the whole network counts


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
    with temporary_folder() as folder:
        return choose(recipe, _measured(Trials(module, example, folder, log)), log)


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
        blocks = format_blocks(*map(recipe.block_of, trials[0][1].layers))
        raise CctError(
            f"--keep-faster: nothing would be faster than dense on this machine at compression {recipe.compression:g} "
            f"and block {blocks}: ask for more compression or a larger block, or leave the "
            "option out to prune all the same"
        )
    chosen, trial = good[-1]
    for name, layer in trial.layers.items():
        dense[name] = _row(name, layer, layer.reason if layer.not_packed else "")
    rows = tuple(dense[name] for name in trials[0][1].layers)
    not_packed = [name for name, layer in trial.layers.items() if layer.not_packed]
    return Choice(_compression(chosen, trial, not_packed), rows)


def _measured(trials: Trials) -> Callable[[Recipe], Trial]:
    """A function that prunes a copy of the network by a recipe and measures it."""
    dense, tried = trials.dense(), list[Path]()

    def try_out(planned: Recipe) -> Trial:
        pruned = trials.prune(planned)
        tried.append(pruned.path)
        times = [layer_times(pruned.path, dense, threads) for threads in trials.threads]
        layers = {}
        for row in pruned.layers:
            found = [t[row.name] for t in times if row.name in t]
            layers[row.name] = Tried(row.weights, row.kept, found, pruned.not_packed.get(row.name, ""))
        return Trial(layers, trials.ratios(dense, tried))

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
