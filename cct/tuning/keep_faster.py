"""`--keep-faster`: measure every layer packed and dense on this machine, and leave dense what would not gain.

It is measured before the training, on the network pruned at once and exported both ways: see `cct.tuning.trial`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from cct.atomic_files import temporary_folder
from cct.measure.layer_times import layer_times
from cct.recipe.recipe import Recipe
from cct.tuning.choose_layers import LayerTrial, NetworkTrial, choose_layers
from cct.tuning.layer_choice import LayerChoice
from cct.tuning.trial import Trials


def keep_faster(
    module: nn.Module, example: torch.Tensor, recipe: Recipe, log: Callable[[str], None] = lambda line: None
) -> LayerChoice:
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
        return choose_layers(recipe, _measurement(Trials(module, example, folder, log)), log)


def _measurement(trials: Trials) -> Callable[[Recipe], NetworkTrial]:
    """A function that prunes a copy of the network by a recipe and measures it."""
    dense, paths = trials.dense(), list[Path]()

    def measure(recipe: Recipe) -> NetworkTrial:
        pruned = trials.prune(recipe)
        paths.append(pruned.path)
        by_threads = [layer_times(pruned.path, dense, threads) for threads in trials.threads]
        layers = {}
        for row in pruned.layers:
            times = [by_name[row.name] for by_name in by_threads if row.name in by_name]
            layers[row.name] = LayerTrial(row.weights, row.kept, times, pruned.not_packed.get(row.name, ""))
        return NetworkTrial(layers, trials.ratios(dense, paths))

    return measure
