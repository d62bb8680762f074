"""The rule by which `--keep-faster` leaves layers dense, on measured times."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from cct.errors import CctError, UnsupportedModel
from cct.measure.layer_times import LayerTime
from cct.passes.module.plan_masks import PATTERN_COMPRESSION
from cct.recipe.blocks import format_blocks
from cct.recipe.recipe import Recipe
from cct.tuning.layer_choice import LayerChoice, LayerRow

LEAST_GAIN = 0.05  # of the dense time: two sessions of one file differ by up to 3 %
_ROUNDS = 4  # that leave layers dense, before only the whole network counts


@dataclass(frozen=True)
class LayerTrial:
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
class NetworkTrial:
    """A network pruned by a recipe, measured.

    Attributes:
        layers: those that the recipe prunes, in the network's order.
        ratios: how many times faster than dense the whole network is, with the number of threads with which it gains
            least: of all networks tried so far, in one interleaved run; this one's is the last.
    """

    layers: Mapping[str, LayerTrial]
    ratios: Sequence[float]

    @property
    def packed(self) -> bool:
        """Whether anything is packed."""
        return any(not layer.not_packed for layer in self.layers.values())


def choose_layers(recipe: Recipe, measure: Callable[[Recipe], NetworkTrial], log: Callable[[str], None]) -> LayerChoice:
    """Leave layers dense until all others gain, and the whole network does.

    1. Each round leaves dense what is not packed although it is pruned, and what would not be `LEAST_GAIN` faster,
       with the layout reorders around it. These lie elsewhere afterwards, so the next round measures again.
    2. If all layers gain, or the rounds are spent, and the whole network does not, the half that gains least goes.
    3. The last round's choice holds, unless the network of an earlier one was faster by `LEAST_GAIN`: a layer that is
       dense amid packed ones may cost more reorders than it loses packed.

    What stays packed keeps the weights that it would have kept: leaving a layer dense makes no other one slower.

    Args:
        recipe: of the run.
        measure: prunes by a recipe and measures.
        log: takes one line per round.

    Raises:
        CctError: nothing is faster packed.
    """
    recipes: list[Recipe] = []
    trials: list[NetworkTrial] = []
    dense: dict[str, LayerRow] = {}
    current: Recipe | None = recipe
    while current is not None:
        try:
            trial = measure(current)
        except UnsupportedModel:  # few layers are left, whose blocks come to no such compression
            if not trials:
                raise
            break
        recipes.append(current)
        trials.append(trial)
        reasons = _reasons(trial, each_layer=len(trials) <= _ROUNDS)
        log(
            f"keep-faster, round {len(trials)}: {len(trial.layers)} layers pruned, the network {trial.ratios[-1]:.2f}x "
            f"as fast as dense, {len(reasons) or 'none'} to stay dense"
        )
        dense |= {name: _row(name, trial.layers[name], reason) for name, reason in reasons.items()}
        current = _without(current, trial, reasons) if reasons else None
    last = _last_fast(trials)
    if last is None:
        blocks = format_blocks(*map(recipe.block_of, trials[0].layers))
        raise CctError(
            f"--keep-faster: nothing would be faster than dense on this machine at compression {recipe.compression:g} "
            f"and block {blocks}: ask for more compression or a larger block, or leave the "
            "option out to prune all the same"
        )
    trial = trials[last]
    for name, layer in trial.layers.items():
        dense[name] = _row(name, layer, layer.reason if layer.not_packed else "")
    not_packed = [name for name, layer in trial.layers.items() if layer.not_packed]
    return LayerChoice(_compression(recipes[last], trial, not_packed), tuple(dense[name] for name in trials[0].layers))


def _reasons(trial: NetworkTrial, each_layer: bool) -> dict[str, str]:
    """Why further layers are to stay dense, by name; `each_layer` of them is asked before the whole network is."""
    reasons = {name: layer.reason for name, layer in trial.layers.items() if layer.reason and each_layer}
    if reasons or _gains(trial.ratios[-1]):
        return reasons
    order = sorted(trial.layers, key=lambda name: trial.layers[name].ratio)
    return dict.fromkeys(order[: -(-len(order) // 2)], "with it the whole network would not be faster")


def _last_fast(trials: Sequence[NetworkTrial]) -> int | None:
    """The last trial that is faster than dense, and hardly slower than the fastest; None if there is none."""
    ratios = trials[-1].ratios
    enough = max(1 / (1 - LEAST_GAIN), max(ratios) * (1 - LEAST_GAIN))
    fast = [i for i, trial in enumerate(trials) if trial.packed and ratios[i] >= enough]
    return fast[-1] if fast else None


def _gains(ratio: float) -> bool:
    return ratio >= 1 / (1 - LEAST_GAIN)


def _row(name: str, layer: LayerTrial, reason: str) -> LayerRow:
    least = layer.least
    return LayerRow(name, reason, *((least.threads, least.packed, least.dense) if least else (0, 0.0, 0.0)))


def _without(recipe: Recipe, trial: NetworkTrial, names: Collection[str]) -> Recipe | None:
    """The recipe that leaves further layers dense and keeps of the others what it kept; None if no other is left."""
    if all(name in names or not layer.kept for name, layer in trial.layers.items()):
        return None
    rows = tuple(_row(name, trial.layers[name], "dense") for name in trial.layers if name in names)
    return LayerChoice(_compression(recipe, trial, names), rows).applied_to(recipe)


def _compression(recipe: Recipe, trial: NetworkTrial, names: Collection[str]) -> float:
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
